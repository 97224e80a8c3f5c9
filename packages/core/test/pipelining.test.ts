import { describe, expect, it } from 'vitest';
import { ok } from './support/backend.ts';
import { RawClient, status } from './support/client.ts';
import { startPair } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

describe('pipelining', () => {
  it('answers come in order, whatever the requests are', async () => {
    const { proxy } = await startPair(
      (request, connection) => connection.write(ok(request.start.split(' ')[1]! + request.body.toString())),
      { routes: [{ path: '/app' }] },
    );
    const client = await RawClient.connect(proxy.port);
    const post = 'POST /app/p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc';
    const chunked =
      'PUT /app/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n';
    client.write(
      get('/app/1') +
        get('/none') +
        post +
        'TRACE /app HTTP/1.1\r\nHost: a\r\n\r\n' +
        chunked +
        get('/none') +
        get('/none') +
        get('/app/2'),
    );
    const responses = await client.responses(8);
    expect(responses.map(status)).toEqual([200, 404, 200, 405, 200, 404, 404, 200]);
    expect(responses.filter((one) => status(one) === 200).map(({ body }) => body.toString())).toEqual([
      '/app/1',
      '/app/pabc',
      '/app/cxy',
      '/app/2',
    ]);
    client.destroy();
  });

  it('the next request reaches the backend when the one before it is done', async () => {
    const { backend, proxy } = await startPair({ onHead: () => {} });
    const client = await RawClient.connect(proxy.port);
    client.write(get('/1') + get('/2'));
    await backend.received(1);
    await turns(20);
    expect(backend.requests).toHaveLength(1);
    backend.connections[0]!.write(ok());
    await backend.received(2);
    backend.connections[0]!.write(ok());
    await client.responses(2);
    client.destroy();
  });

  it('hundreds at once are answered in order', async () => {
    const { proxy } = await startPair((request, connection) => connection.write(ok(request.start)));
    const client = await RawClient.connect(proxy.port);
    client.write(Array.from({ length: 500 }, (_, i) => get(`/${i}`)).join(''));
    const responses = await client.responses(500);
    expect(responses.map(({ body }) => body.toString())).toEqual(
      Array.from({ length: 500 }, (_, i) => `GET /${i} HTTP/1.1`),
    );
    client.destroy();
  });

  it('thousands that the proxy answers itself do so too', async () => {
    const { proxy } = await startPair({}, { routes: [{ path: '/app' }] });
    const client = await RawClient.connect(proxy.port);
    client.write(get('/none').repeat(3000));
    expect((await client.responses(3000)).map(status)).toEqual(Array.from({ length: 3000 }, () => 404));
    client.destroy();
  });

  it('a client that pipelines without end is paused, not buffered', async () => {
    const { backend, proxy } = await startPair({ onHead: () => {} });
    const client = await RawClient.connect(proxy.port);
    const flood = Buffer.from(get('/x').repeat(100_000));
    let taken = false;
    client.socket.write(flood, () => (taken = true));
    client.socket.write(flood);
    client.socket.write(flood);
    await backend.received(1);
    await turns(300);
    expect(taken && client.socket.writableLength === 0).toBe(false);
    client.destroy();
    // What waits unread hides that the client is gone until answers are written to it.
    backend.script.onRequest = (_request, connection) => connection.write(ok());
    backend.connections[0]!.write(ok());
    await proxy.quiet();
  });

  it('a backend failure in between is answered in its place', async () => {
    const { backend, proxy } = await startPair((request, connection) => {
      if (request.start.includes('/bad')) connection.write('nonsense\r\n');
      else connection.write(ok(request.start.split(' ')[1]));
    });
    const client = await RawClient.connect(proxy.port);
    client.write(get('/1') + get('/bad') + get('/2'));
    expect((await client.responses(3)).map(status)).toEqual([200, 502, 200]);
    expect(backend.requests).toHaveLength(3);
    client.destroy();
  });

  it('after a request that cannot be understood nothing is read any more', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(get('/1') + 'GET /x HTTP/1.1\r\nHost : a\r\n\r\n' + get('/2'));
    await client.gone();
    const responses = await client.responses(2);
    expect(responses.map(status)).toEqual([200, 400]);
    client.destroy();
    await proxy.quiet();
    expect(backend.requests).toHaveLength(1);
  });
});

describe('half-closed clients', () => {
  it('get their answer', async () => {
    const { proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(get('/'));
    client.half();
    await client.gone();
    expect(client.text).toMatch(/^HTTP\/1\.1 200/);
    await proxy.quiet();
  });

  it('get the answers to everything they pipelined', async () => {
    const { backend, proxy } = await startPair((request, connection) => connection.write(ok(request.start)));
    const client = await RawClient.connect(proxy.port);
    client.write(get('/1') + get('/2') + 'POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    client.half();
    await client.gone();
    const responses = await client.responses(3);
    expect(responses.map(({ body }) => body.toString())).toEqual([
      'GET /1 HTTP/1.1',
      'GET /2 HTTP/1.1',
      'POST /3 HTTP/1.1',
    ]);
    expect(client.ended).toBe(true);
    expect(backend.requests).toHaveLength(3);
    await proxy.quiet();
  });

  it('get no answer to half a request, and it is not left at the backend', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nabc');
    await until(() => backend.text.endsWith('abc'));
    client.half();
    await client.gone();
    await until(() => backend.connections[0]!.closed);
    expect(client.text).toBe('');
    expect(proxy.count('clientAborts')).toBe(1);
  });

  it('get an answer that takes its time, and are asked now and then whether they are still there', async () => {
    const { backend, proxy } = await startPair({ onHead: () => {} });
    const client = await RawClient.connect(proxy.port);
    client.write(get('/'));
    await backend.received(1);
    client.half();
    await turns(20);
    for (let i = 0; i < 20; i++) await proxy.advance(500);
    backend.connections[0]!.write(ok('late'));
    await client.gone();
    const all = await client.responses(1);
    expect(all.at(-1)!.body.toString()).toBe('late');
    const interim = all.slice(0, -1).map(status);
    expect(interim.length).toBeGreaterThan(2);
    expect(interim.length).toBeLessThan(9);
    expect(new Set(interim)).toEqual(new Set([100]));
  });

  it('get all of a stream that pauses', async () => {
    const { backend, proxy } = await startPair((_request, connection) =>
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n'),
    );
    const client = await RawClient.connect(proxy.port);
    client.write(get('/'));
    await client.receives('one');
    client.half();
    await turns(20);
    for (const event of ['two', 'three']) {
      for (let i = 0; i < 5; i++) await proxy.advance(500);
      backend.connections[0]!.write(`${event.length}\r\n${event}\r\n`);
      await client.receives(event);
    }
    for (let i = 0; i < 5; i++) await proxy.advance(500);
    backend.connections[0]!.write('0\r\n\r\n');
    await client.gone();
    expect((await client.response()).body.toString()).toBe('onetwothree');
  });

  it('get all of a response that they read slowly', async () => {
    const body = 'x'.repeat(8 * 1024 * 1024);
    const { proxy } = await startPair((_request, connection) => connection.write(ok(body)));
    const client = await RawClient.connect(proxy.port);
    client.write(get('/'));
    await client.receives('200 OK');
    client.socket.pause();
    client.half();
    await turns(50);
    for (let i = 0; i < 5; i++) await proxy.advance(500);
    client.socket.resume();
    expect((await client.response()).body.length).toBe(body.length);
    await client.gone();
  });

  it.each([
    ['closed, before an answer', get('/'), '', true],
    [
      'closed, in a stream',
      get('/'),
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n',
      true,
    ],
    ['closed, in a body with a length', get('/'), 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none', true],
    ['only half-closed, and cannot be asked', 'GET / HTTP/1.0\r\n\r\n', '', false],
  ])('that %s do not keep the backend busy for a second', async (_name, request, begun, close) => {
    const { backend, proxy } = await startPair((_request, connection) => connection.write(begun));
    const client = await RawClient.connect(proxy.port);
    client.write(request);
    await backend.received(1);
    if (begun !== '') await client.receives('one');
    if (close) client.destroy();
    else client.half();
    await turns(20);
    await proxy.advance(450);
    expect(backend.connections[0]!.closed).toBe(false);
    await proxy.advance(450);
    await until(() => backend.connections[0]!.closed);
    expect(proxy.count('clientAborts')).toBe(1);
    await proxy.quiet();
  });
});

describe('a slow reader whose connection ends with the response', () => {
  it('gets all of it, however long it takes, as long as it takes something', async () => {
    const body = 'x'.repeat(8 * 1024 * 1024);
    const { proxy } = await startPair((_request, connection) => connection.write(ok(body)));
    const client = await RawClient.connect(proxy.port);
    client.socket.pause();
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await turns(50);
    let got = 0;
    client.socket.removeAllListeners('data');
    while (!client.ended) {
      const before = got;
      await until(() => {
        for (let chunk = client.socket.read(); chunk !== null; chunk = client.socket.read())
          got += chunk.length;
        return got > before + 1024 * 1024 || client.ended || client.closed;
      });
      // Longer than a connection is kept for a client that has everything.
      await proxy.advance(3000);
    }
    expect(client.error).toBeUndefined();
    expect(got).toBeGreaterThan(body.length);
    client.destroy();
  });
});
