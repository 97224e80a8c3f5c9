import { describe, expect, it } from 'vitest';
import { ok } from './support/backend.ts';
import { ask, exchange, RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import { startPair } from './support/proxy.ts';

describe('HTTP/1.0 clients', () => {
  it('get one response and the end of the connection', async () => {
    const { backend, proxy } = await startPair();
    const client = await exchange(proxy.port, 'GET / HTTP/1.0\r\n\r\n');
    expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(client.text).toContain('Connection: close\r\n');
    expect(client.text.endsWith('\r\n\r\nok')).toBe(true);
    expect(backend.requests[0]!.start).toBe('GET / HTTP/1.1');
    expect(field(backend.requests[0]!, 'via')).toBe('1.0 rp');
    expect(field(backend.requests[0]!, 'connection')).toBeUndefined();
  });

  it('need not name a host: the backend is told its own, since servers refuse an empty one', async () => {
    const { backend, proxy } = await startPair();
    await exchange(proxy.port, 'GET / HTTP/1.0\r\nX-A: 1\r\n\r\n');
    expect(backend.requests[0]!.fields.filter(([name]) => /host/i.test(name))).toEqual([
      ['Host', `127.0.0.1:${backend.port}`],
    ]);
    expect(field(await ask(proxy.port, 'OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n'), 'via')).toBe('1.1 rp');
    expect(field(backend.requests[1]!, 'host')).toBe(`127.0.0.1:${backend.port}`);
    await exchange(proxy.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    expect(field(backend.requests[2]!, 'host')).toBe('a');
  });

  it('are kept alive if they ask for it and the length is known', async () => {
    const { proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    for (let i = 1; i <= 3; i++) {
      client.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      const response = (await client.responses(i)).at(-1)!;
      expect(field(response, 'connection')).toBe('keep-alive');
    }
    client.destroy();
  });

  it.each([
    [
      'chunked',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n',
      false,
    ],
    ['close-delimited', 'HTTP/1.1 200 OK\r\n\r\nabcdef', true],
  ])('get a %s response without chunks, ended by the connection', async (_name, bytes, end) => {
    const { proxy } = await startPair((_request, connection) => {
      connection.write(bytes);
      if (end) connection.end();
    });
    const client = await exchange(proxy.port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(client.text).not.toContain('Transfer-Encoding');
    expect(client.text).toContain('Connection: close');
    expect(client.text.endsWith('\r\n\r\nabcdef')).toBe(true);
    expect(client.ended).toBe(true);
  });

  it('never get an interim response', async () => {
    const { proxy } = await startPair((_request, connection) =>
      connection.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok()}`),
    );
    const client = await exchange(proxy.port, 'GET / HTTP/1.0\r\n\r\n');
    expect(client.text).toMatch(/^HTTP\/1\.1 200/);
    expect(client.text).not.toContain('Early');
  });
});

describe('HTTP/1.1 clients', () => {
  it('that say close get one response and the end', async () => {
    const { backend, proxy } = await startPair();
    const client = await exchange(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
    );
    expect(client.text.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
    expect(backend.requests).toHaveLength(1);
  });

  it('may send empty lines before a request', async () => {
    const { proxy } = await startPair();
    expect(status(await ask(proxy.port, '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'))).toBe(200);
  });

  it('get 100 and 103 as they come', async () => {
    const { backend, proxy } = await startPair({ onHead: () => {} });
    const client = await RawClient.connect(proxy.port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await backend.received(1);
    const [connection] = backend.connections;
    connection!.write(
      'HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: X\r\nX: 1\r\n\r\n',
    );
    await client.receives('103 Early Hints');
    connection!.write('HTTP/1.1 100 Continue\r\n\r\n');
    await client.receives('100 Continue');
    connection!.write(ok());
    const responses = await client.responses(1);
    expect(responses.map(status)).toEqual([103, 100, 200]);
    expect(field(responses[0]!, 'link')).toBe('</style.css>; rel=preload');
    expect(field(responses[0]!, 'x')).toBeUndefined();
    client.destroy();
  });
});

describe('HTTP/1.0 backends', () => {
  it('are used once per connection, unless they say keep-alive', async () => {
    let answer = 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok';
    const { backend, proxy } = await startPair((_request, connection) => connection.write(answer));
    await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    answer = 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok';
    await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(backend.connections).toHaveLength(2);
    expect(field(await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'via')).toBe('1.0 rp');
  });
});

describe('Expect: 100-continue', () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n';

  it('the head reaches the backend at once, its 100 the client, and then the body the backend', async () => {
    const { backend, proxy } = await startPair({
      onHead: (_head, connection) => connection.write('HTTP/1.1 100 Continue\r\n\r\n'),
      onRequest: (_request, connection) => connection.write(ok()),
    });
    for (let i = 0; i < 2; i++) {
      const client = await RawClient.connect(proxy.port);
      client.write(head);
      await client.receives('100 Continue\r\n');
      client.write('body');
      const responses = await client.responses(1);
      expect(responses.map(status)).toEqual([100, 200]);
      client.destroy();
    }
    expect(backend.requests.map(({ body }) => body.toString())).toEqual(['body', 'body']);
    expect(field(backend.requests[0]!, 'expect')).toBe('100-continue');
  });

  it('a final answer instead of 100 is relayed, and ends the connection, since the body may follow or not', async () => {
    const { backend, proxy } = await startPair({
      onHead: (_head, connection) => connection.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'),
    });
    const client = await RawClient.connect(proxy.port);
    client.write(head);
    const response = await client.response();
    expect(status(response)).toBe(403);
    expect(field(response, 'connection')).toBe('close');
    await client.gone();
    client.destroy();
    expect(backend.requests).toHaveLength(0);
  });

  it('a client that does not wait is served all the same', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(`${head}body`);
    expect(status(await client.response())).toBe(200);
    expect(backend.requests[0]!.body.toString()).toBe('body');
    client.destroy();
  });

  it('too large a body is refused before it is sent', async () => {
    const { backend, proxy } = await startPair({}, { limits: { body: 3 } });
    const client = await exchange(proxy.port, head);
    expect(client.text).toMatch(/^HTTP\/1\.1 413/);
    expect(backend.connections).toHaveLength(0);
  });
});
