import { describe, expect, it } from 'vitest';
import { ok, type Handler } from './support/backend.ts';
import { ask, RawClient, status } from './support/client.ts';
import { readResponses } from './support/message.ts';
import { startPair } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const head = (lines: string): string => `HTTP/1.1 200 OK\r\n${lines}\r\n`;

/** Hazard row → what the backend sends in one go. */
const refused: readonly (readonly [string, string])[] = [
  [
    'Content-Length with Transfer-Encoding',
    head('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n') + '0\r\n\r\n',
  ],
  ['Content-Length repeated', head('Content-Length: 2\r\nContent-Length: 2\r\n') + 'ab'],
  ['Content-Length as a list', head('Content-Length: 2, 2\r\n') + 'ab'],
  ['Content-Length signed', head('Content-Length: +2\r\n') + 'ab'],
  ['Content-Length huge', head('Content-Length: 99999999999999999999\r\n') + 'ab'],
  ['Transfer-Encoding unknown', head('Transfer-Encoding: gzip, chunked\r\n') + '0\r\n\r\n'],
  ['Transfer-Encoding repeated', head('Transfer-Encoding: chunked, chunked\r\n') + '0\r\n\r\n'],
  ['HTTP/1.0 with Transfer-Encoding', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['chunk size overflows', head('Transfer-Encoding: chunked\r\n') + 'fffffffffffffffff\r\nab'],
  ['chunk size signed', head('Transfer-Encoding: chunked\r\n') + '-2\r\nab\r\n0\r\n\r\n'],
  ['chunk without its CRLF', head('Transfer-Encoding: chunked\r\n') + '2\r\nabc0\r\n\r\n'],
  ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
  ['bare CR in a value (splitting)', head('X: 1\rSet-Cookie: a=1\r\nContent-Length: 0\r\n')],
  ['bare LF in a value (splitting)', head('X: 1\nSet-Cookie: a=1\r\nContent-Length: 0\r\n')],
  ['NUL in a value', head('X: 1\x00\r\nContent-Length: 0\r\n')],
  ['a control in the reason phrase', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n'],
  ['obs-fold', head('X: 1\r\n 2\r\nContent-Length: 0\r\n')],
  ['space before the colon', head('Content-Length : 0\r\n')],
  ['an empty name', head(': 1\r\nContent-Length: 0\r\n')],
  ['a status out of range', 'HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9\r\n'],
  ['101 unasked', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
  [
    '1xx with a length',
    'HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello' + head('Content-Length: 0\r\n'),
  ],
  ['bytes after the end', ok('fine').toString() + ok('poison').toString()],
  [
    'bytes after the end of a chunked body',
    head('Transfer-Encoding: chunked\r\n') + '0\r\n\r\nHTTP/1.1 200 OK\r\n',
  ],
  ['204 with body', 'HTTP/1.1 204 No Content\r\n\r\nbody'],
  ['304 with body', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody'],
  ['fields over the limit', head(`X: ${'y'.repeat(33_000)}\r\nContent-Length: 0\r\n`)],
  ['too many fields', head('X: 1\r\n'.repeat(101))],
];

describe('hostile responses, nothing sent yet: 502, and the backend connection is never used again', () => {
  it.each(refused)('%s', async (_name, bytes) => {
    const { backend, proxy } = await startPair((_request, connection) =>
      connection.write(backend.requests.length === 1 ? bytes : ok('second')),
    );
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    const response = await client.response();
    expect(status(response)).toBe(502);
    expect(client.text).not.toMatch(/poison|Set-Cookie|fine/);
    await until(() => backend.connections[0]!.closed);
    client.write(get);
    const both = await client.responses(2);
    expect(both[1]!.body.toString()).toBe('second');
    expect(backend.connections).toHaveLength(2);
    expect(backend.requests).toHaveLength(2);
    client.destroy();
  });

  it('HEAD with body', async () => {
    const { backend, proxy } = await startPair((_request, connection) => connection.write(ok('body')));
    const response = await ask(proxy.port, 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', 'HEAD');
    expect(status(response)).toBe(502);
    await until(() => backend.connections[0]!.closed);
  });

  it.each([
    ['within the head', 'HTTP/1.1 200 OK\r\nX: 1\r\n'],
    ['before anything', ''],
    ['after an interim response', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ])('an early end %s', async (_name, bytes) => {
    const { proxy } = await startPair((_request, connection) => connection.end(bytes));
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    const responses = await client.responses(1);
    expect(responses.map(status).filter((one) => one >= 200)).toEqual([502]);
    client.destroy();
  });
});

describe('hostile responses that have begun: the client connection is cut so that the client can tell', () => {
  /** Sends `first`, and `second` once the client has what came of the first. */
  async function play(first: string, second: string | undefined, request = get): Promise<RawClient> {
    let go: (() => void) | undefined;
    const handler: Handler = (_request, connection) => {
      connection.write(first);
      go = () => (second === undefined ? connection.end() : connection.write(second));
    };
    const { backend, proxy } = await startPair(handler);
    const client = await RawClient.connect(proxy.port);
    client.write(request);
    await client.receives('abc');
    go!();
    await client.gone();
    await until(() => backend.connections[0]!.closed);
    await turns();
    expect(proxy.backendConnections).toBe(0);
    expect(backend.requests).toHaveLength(1);
    return client;
  }

  it('bad chunk: no last chunk', async () => {
    const client = await play(head('Transfer-Encoding: chunked\r\n') + '3\r\nabc\r\n', 'zz\r\n');
    expect(client.text.endsWith('3\r\nabc\r\n')).toBe(true);
  });

  it('early end of a chunked body: no last chunk', async () => {
    const client = await play(head('Transfer-Encoding: chunked\r\n') + '3\r\nabc\r\n', undefined);
    expect(client.text.endsWith('3\r\nabc\r\n')).toBe(true);
  });

  it('early end of a body with a length: short length', async () => {
    const client = await play(head('Content-Length: 10\r\n') + 'abc', undefined);
    expect(client.text.endsWith('\r\n\r\nabc')).toBe(true);
    expect(readResponses(client.bytes, [], true)).toEqual([]);
  });

  it('bytes after the end of a chunked body: no last chunk', async () => {
    const client = await play(
      head('Transfer-Encoding: chunked\r\n') + '3\r\nabc\r\n',
      '0\r\n\r\nHTTP/1.1 200 OK\r\n',
    );
    expect(client.text.endsWith('3\r\nabc\r\n')).toBe(true);
  });

  it('a close-delimited one, to HTTP/1.0: a reset', async () => {
    const first = head('Transfer-Encoding: chunked\r\n') + '3\r\nabc\r\n';
    const client = await play(first, 'zz\r\n', 'GET / HTTP/1.0\r\n\r\n');
    await until(() => client.closed);
    expect(client.error?.code).toBe('ECONNRESET');
    expect(client.ended).toBe(false);
  });

  it('a close-delimited one whose backend resets: no last chunk', async () => {
    const { backend, proxy } = await startPair((_request, connection) => connection.write(`${head('')}abc`));
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await client.receives('abc');
    backend.connections[0]!.reset();
    await client.gone();
    expect(client.text.endsWith('3\r\nabc\r\n')).toBe(true);
    expect(client.text).toContain('Transfer-Encoding: chunked');
  });
});

describe('response queue poisoning', () => {
  it('a response on an idle connection drops it, and is never matched with the next request', async () => {
    const { backend, proxy } = await startPair();
    await ask(proxy.port, get);
    backend.connections[0]!.write(ok('poison'));
    await until(() => backend.connections[0]!.closed);
    const response = await ask(proxy.port, get);
    expect(response.body.toString()).toBe('ok');
    expect(backend.connections).toHaveLength(2);
  });

  it('nor is one that comes right behind a response', async () => {
    const { backend, proxy } = await startPair((_request, connection) => {
      connection.write(ok('one'));
      setImmediate(() => connection.write(ok('poison')));
    });
    const client = await RawClient.connect(proxy.port);
    for (let i = 1; i <= 5; i++) {
      client.write(get);
      const responses = await client.responses(i);
      expect(responses.at(-1)!.body.toString()).not.toContain('poison');
      await until(() => backend.connections.every(({ closed }) => closed));
    }
    client.destroy();
  });
});

describe('interim responses', () => {
  it('are bounded: a flood is a broken backend', async () => {
    const { proxy } = await startPair((_request, connection) => {
      connection.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(17) + ok().toString());
    });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    const responses = await client.responses(1);
    expect(responses.filter((one) => status(one) === 103).length).toBeLessThanOrEqual(16);
    expect(status(responses.at(-1)!)).toBe(502);
    client.destroy();
  });
});
