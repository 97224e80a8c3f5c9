import { RequestHead, fieldId, type FieldId } from '@rp/parser';
import { CertificateStore } from '@rp/tls';
import { expect, test } from 'vitest';
import type { Listener, ListenerTls } from '../src/config/index.ts';
import { ListenerRules } from '../src/run/listener-rules.ts';

const plain: Listener = {
  address: '127.0.0.1',
  port: 0,
  http2: false,
  h2c: false,
  proxyProtocol: false,
  tls: null,
  redirectToHttps: null,
};

const tls: ListenerTls = {
  certificates: [],
  minVersion: 'TLSv1.2',
  ciphers: null,
  strictSni: false,
  clientAuth: { mode: 'none', ca: null },
  hsts: null,
  handshakeTimeout: 10_000,
  ticketRotation: 86_400_000,
};

function request(host: string, path: string, ...fields: string[]): RequestHead {
  const ids: FieldId[] = [];
  for (let i = 0; i < fields.length; i += 2) ids.push(fieldId(fields[i]!));
  return new RequestHead('GET', path, 1, fields, ids, 0, -1, host, path, true, '', false);
}

function rulesOf(listener: Partial<Listener>, guardsIdentity = false): ListenerRules {
  const rules = new ListenerRules();
  rules.update({ ...plain, ...listener }, guardsIdentity, new CertificateStore([]));
  return rules;
}

test('a listener without anything of the kind lets everything pass as it came', () => {
  const rules = rulesOf({});
  const head = request('app.example', '/', 'X-Client-Subject', 'me');
  expect(rules.admit(head, [])).toBeUndefined();
  expect(head.fields).toEqual(['X-Client-Subject', 'me']);
  expect(rules.responseFields(head, undefined)).toEqual([]);
});

test('redirectToHttps answers 308 with host and target kept, and the port mapped', () => {
  const rules = rulesOf({ redirectToHttps: { port: 8443 } });
  expect(rules.admit(request('app.example:8080', '/a?b=%20c'), [])).toEqual({
    status: 308,
    fields: ['Location', 'https://app.example:8443/a?b=%20c'],
  });
  const standard = rulesOf({ redirectToHttps: { port: 443 } });
  expect(standard.admit(request('app.example', '/'), [])).toMatchObject({
    fields: ['Location', 'https://app.example/'],
  });
});

test('a redirect without a host to go to is a 400', () => {
  expect(rulesOf({ redirectToHttps: { port: 443 } }).admit(request('', '/'), [])).toMatchObject({
    code: 'BAD_REQUEST',
  });
});

test('where some listener vouches for clients, nobody else may: incoming identity fields go, in any spelling', () => {
  const rules = rulesOf({}, true);
  const head = request(
    'a',
    '/',
    'X-Client-Verify',
    'SUCCESS',
    'x_client.subject',
    'CN=admin',
    'Client-Cert',
    ':x:',
    'X-Other',
    '1',
  );
  rules.admit(head, ['X-Client-Verify', 'NONE']);
  expect(head.fields).toEqual(['X-Other', '1', 'X-Client-Verify', 'NONE']);
  expect(head.ids).toHaveLength(2);
});

test('HSTS goes with names, not with addresses, and not beside one of the backend', () => {
  const hsts = { maxAge: 3_600_000, includeSubDomains: true, preload: false };
  const rules = rulesOf({ tls: { ...tls, hsts } });
  expect(rules.responseFields(request('app.example:8443', '/'), undefined)).toEqual([
    'Strict-Transport-Security',
    'max-age=3600; includeSubDomains',
  ]);
  expect(rules.responseFields(request('127.0.0.1', '/'), undefined)).toEqual([]);
});

test('strictSni: a host that no certificate covers is misdirected (421); a reload can end that', () => {
  const rules = rulesOf({ tls: { ...tls, strictSni: true } });
  expect(rules.admit(request('nobody.example', '/'), [])).toMatchObject({ code: 'MISDIRECTED' });
  rules.update({ ...plain, tls }, false, new CertificateStore([]));
  expect(rules.admit(request('nobody.example', '/'), [])).toBeUndefined();
});
