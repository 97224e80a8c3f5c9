import { describe, expect, it } from 'vitest';
import { exchange, RawClient, status } from './support/client.ts';
import { field, readResponses } from './support/message.ts';
import type { RecordingBackend } from './support/backend.ts';
import { startPair } from './support/proxy.ts';
import { until } from './support/wait.ts';

const post = (lines: string, body = ''): string => `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`;
const get = (lines: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

/** Hazard row → bytes → status. */
const refused: readonly (readonly [string, string, number])[] = [
  ['CL.TE', post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`), 400],
  ['TE.CL', post('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', `8\r\nSMUGGLED\r\n0\r\n\r\n`), 400],
  [
    'CL.TE with a look-alike of chunked',
    post('Content-Length: 6\r\nTransfer-Encoding: xchunked\r\n', smuggled),
    400,
  ],
  ['Content-Length repeated', post('Content-Length: 0\r\nContent-Length: 37\r\n', smuggled), 400],
  ['Content-Length repeated alike', post('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'), 400],
  ['Content-Length as a list', post('Content-Length: 3, 3\r\n', 'abc'), 400],
  ['Content-Length signed', post('Content-Length: +3\r\n', 'abc'), 400],
  ['Content-Length negative', post('Content-Length: -1\r\n', 'abc'), 400],
  ['Content-Length spaced', post('Content-Length: 1 0\r\n', 'abc'), 400],
  ['Content-Length in hex', post('Content-Length: 0x3\r\n', 'abc'), 400],
  ['Content-Length empty', post('Content-Length:\r\n', 'abc'), 400],
  ['Content-Length huge', post('Content-Length: 99999999999999999999\r\n', 'abc'), 400],
  ['HTTP/1.0 with Transfer-Encoding', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['Transfer-Encoding unknown', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 501],
  [
    'Transfer-Encoding repeated',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    400,
  ],
  [
    'Transfer-Encoding not ending in chunked',
    post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
    400,
  ],
  ['Transfer-Encoding identity', post('Transfer-Encoding: identity\r\n', smuggled), 400],
  ['bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 400],
  ['bare LF between fields', get('X: 1\nY: 2\r\n'), 400],
  ['bare CR in a value', get('X: 1\rY: 2\r\n'), 400],
  ['NUL in a value', get('X: 1\x002\r\n'), 400],
  ['another control in a value', get('X: 1\x012\r\n'), 400],
  ['obs-fold', get('X: 1\r\n 2\r\n'), 400],
  ['obs-fold of Transfer-Encoding', post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'), 400],
  ['space before the colon', post('Content-Length : 3\r\n', 'abc'), 400],
  ['an empty name', get(': 1\r\n'), 400],
  ['a name that is no token', get('X Y: 1\r\n'), 400],
  ['a line without colon', get('nonsense\r\n'), 400],
  ['Host missing', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['Host repeated', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  ['Host invalid', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['Host with user information', 'GET / HTTP/1.1\r\nHost: x@a\r\n\r\n', 400],
  ['# in the target', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['\\ in the target', 'GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a control in the target', 'GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['raw non-ASCII in the target', 'GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['%00 in the target', 'GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a target without slash', 'GET a HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['another version', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['a method without end', `${'A'.repeat(65)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 501],
  ['a method that is no token', 'BR@W / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['NUL in a method', 'GET\x00 / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a tab in a method', 'G\tET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a tab behind an unknown method', 'BREW\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['bare LF behind an unknown method', 'BREW\n/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  [
    'CL.TE with an unknown method',
    `BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    400,
  ],
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['an unknown expectation', get('Expect: 200-ok\r\n'), 417],
];

describe('hostile requests: refused, closed, nothing forwarded', () => {
  it.each(refused)('%s', async (_name, bytes, expected) => {
    const { backend, proxy } = await startPair();
    const client = await exchange(proxy.port, `${bytes}${smuggled}`);
    const responses = readResponses(client.bytes);
    expect(responses.map(status)).toEqual([expected]);
    expect(field(responses[0]!, 'connection')).toBe('close');
    expect(responses[0]!.framed).toBe(true);
    expect(client.text).not.toContain('smuggled');
    expect(backend.connections).toHaveLength(0);
    await proxy.quiet();
  });

  /** The head is good and goes on; what is wrong comes after it. */
  const chunks: readonly (readonly [string, string])[] = [
    ['size overflows', 'ffffffffffffffffff\r\nabc'],
    ['size signed', '+3\r\nabc\r\n0\r\n\r\n'],
    ['size with 0x', '0x3\r\nabc\r\n0\r\n\r\n'],
    ['size with _', '1_0\r\nabc\r\n0\r\n\r\n'],
    ['size after a space', ' 3\r\nabc\r\n0\r\n\r\n'],
    ['size empty', '\r\nabc\r\n0\r\n\r\n'],
    ['data without CRLF', '3\r\nabcd\r\n0\r\n\r\n'],
    ['data with bare LF', '3\r\nabc\n0\r\n\r\n'],
    ['line with bare LF', '3\nabc\r\n0\r\n\r\n'],
    ['extensions without end', `3;${'x'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`],
    ['trailer with obs-fold', '3\r\nabc\r\n0\r\nX: 1\r\n 2\r\n\r\n'],
    ['trailer with a space before the colon', '3\r\nabc\r\n0\r\nX : 1\r\n\r\n'],
  ];

  it.each(chunks)(
    'chunked body whose %s: 400 once, and the backend never sees an end',
    async (_name, body) => {
      const { backend, proxy } = await startPair();
      const client = await exchange(proxy.port, post('Transfer-Encoding: chunked\r\n', `${body}${smuggled}`));
      expect(readResponses(client.bytes).map(status)).toEqual([400]);
      await proxy.quiet();
      expect(backend.requests).toHaveLength(0);
      expect(backend.text).not.toContain('smuggled');
      await usedOnesClosed(backend);
    },
  );

  it.each(chunks)('chunked body whose %s, byte by byte: the same', async (_name, body) => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    for (const byte of post('Transfer-Encoding: chunked\r\n', body.slice(0, 200))) client.write(byte);
    if (body.length > 200) client.write(body.slice(200));
    await client.gone();
    client.destroy();
    expect(readResponses(client.bytes).map(status)).toEqual([400]);
    await proxy.quiet();
    expect(backend.requests).toHaveLength(0);
    await usedOnesClosed(backend);
  });

  it('chunked body that goes wrong in mid-stream: what came before it does not look complete', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(post('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n'));
    await backendGot(backend, '3\r\nabc\r\n');
    client.write(`zz\r\n${smuggled}`);
    await client.gone();
    client.destroy();
    expect(readResponses(client.bytes).map(status)).toEqual([400]);
    expect(backend.requests).toHaveLength(0);
    expect(backend.text.endsWith('3\r\nabc\r\n')).toBe(true);
  });
});

/** A connection that the request had no time to use is as good as new; one that got a part of it is closed. */
function usedOnesClosed(backend: RecordingBackend): Promise<void> {
  return until(() => backend.connections.every(({ closed, text }) => closed || text === ''));
}

async function backendGot(backend: { readonly text: string }, text: string): Promise<void> {
  await until(() => backend.text.includes(text));
}

describe('framing comes from the parsed body alone', () => {
  it.each(['GET', 'DELETE', 'OPTIONS', 'HEAD'])('TE.0: a chunked %s goes on chunked', async (method) => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    const body = Buffer.from(smuggled).toString();
    client.write(
      `${method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    );
    await backend.received(1);
    expect(backend.requests.map((one) => one.start)).toEqual([`${method} / HTTP/1.1`]);
    expect(backend.requests[0]!.body.toString()).toBe(smuggled);
    client.destroy();
  });

  it('CL.0: a GET with a length goes on with that length, and its body is never a request', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(`GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`);
    await client.response();
    expect(backend.requests).toHaveLength(1);
    expect(backend.requests[0]!.body.toString()).toBe(smuggled);
    client.destroy();
  });

  it('chunk extensions are read, and not forwarded', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(post('Transfer-Encoding: chunked\r\n', '3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n'));
    await client.response();
    expect(backend.requests[0]!.body.toString()).toBe('abc');
    expect(backend.text).not.toContain('a=b');
    client.destroy();
  });

  it('names that fall together with guarded ones are dropped, other underscores pass', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(
      post('Content_Length: 5\r\nTransfer_Encoding: chunked\r\nX_Own: 1\r\nContent-Length: 2\r\n', 'ab'),
    );
    await client.response();
    expect(backend.text).not.toMatch(/content_length|transfer_encoding/i);
    expect(field(backend.requests[0]!, 'x_own')).toBe('1');
    client.destroy();
  });

  it('an absolute-form target wins, and Host is rewritten to it', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write('GET http://b.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n');
    await client.response();
    expect(backend.requests[0]!.start).toBe('GET /x?y HTTP/1.1');
    expect(backend.requests[0]!.fields.filter(([name]) => name.toLowerCase() === 'host')).toEqual([
      ['Host', 'b.example'],
    ]);
    client.destroy();
  });
});

describe('0.CL: the backend answers before the request was read', () => {
  it('neither connection is used again, whatever follows', async () => {
    const { backend, proxy } = await startPair({
      onHead: (_head, connection) => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly'),
    });
    const client = await RawClient.connect(proxy.port);
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc`);
    const response = await client.response();
    expect(response.body.toString()).toBe('early');
    expect(field(response, 'connection')).toBe('close');
    client.write(smuggled);
    await client.gone();
    client.destroy();
    await proxy.quiet();
    expect(backend.requests).toHaveLength(0);
    expect(proxy.backendConnections).toBe(0);
  });
});
