import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CertificateStore,
  TicketInstaller,
  TicketKeySet,
  TlsServerBinding,
  loadCertificate,
  loadCertificates,
  storeToMessage,
} from '@rp/tls';
import { Authority, openssl } from './support/authority.ts';

const authority = new Authority();
afterAll(() => authority.close());
const issued = authority.issue('secret.example');
const certificate = loadCertificate(issued);
const store = new CertificateStore([certificate]);
const ticketKey = Buffer.alloc(48, 'TICKET-SECRET-');
const tickets = new TicketKeySet(1, [ticketKey]);
const installer = new TicketInstaller(tickets, () => undefined);
const keyLines = issued.keyPem.split('\n').filter((line) => line.length > 20 && !line.startsWith('-'));

/** Everything that a logger might make of a value. */
function prints(value: unknown): string {
  const options = { depth: Infinity, showHidden: true, getters: true, maxStringLength: Infinity };
  return [inspect(value, options), inspect(value), JSON.stringify(value) ?? '', String(value)].join('\n');
}

/** A secret in any form it could be printed in. */
function forms(text: string): string[] {
  const bytes = Buffer.from(text);
  const hex = bytes.subarray(0, 12).toString('hex');
  return [
    text,
    hex,
    hex.replaceAll(/(..)(?!$)/g, '$1 '),
    bytes.subarray(0, 12).join(', '),
    bytes.subarray(0, 12).join(','),
  ];
}

describe('hazard: key material never shows', () => {
  it.each([
    ['a certificate', certificate],
    ['a store', store],
    ['a selection', store.select('secret.example', Date.now())],
    ['a binding', new TlsServerBinding({ store, now: Date.now, tickets: installer })],
    ['a store message', storeToMessage(store, { version: 1 })],
    ['ticket keys', tickets],
    ['a ticket installer', installer],
    ['a ticket message', tickets.toMessage()],
  ])('in %s', (_name, value) => {
    const text = prints(value);
    for (const secret of [...keyLines, 'TICKET-SECRET-']) {
      for (const form of forms(secret)) expect(text).not.toContain(form);
    }
    expect(text).not.toContain('PRIVATE KEY');
  });

  it('in problems and errors, whatever is wrong with the key', () => {
    const other = authority.issue('other.example');
    const encrypted = authority.path('enc.key');
    openssl('pkcs8', '-topk8', '-in', issued.key, '-out', encrypted, '-passout', 'pass:the-passphrase');
    const keys = [
      other.keyPem,
      issued.keyPem.slice(0, -60),
      issued.keyPem.replace('MI', 'XX'),
      issued.keyPem.replaceAll('PRIVATE KEY', 'RSA PRIVATE KEY'),
    ];
    const { problems } = loadCertificates([
      ...keys.map((key) => ({ cert: issued.cert, key })),
      { cert: issued.cert, key: encrypted, passphrase: 'not-the-passphrase' },
    ]);
    expect(problems.length).toBeGreaterThanOrEqual(4);
    const text = prints(problems);
    for (const line of [
      ...keyLines,
      ...other.keyPem.split('\n').filter((one) => one.length > 20 && !one.startsWith('-')),
    ]) {
      expect(text).not.toContain(line);
    }
    expect(text).not.toContain('the-passphrase');
  });

  it('is caught by this test where it does show', () => {
    const text = prints({ key: issued.keyPem, ticket: ticketKey });
    expect(keyLines.some((line) => text.includes(line))).toBe(true);
    expect(forms('TICKET-SECRET-').some((form) => text.includes(form))).toBe(true);
  });
});
