import { describe, expect, test } from 'vitest';
import {
  BodyFraming,
  checkedField,
  connectionOptions,
  FieldId,
  fieldValue,
  fieldValues,
  ForwardingTail,
  forwardRequestHead,
  RequestHead,
  type ForwardRequest,
} from '../../src/index.ts';
import { requestHead } from './heads-of.ts';

const untrusted: ForwardRequest = {
  client: '192.0.2.7',
  proto: 'https',
  port: 8443,
  trusted: false,
  requestId: 'our-id',
  viaName: 'rp',
  forwarded: false,
};
const trusted: ForwardRequest = { ...untrusted, trusted: true };

const lines = (head: string): string[] => {
  expect(head.endsWith('\r\n\r\n')).toBe(true);
  return head.slice(0, -4).split('\r\n');
};
const forward = (
  head: RequestHead,
  rules = untrusted,
  extra = '',
  connection: '' | 'close' | 'upgrade' = '',
): string[] => lines(forwardRequestHead(head, rules, extra, connection));
const ours = (host: string): string[] => [
  'X-Forwarded-For: 192.0.2.7',
  'X-Forwarded-Proto: https',
  `X-Forwarded-Host: ${host}`,
  'X-Forwarded-Port: 8443',
  'Via: 1.1 rp',
  'X-Request-Id: our-id',
];

test('end-to-end fields keep name case, order, repetition and value', () => {
  const head = requestHead(
    'GET /p?q HTTP/1.1',
    'x-B: 2',
    'hOST: a',
    'X-a: 1',
    'x-B: 3',
    'Empty:',
    'my_name: v',
    'my.name: v',
  );
  expect(forward(head)).toEqual([
    'GET /p?q HTTP/1.1',
    'x-B: 2',
    'hOST: a',
    'X-a: 1',
    'x-B: 3',
    'Empty: ',
    'my_name: v',
    'my.name: v',
    ...ours('a'),
  ]);
});

test('fields named in Connection, and those that are always hop-by-hop, are removed', () => {
  const head = requestHead(
    'GET / HTTP/1.1',
    'Host: a',
    'Connection: keep-alive, X-One ,, x-TWO',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'TE: trailers',
    'Trailer: Checksum',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABk',
    'x-one: 1',
    'X-Two: 2',
    'X-Three: 3',
  );
  expect(connectionOptions(head)).toEqual(['x-one', 'x-two']);
  expect(forward(head)).toEqual([
    'GET / HTTP/1.1',
    'Host: a',
    'Trailer: Checksum',
    'X-Three: 3',
    ...ours('a'),
  ]);
});

test('Connection cannot remove Host, framing, authorisation, cookies or forwarding fields', () => {
  const head = requestHead(
    'POST / HTTP/1.1',
    'Host: a',
    'Connection: Host, Content-Length, Authorization, Cookie, X-Forwarded-For, X-Forwarded-Proto, X-Request-Id, Via, close',
    'Authorization: Basic eA==',
    'Cookie: a=b',
    'Content-Length: 3',
    'X-Forwarded-For: 198.51.100.1',
    'X-Forwarded-Proto: http',
  );
  expect(connectionOptions(head)).toBeUndefined();
  expect(forward(head, trusted)).toEqual([
    'POST / HTTP/1.1',
    'Host: a',
    'Authorization: Basic eA==',
    'Cookie: a=b',
    'Content-Length: 3',
    'X-Forwarded-Proto: http',
    'X-Forwarded-For: 198.51.100.1, 192.0.2.7',
    'X-Forwarded-Host: a',
    'X-Forwarded-Port: 8443',
    'Via: 1.1 rp',
    'X-Request-Id: our-id',
  ]);
});

describe('exactly one framing, written by us', () => {
  test('a length in its place, in canonical digits', () => {
    const head = requestHead('POST / HTTP/1.1', 'Host: a', 'content-length: 0007', 'X: y');
    expect(forward(head).slice(1, 4)).toEqual(['Host: a', 'content-length: 7', 'X: y']);
  });
  test('chunked at the end, for every method', () => {
    for (const method of ['GET', 'DELETE', 'OPTIONS', 'POST']) {
      const head = requestHead(`${method} / HTTP/1.1`, 'Host: a', 'Transfer-Encoding: Chunked', 'X: y');
      const out = forward(head);
      expect(out.filter((line) => /^(transfer-encoding|content-length):/i.test(line))).toEqual([
        'Transfer-Encoding: chunked',
      ]);
    }
  });
  test('none for a request without body', () => {
    const head = requestHead('GET / HTTP/1.1', 'Host: a');
    expect(forward(head).some((line) => /^(transfer-encoding|content-length):/i.test(line))).toBe(false);
  });
  test('a length that is left in the fields of a chunked head is dropped', () => {
    const ids = [FieldId.host, FieldId.contentLength];
    const fields = ['Host', 'a', 'Content-Length', '5'];
    const head = new RequestHead(
      'POST',
      '/',
      1,
      fields,
      ids,
      BodyFraming.chunked,
      -1,
      'a',
      '/',
      true,
      '',
      false,
    );
    expect(forward(head, { ...untrusted, requestId: '' })).toEqual([
      'POST / HTTP/1.1',
      'Host: a',
      ...ours('a').slice(0, -1),
      'Transfer-Encoding: chunked',
    ]);
  });
});

describe('Host', () => {
  test('is rewritten to the absolute-form target, in its place', () => {
    const head = requestHead('GET http://b:81/x HTTP/1.1', 'X: y', 'Host: a');
    expect(forward(head)).toEqual(['GET /x HTTP/1.1', 'X: y', 'Host: b:81', ...ours('b:81')]);
  });
  test('is rewritten to an override; X-Forwarded-Host still says what was asked for', () => {
    const head = requestHead('GET / HTTP/1.1', 'Host: a', 'X: y');
    expect(forward(head, { ...untrusted, host: 'inner' })).toEqual([
      'GET / HTTP/1.1',
      'Host: inner',
      'X: y',
      ...ours('a'),
    ]);
  });
  test('is added first where HTTP/1.0 had none', () => {
    const head = requestHead('GET / HTTP/1.0', 'X: y');
    expect(forward(head, { ...untrusted, host: 'inner' })).toEqual([
      'GET / HTTP/1.1',
      'Host: inner',
      'X: y',
      ...ours('').flatMap((line) => (line.includes('-Host') ? [] : line.replace('Via: 1.1', 'Via: 1.0'))),
    ]);
  });
});

describe('forwarding fields of an untrusted peer', () => {
  test('are dropped and replaced', () => {
    const head = requestHead(
      'GET / HTTP/1.1',
      'Host: a',
      'X-Forwarded-For: 1.1.1.1',
      'x-forwarded-for: 2.2.2.2',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: evil',
      'X-Forwarded-Port: 1',
      'X-Real-IP: 3.3.3.3',
      'Forwarded: for=4.4.4.4',
      'X-Request-Id: theirs',
    );
    expect(forward(head)).toEqual(['GET / HTTP/1.1', 'Host: a', ...ours('a')]);
  });
  test('are dropped under names that backends read as the same', () => {
    const head = requestHead(
      'GET / HTTP/1.1',
      'Host: a',
      'X_Forwarded_For: 1.1.1.1',
      'x.forwarded.proto: http',
      'X-Forwarded_Host: evil',
      'X_Request_Id: theirs',
      'Content_Length: 5',
      'Transfer_Encoding: chunked',
      'Proxy_Authorization: x',
    );
    expect(forward(head)).toEqual(['GET / HTTP/1.1', 'Host: a', ...ours('a')]);
    expect(forward(head, trusted)).toEqual(['GET / HTTP/1.1', 'Host: a', ...ours('a')]);
  });
  test('Forwarded is sent if asked for', () => {
    const head = requestHead('GET / HTTP/1.1', 'Host: a:8443', 'Forwarded: for=4.4.4.4');
    expect(forward(head, { ...untrusted, forwarded: true })).toContain(
      'Forwarded: for=192.0.2.7;host="a:8443";proto=https',
    );
    expect(forward(head, { ...untrusted, forwarded: true, client: '2001:db8::1' })).toContain(
      'Forwarded: for="[2001:db8::1]";host="a:8443";proto=https',
    );
  });
});

describe('forwarding fields of a trusted peer', () => {
  test('are kept and added to', () => {
    const head = requestHead(
      'GET / HTTP/1.1',
      'X-Forwarded-For: 1.1.1.1',
      'Host: a',
      'x-forwarded-for: 2.2.2.2, 3.3.3.3',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: public',
      'X-Forwarded-Port: 80',
      'X-Request-Id: their-id',
      'Forwarded: for=1.1.1.1',
    );
    expect(forward(head, trusted)).toEqual([
      'GET / HTTP/1.1',
      'Host: a',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: public',
      'X-Forwarded-Port: 80',
      'X-Request-Id: their-id',
      'Forwarded: for=1.1.1.1',
      'X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7',
      'Via: 1.1 rp',
    ]);
    expect(forward(head, { ...trusted, forwarded: true })).toContain(
      'Forwarded: for=1.1.1.1, for=192.0.2.7;host="a";proto=https',
    );
  });
  test('a request id that could spoil a log is replaced', () => {
    for (const id of ['', 'a b', 'x'.repeat(129), '"quoted"', 'é']) {
      const head = requestHead('GET / HTTP/1.1', 'Host: a', `X-Request-Id: ${id}`);
      expect(forward(head, trusted).filter((line) => line.startsWith('X-Request-Id'))).toEqual([
        'X-Request-Id: our-id',
      ]);
    }
    const twice = requestHead('GET / HTTP/1.1', 'Host: a', 'X-Request-Id: a', 'X-Request-Id: b');
    expect(forward(twice, trusted).filter((line) => line.startsWith('X-Request-Id'))).toEqual([
      'X-Request-Id: our-id',
    ]);
  });
});

test('Via keeps who came before, and says by which version the message came', () => {
  const head = requestHead('GET / HTTP/1.0', 'Via: 1.1 one', 'via: 1.0 two (x)');
  expect(forward(head)).toContain('Via: 1.1 one, 1.0 two (x), 1.0 rp');
  expect(forward(head, { ...untrusted, version: '2.0' })).toContain('Via: 1.1 one, 1.0 two (x), 2.0 rp');
});

test('Expect goes on; Proxy-Authorization does not', () => {
  const head = requestHead(
    'POST / HTTP/1.1',
    'Host: a',
    'Expect: 100-continue',
    'Proxy-Authorization: Basic eA==',
    'Content-Length: 1',
  );
  expect(forward(head).slice(1, 4)).toEqual(['Host: a', 'Expect: 100-continue', 'Content-Length: 1']);
  expect(forward(head).join('\n')).not.toContain('Proxy-Authorization');
});

describe('Connection', () => {
  const head = requestHead('GET / HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: h2c, websocket');
  test('says close, or upgrade with the protocol, never h2c', () => {
    expect(head.upgrade).toBe('websocket');
    expect(forward(head, untrusted, '', 'close').at(-2)).toBe('Connection: close');
    expect(forward(head, untrusted, '', 'upgrade').slice(-3, -1)).toEqual([
      'Connection: upgrade',
      'Upgrade: websocket',
    ]);
    expect(forward(head).some((line) => /upgrade/i.test(line))).toBe(false);
  });
  test('h2c alone is no upgrade', () => {
    const h2c = requestHead(
      'GET / HTTP/1.1',
      'Host: a',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: x',
    );
    expect(h2c.upgrade).toBe('');
    expect(forward(h2c)).toEqual(['GET / HTTP/1.1', 'Host: a', ...ours('a')]);
  });
});

test('extra lines come last', () => {
  const head = requestHead('GET / HTTP/1.1', 'Host: a');
  expect(forward(head, untrusted, checkedField('X-Own', '1')).at(-1)).toBe('X-Own: 1');
});

test('a tail made once gives the same as one made each time, for every host', () => {
  const tail = new ForwardingTail(untrusted.client, untrusted.proto, untrusted.port);
  for (const host of ['a', 'b', 'b', 'a', 'c:1']) {
    const head = requestHead('GET / HTTP/1.1', `Host: ${host}`);
    expect(forward(head, { ...untrusted, tail })).toEqual(forward(head));
  }
});

test('fieldValue and fieldValues look fields up', () => {
  const head = requestHead('GET / HTTP/1.1', 'Host: a', 'cookie: 1', 'Cookie: 2');
  expect(fieldValue(head, FieldId.cookie)).toBe('1');
  expect(fieldValues(head, FieldId.cookie)).toEqual(['1', '2']);
  expect(fieldValue(head, FieldId.date)).toBeUndefined();
  expect(fieldValues(head, FieldId.date)).toEqual([]);
});

describe('what of the client is told', () => {
  const came = requestHead(
    'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nX-Request-Id: theirs\r\n\r\n',
  );
  const named = (rules: ForwardRequest, name: string): string[] =>
    forward(came, rules).filter((line) => line.startsWith(`${name}: `));

  test.each([
    ['untrusted', untrusted, []],
    ['trusted', trusted, ['X-Forwarded-For: 10.0.0.1']],
  ])('without xForwarded nothing of ours; what came from %s', (_name, rules, expected) => {
    const got = forward(came, { ...rules, xForwarded: false }).filter((line) =>
      line.startsWith('X-Forwarded-'),
    );
    expect(got).toEqual(expected);
  });

  test.each([
    ['keep', untrusted, 'our-id'],
    ['keep', trusted, 'theirs'],
    ['new', untrusted, 'our-id'],
    ['new', trusted, 'our-id'],
    ['off', untrusted, 'theirs'],
    ['off', trusted, 'theirs'],
  ] as const)('request id: %s', (requestIdPolicy, rules, expected) => {
    expect(named({ ...rules, requestIdPolicy }, 'X-Request-Id')).toEqual([`X-Request-Id: ${expected}`]);
  });

  test('request id: off adds none', () => {
    const bare = requestHead('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(forward(bare, { ...trusted, requestIdPolicy: 'off' }).join()).not.toContain('X-Request-Id');
  });
});
