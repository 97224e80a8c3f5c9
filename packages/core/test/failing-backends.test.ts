import type { AccessLog } from '@rp/core';
import { describe, expect, it } from 'vitest';
import { ok, type Handler, type RecordingBackend } from './support/backend.ts';
import { ask, RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import { startBackend, startPair, startProxy, type ProxyOptions, type TestProxy } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const withBody = (method: string): string =>
  `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`;
const error = (code: number): string =>
  `HTTP/1.1 ${code} No\r\nX-From: bad\r\nContent-Length: 5\r\n\r\nsorry`;

interface Two {
  readonly bad: RecordingBackend;
  readonly good: RecordingBackend;
  readonly proxy: TestProxy;
}

/** Two backends; the first request goes to the bad one. */
async function two(script: Handler, options: Partial<ProxyOptions> = {}): Promise<Two> {
  const bad = await startBackend(script);
  const good = await startBackend((_request, connection) => connection.write(ok('good')));
  const proxy = await startProxy({ ...options, backends: [bad.port, good.port] });
  return { bad, good, proxy };
}

describe('an answer in place of which another backend is asked', () => {
  const repeats = (one: number): boolean => one === 503 || one === 500;
  const answering =
    (code: number): Handler =>
    (_request, connection) =>
      connection.write(error(code));

  it.each(['GET', 'OPTIONS', 'DELETE'])('%s goes to the other backend', async (method) => {
    const { bad, good, proxy } = await two(answering(503), { upstream: { repeats } });
    expect(status(await ask(proxy.port, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`, method))).toBe(200);
    expect([bad.requests.length, good.requests.length]).toEqual([1, 1]);
    expect(proxy.count('retries')).toBe(1);
    expect(proxy.group.statistics().map((one) => [one.status5xx, one.succeeded])).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  it('PUT goes with its body', async () => {
    const { good, proxy } = await two(answering(500), { upstream: { repeats } });
    expect(status(await ask(proxy.port, withBody('PUT')))).toBe(200);
    expect(good.requests.map(({ body }) => body.toString())).toEqual(['abc']);
  });

  it.each(['POST', 'PATCH'])('%s is never sent twice: its answer passes', async (method) => {
    const { bad, good, proxy } = await two(answering(503), { upstream: { repeats } });
    const response = await ask(proxy.port, withBody(method));
    expect([status(response), response.body.toString()]).toEqual([503, 'sorry']);
    expect([bad.requests.length, good.requests.length]).toEqual([1, 0]);
  });

  it.each([
    ['of another status', 502, {}],
    ['where nobody asked for it', 503, { upstream: {} }],
    ['without retries', 503, { group: { retry: { attempts: 0 } } }],
    ['without a budget', 503, { group: { retryBudget: { ratio: 0, minimumPerSecond: 0 } } }],
  ] as const)('passes %s', async (_why, code, options) => {
    const { good, proxy } = await two(answering(code), { upstream: { repeats }, ...options });
    const response = await ask(proxy.port, get);
    expect([status(response), field(response, 'x-from'), response.body.toString()]).toEqual([
      code,
      'bad',
      'sorry',
    ]);
    expect(good.requests).toHaveLength(0);
  });

  it('passes when all backends give it, and takes no more than the attempts allow', async () => {
    const backends = await Promise.all([1, 2, 3, 4].map(() => startBackend(answering(503))));
    const proxy = await startProxy({ backends: backends.map(({ port }) => port), upstream: { repeats } });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await until(() => backends.reduce((sum, { requests }) => sum + requests.length, 0) === 2);
    // Before the second retry there is a pause.
    await proxy.advance(100);
    const response = await client.response();
    expect([status(response), response.body.toString()]).toEqual([503, 'sorry']);
    expect(backends.map(({ requests }) => requests.length)).toEqual([1, 1, 1, 0]);
    expect(proxy.group.retryBudget.activeRetries).toBe(0);
    client.destroy();
  });

  it('leaves nothing over when the client goes during the second attempt', async () => {
    const bad = await startBackend(answering(503));
    const silent = await startBackend(() => undefined);
    const proxy = await startProxy({ backends: [bad.port, silent.port], upstream: { repeats } });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await silent.received(1);
    client.socket.resetAndDestroy();
    await proxy.quiet();
    await until(() => proxy.backendConnections === 0);
    expect(proxy.group.statistics().map(({ active }) => active)).toEqual([0, 0]);
    expect(proxy.group.retryBudget.activeRetries).toBe(0);
  });
});

describe('a backend whose bodies trickle', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n';
  const trickling = (more = ''): Handler => {
    return (_request, connection) => connection.write(`${head}${more}\r\n`);
  };
  const options = (minRate: number): Partial<ProxyOptions> => ({
    group: { ejection: { consecutiveFailures: 1 } },
    upstream: { minRate },
  });

  async function trickle(two: Two, ms: number): Promise<RawClient> {
    const client = await RawClient.connect(two.proxy.port);
    client.write(get);
    await two.bad.received(1);
    for (let sent = 0; sent < 20; sent++) {
      two.bad.connections[0]!.write('x');
      await client.receives(`\r\n\r\n${'x'.repeat(sent + 1)}`);
      await two.proxy.advance(ms);
    }
    return client;
  }

  it('is ejected while the answer goes on, and its client gets all of it', async () => {
    const both = await two(trickling(), options(100));
    const client = await trickle(both, 100);
    expect((await client.response()).body.toString()).toBe('x'.repeat(20));
    expect(both.proxy.group.statistics()[0]).toMatchObject({
      ejected: true,
      timedOut: 0,
      succeeded: 1,
      active: 0,
    });
    client.destroy();
  });

  it.each([
    ['fast enough', 5, '', 100],
    ['a stream of events', 100, 'Content-Type: text/event-stream; charset=utf-8\r\n', 100],
    ['where nobody asked for it', 100, '', 0],
  ])('stays: %s', async (_what, ms, more, minRate) => {
    const both = await two(trickling(more), options(minRate));
    const client = await trickle(both, ms);
    expect(both.proxy.group.statistics()[0]).toMatchObject({ ejected: false, timedOut: 0, succeeded: 1 });
    client.destroy();
  });

  it('stays where it is the client that does not take it', async () => {
    const big = 8 * 1024 * 1024;
    const { backend, proxy } = await startPair(
      (_request, connection) => connection.write(ok(Buffer.alloc(big, 120))),
      options(1024 ** 3),
    );
    const client = await RawClient.connect(proxy.port);
    client.socket.pause();
    client.write(get);
    await backend.received(1);
    await turns(20);
    await proxy.advance(5_000);
    client.socket.resume();
    expect((await client.response()).body).toHaveLength(big);
    expect(proxy.group.statistics()[0]).toMatchObject({ timedOut: 0, succeeded: 1 });
    client.destroy();
  });
});

describe('a backend that hangs, with all of its connections taken', () => {
  const pool = { maxConnections: 1, minIdle: 0 };
  const clients = (proxy: TestProxy, count: number): Promise<RawClient[]> =>
    Promise.all(Array.from({ length: count }, () => RawClient.connect(proxy.port)));
  const hanging: Handler = () => undefined;
  const settle = async (all: readonly RawClient[]): Promise<void> => {
    for (const client of all) client.destroy();
  };

  it('holds up one more at most: the others go where there is room', async () => {
    const { bad, good, proxy } = await two(hanging, { pool });
    const all = await clients(proxy, 10);
    for (const client of all) {
      client.write(get);
      await turns(5);
    }
    await until(() => all.filter(({ text }) => text.includes('good')).length === 8);
    expect(bad.requests).toHaveLength(1);
    expect(good.requests).toHaveLength(8);
    await settle(all);
  });

  it('keeps those that belong to it', async () => {
    const { bad, good, proxy } = await two(hanging, { pool, upstream: { sticky: true } });
    const all = await clients(proxy, 10);
    for (const client of all) {
      client.write(get);
      await turns(5);
    }
    await until(() => good.requests.length === 5);
    expect(bad.requests).toHaveLength(1);
    await settle(all);
  });

  it('lets those who wait for it go elsewhere when it is ejected, POST too: nothing of them was sent', async () => {
    const { bad, good, proxy } = await two(hanging, {
      pool,
      group: { ejection: { consecutiveFailures: 1 } },
      upstream: { sticky: true },
      timeouts: { response: 1_000 },
    });
    const all = await clients(proxy, 3);
    // The first to the bad one, the second to the good one, the third waits for the first.
    for (const client of all) {
      client.write(withBody('POST'));
      await turns(10);
    }
    await until(() => good.requests.length === 1);
    expect(bad.requests).toHaveLength(1);
    await proxy.advance(1_100);
    expect(status(await all[2]!.response('POST'))).toBe(200);
    expect(status(await all[0]!.response('POST'))).toBe(504);
    expect([bad.requests.length, good.requests.length]).toEqual([1, 2]);
    expect(proxy.group.statistics().map(({ active }) => active)).toEqual([0, 0]);
    await settle(all);
  });

  it('gives way to a client that leaves while it waits', async () => {
    const { bad, proxy } = await two(hanging, { pool, upstream: { sticky: true } });
    const all = await clients(proxy, 3);
    for (const client of all) {
      client.write(get);
      await turns(10);
    }
    all[2]!.socket.resetAndDestroy();
    await until(() => proxy.engine.connections === 2);
    bad.connections[0]!.write(ok('late'));
    await all[0]!.receives('late');
    await until(() => proxy.group.statistics().every(({ active }) => active === 0));
    expect(bad.requests).toHaveLength(1);
    await settle(all);
  });
});

describe('a pool that is dismissed, since its backend is gone', () => {
  it('still tells those who wait in it when they have waited too long', async () => {
    const { backend, proxy } = await startPair(() => undefined, {
      pool: { maxConnections: 1, minIdle: 0, queueTimeout: 1_000 },
    });
    const first = await RawClient.connect(proxy.port);
    first.write(get);
    await backend.received(1);
    const second = await RawClient.connect(proxy.port);
    second.write(get);
    await until(() => proxy.pools[0]?.waiting === 1);
    proxy.engine.dismiss(proxy.pools[0]!);
    await proxy.advance(1_200);
    expect(status(await second.response())).toBe(503);
    backend.connections[0]!.write(ok('at last'));
    expect((await first.response()).body.toString()).toBe('at last');
    await until(() => proxy.pools[0]!.isDone);
    first.destroy();
    second.destroy();
  });

  it('is not held against its backend: whoever asks it is served by nobody, for now', async () => {
    const { proxy } = await startPair();
    expect(status(await ask(proxy.port, get))).toBe(200);
    proxy.engine.dismiss(proxy.pools[0]!);
    expect(status(await ask(proxy.port, get))).toBe(503);
    expect(proxy.group.statistics()[0]).toMatchObject({ connectFailed: 0, cancelled: 1 });
  });
});

describe('the access log', () => {
  it('has no failure of a request that was served at last', async () => {
    const logged: (readonly [number, string | undefined, number])[] = [];
    const accessLog: AccessLog = {
      log: ({ status: code, failure, retries }) => logged.push([code, failure?.code, retries]),
    };
    const { proxy } = await two((_request, connection) => connection.reset(), { accessLog });
    expect(status(await ask(proxy.port, get))).toBe(200);
    expect(status(await ask(proxy.port, withBody('POST')))).toBe(502);
    expect(logged).toEqual([
      [200, undefined, 1],
      [502, 'BACKEND_CLOSED', 0],
    ]);
  });
});

describe('a tunnel', () => {
  it('is one in flight at its backend until it ends, and a success from its beginning', async () => {
    const { backend, proxy } = await startPair((_request, connection) =>
      connection.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
    );
    const client = await RawClient.connect(proxy.port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    await client.receives('101');
    await until(() => proxy.count('tunnelsNow') === 1);
    expect(proxy.group.statistics()[0]).toMatchObject({ active: 1, succeeded: 1 });
    backend.connections[0]!.end();
    client.half();
    await until(() => proxy.count('tunnelsNow') === 0);
    await until(() => proxy.group.statistics()[0]?.active === 0);
    expect(proxy.group.statistics()[0]).toMatchObject({ active: 0, succeeded: 1, cancelled: 0 });
    client.destroy();
  });
});
