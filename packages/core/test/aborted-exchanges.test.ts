import { describe, expect, it } from 'vitest';
import { RawClient } from './support/client.ts';
import { leftovers } from './support/leftovers.ts';
import { abort, chanceful } from './support/abuse.ts';
import { startBackend, startProxy, type TestProxy } from './support/proxy.ts';
import { Random } from './support/random.ts';
import { turns, until } from './support/wait.ts';

/** Everything over, and every connection to the backend closed. */
async function settle(proxy: TestProxy): Promise<void> {
  for (let i = 0; i < 200 && (proxy.engine.connections > 0 || proxy.backendConnections > 0); i++) {
    await proxy.advance(4000);
  }
  await turns(20);
}

async function run(seed: number, count: number, dies: boolean): Promise<void> {
  const random = new Random(seed);
  const backend = await startBackend(chanceful(random, dies));
  const proxy = await startProxy({
    backends: [backend.port],
    pool: { idleTimeout: 2000, maxConnections: 8 },
  });
  // The first exchange makes what is made once.
  await abort(random, proxy.port);
  await settle(proxy);
  const before = leftovers(proxy);
  for (let done = 0; done < count; done += 10) {
    await Promise.all(Array.from({ length: 10 }, () => abort(random, proxy.port)));
    await proxy.advance(200);
  }
  await settle(proxy);
  await until(() => backend.open === 0);
  await turns(20);
  expect(leftovers(proxy)).toEqual(before);
  expect(proxy.count('connectionsAccepted')).toBeGreaterThan(count / 2);
}

/** Clients per seed; `ABORTS=1250` makes 10,000 of them. */
const ABORTS = Number(process.env['ABORTS'] ?? 150);

describe('what is left of exchanges that did not end well', () => {
  it.each([1, 2, 3, 4])(
    'clients that leave at random points leave nothing behind (seed %i)',
    async (seed) => {
      await run(seed, ABORTS, false);
    },
  );

  it.each([11, 12, 13, 14])('nor do backends that die at random points (seed %i)', async (seed) => {
    await run(seed, ABORTS, true);
  });

  it('a client that leaves has its backend exchange cancelled at once, and its place in the pool freed', async () => {
    const backend = await startBackend({ onHead: () => {} });
    const proxy = await startProxy({ backends: [backend.port], pool: { maxConnections: 1 } });
    const first = await RawClient.connect(proxy.port);
    first.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\n');
    await backend.received(1);
    const waits = await RawClient.connect(proxy.port);
    waits.write('GET /waits HTTP/1.1\r\nHost: a\r\n\r\n');
    const leaves = await RawClient.connect(proxy.port);
    leaves.write('GET /leaves HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => proxy.pools[0]!.waiting === 2);
    leaves.socket.resetAndDestroy();
    await until(() => proxy.pools[0]!.waiting === 1);
    first.socket.resetAndDestroy();
    await backend.received(2);
    expect(backend.connections[0]!.closed).toBe(true);
    expect(backend.requests.map(({ start }) => start)).toEqual([
      'GET /first HTTP/1.1',
      'GET /waits HTTP/1.1',
    ]);
    expect(proxy.count('clientAborts')).toBe(2);
    waits.destroy();
  });
});
