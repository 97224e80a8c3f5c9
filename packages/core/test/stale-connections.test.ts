import { describe, expect, it } from 'vitest';
import { ok, RecordingBackend } from './support/backend.ts';
import { ask, RawClient, status } from './support/client.ts';
import { startBackend, startPair, startProxy } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const small = (method: string): string => `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`;

/** Closes a connection when the second request on it arrives, as a backend does whose idle time just ran out. */
async function racing(): ReturnType<typeof startPair> {
  const seen = new Map<unknown, number>();
  return startPair((request, connection) => {
    const count = (seen.get(connection) ?? 0) + 1;
    seen.set(connection, count);
    if (count === 1)
      connection.write(
        request.start.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n' : ok(),
      );
    else connection.reset();
  });
}

describe('a pooled connection that the backend closes while it is idle', () => {
  it('is dropped at once, and the next request goes out on a new one', async () => {
    const { backend, proxy } = await startPair();
    await ask(proxy.port, get);
    backend.connections[0]!.end();
    await until(() => proxy.backendConnections === 0);
    expect(status(await ask(proxy.port, small('POST')))).toBe(200);
    expect(backend.connections).toHaveLength(2);
    expect(proxy.count('replays')).toBe(0);
  });
});

describe('the idle keep-alive race: the connection closes as the request goes out', () => {
  it.each(['GET', 'HEAD', 'OPTIONS', 'DELETE'])(
    '%s is sent again on a fresh connection, and nobody notices',
    async (method) => {
      const { backend, proxy } = await racing();
      await ask(proxy.port, get);
      expect(status(await ask(proxy.port, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`, method))).toBe(200);
      expect(backend.requests.map(({ start }) => start.split(' ')[0])).toEqual(['GET', method, method]);
      expect(proxy.count('replays')).toBe(1);
    },
  );

  it('PUT with a small body that is there is sent again, body and all', async () => {
    const { backend, proxy } = await racing();
    await ask(proxy.port, get);
    expect(status(await ask(proxy.port, small('PUT')))).toBe(200);
    expect(backend.requests.map(({ body }) => body.toString())).toEqual(['', 'abc', 'abc']);
  });

  it.each(['POST', 'PATCH', 'BREW', 'get'])('%s is never sent twice: 502', async (method) => {
    const { backend, proxy } = await racing();
    await ask(proxy.port, get);
    expect(status(await ask(proxy.port, small(method)))).toBe(502);
    expect(backend.requests).toHaveLength(2);
    expect(proxy.count('replays') + proxy.count('retries')).toBe(0);
  });

  it('PUT with a large body is not sent again', async () => {
    const { backend, proxy } = await racing();
    await ask(proxy.port, get);
    const response = await ask(
      proxy.port,
      `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
    );
    expect(status(response)).toBe(502);
    expect(backend.requests.length).toBeLessThanOrEqual(2);
  });

  it('after a first byte of a response nothing is sent again', async () => {
    let count = 0;
    const { backend, proxy } = await startPair((_request, connection) => {
      if (++count === 1) connection.write(ok());
      else connection.end('HTTP/1.1 2');
    });
    await ask(proxy.port, get);
    expect(status(await ask(proxy.port, get))).toBe(502);
    expect(backend.requests).toHaveLength(2);
  });

  it('on a connection that was fresh nothing is sent again to the same backend', async () => {
    const { backend, proxy } = await startPair((_request, connection) => connection.reset());
    expect(status(await ask(proxy.port, get))).toBe(502);
    expect(backend.requests).toHaveLength(1);
  });

  it('a second stale connection in a row is no reason to go on for ever', async () => {
    const { backend, proxy } = await startPair((_request, connection) => connection.reset());
    const client = await RawClient.connect(proxy.port);
    for (let i = 1; i <= 3; i++) {
      client.write(get);
      await client.responses(i);
    }
    expect(backend.requests).toHaveLength(3);
    client.destroy();
  });
});

describe('a backend that restarts under load', () => {
  it('gives no failed GET', async () => {
    let backend = await RecordingBackend.start();
    const { port } = backend;
    const proxy = await startProxy({ backends: [port], pool: { backoff: { initial: 0 } } });
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(proxy.port)));
    let restarts = 0;
    let failed = 0;
    let served = 0;
    const load = Promise.all(
      clients.map(async (client) => {
        for (let i = 1; restarts < 5 || i <= 50; i++) {
          client.write(get);
          const responses = await client.responses(i);
          if (responses.length < i || status(responses.at(-1)!) !== 200) failed++;
          served++;
          await turns(1);
        }
      }),
    );
    while (restarts < 5) {
      await turns(30);
      // The new one listens before the old one's connections end, as a graceful restart does it.
      const old = backend;
      old.stopListening();
      backend = await RecordingBackend.start({}, port);
      for (const connection of old.connections) connection.socket.end();
      restarts++;
    }
    await load;
    expect(failed).toBe(0);
    expect(served).toBeGreaterThan(500);
    for (const client of clients) client.destroy();
    await proxy.close();
    await backend.close();
  });
});

describe('a backend that fails beside one that does not', () => {
  it('refuses connections: GET and POST go to the other', async () => {
    const gone = await RecordingBackend.start();
    const good = await startBackend();
    await gone.close();
    const proxy = await startProxy({ backends: [gone.port, good.port] });
    for (const bytes of [get, small('POST'), get, small('POST')])
      expect(status(await ask(proxy.port, bytes))).toBe(200);
    expect(good.requests).toHaveLength(4);
    expect(good.requests.filter(({ body }) => body.toString() === 'abc')).toHaveLength(2);
  });

  it('resets: GET goes to the other, POST does not', async () => {
    const bad = await startBackend((_request, connection) => connection.reset());
    const good = await startBackend();
    const proxy = await startProxy({ backends: [bad.port, good.port] });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push(status(await ask(proxy.port, small('POST'))));
    expect(statuses.filter((one) => one === 502)).toHaveLength(bad.requests.length);
    expect(bad.requests.length + good.requests.length).toBe(4);
  });
});
