import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Load, backend, configFor, connection, eventually, startRp } from './run-support.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** A backend that holds requests until it is told, and knows the most that it ever had at once. */
async function holding(hold: boolean) {
  const waiting: (() => void)[] = [];
  const seen = { most: 0, active: 0 };
  const { url } = await backend((_request, response) => {
    seen.most = Math.max(seen.most, ++seen.active);
    const answer = (): void => {
      seen.active--;
      response.end('ok');
    };
    if (hold) waiting.push(answer);
    else setImmediate(answer);
  });
  const release = (): void => {
    for (const answer of waiting.splice(0)) answer();
  };
  return { url, seen, release };
}

describe('limits over all workers, with real threads', () => {
  it('of a pool hold whatever they are, and everybody is served', { timeout: 60_000 }, async () => {
    const shapes = fc.record({
      workers: fc.integer({ min: 2, max: 4 }),
      pool: fc.integer({ min: 1, max: 7 }),
      clients: fc.integer({ min: 8, max: 40 }),
    });
    for (const { workers, pool, clients } of fc.sample(shapes, { numRuns: 3, seed: 11 })) {
      const { url, seen } = await holding(false);
      const upstream = `    pool: { maxConnections: ${pool}, minIdle: 0, queueTimeout: 20s, maxQueue: 1000 }\n`;
      const rp = await startRp(
        configFor([url], '', upstream).replace('workers: 2', `workers: ${workers}`),
      ).ready();
      const load = new Load(`http://127.0.0.1:${rp.port}/`, clients);
      await eventually(
        'many answers',
        async () => {
          expect((await rp.backends())[0]!.permits).toBeLessThanOrEqual(pool);
          return load.ok > 400;
        },
        20_000,
      );
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(seen.most).toBeLessThanOrEqual(pool);
      await rp.stop();
    }
  });

  it(
    'of client connections hold whatever they are, and are used up to the last',
    { timeout: 60_000 },
    async () => {
      const shapes = fc.record({
        workers: fc.integer({ min: 2, max: 4 }),
        most: fc.integer({ min: 3, max: 90 }),
      });
      for (const { workers, most } of fc.sample(shapes, { numRuns: 3, seed: 5 })) {
        const { url } = await holding(false);
        const config = configFor([url], `limits: { maxConnections: ${most} }\n`);
        const rp = await startRp(config.replace('workers: 2', `workers: ${workers}`)).ready();
        const kept: Awaited<ReturnType<typeof connection>>[] = [];
        await eventually('all places taken', async () => {
          const one = await connection(rp.port);
          one.socket.write(REQUEST);
          await eventually('its end', () => /^HTTP\/1\.1 (?:200|503)/u.test(one.received()));
          if (one.received().includes(' 200 ')) kept.push(one);
          expect(kept.length).toBeLessThanOrEqual(most);
          return kept.length === most;
        });
        expect((await rp.stats()).connections.open).toBe(most);
        // A place that is free again goes to whichever worker wants it.
        kept.pop()!.socket.destroy();
        await eventually('the free place', async () => {
          const one = await connection(rp.port);
          one.socket.write(REQUEST);
          await eventually('its end', () => /^HTTP\/1\.1 (?:200|503)/u.test(one.received()));
          return one.received().includes(' 200 ');
        });
        await rp.stop();
      }
    },
  );

  it('of client connections let others wait, where that is wanted, and serve them when there is room', async () => {
    const { url } = await holding(false);
    const rp = await startRp(
      configFor([url], 'limits: { maxConnections: 6, onMaxConnections: wait }\n'),
    ).ready();
    const all = await Promise.all(Array.from({ length: 20 }, () => connection(rp.port)));
    for (const one of all) one.socket.write(REQUEST);
    const served = () => all.filter((one) => one.received().includes(' 200 '));
    await eventually('six answers', () => served().length === 6);
    expect((await rp.stats()).connections).toMatchObject({ open: 6, refused: 0 });
    for (let count = 6; count < 20; count++) {
      served()
        .find((one) => !one.closed())!
        .socket.destroy();
      await eventually('the next one', () => served().length === count + 1);
      expect((await rp.stats()).connections.open).toBeLessThanOrEqual(6);
    }
    // The option is taken over by a reload: then who comes is told.
    rp.write(configFor([url], 'limits: { maxConnections: 6 }\n'));
    rp.signal('SIGHUP');
    await rp.said('reloaded');
    await eventually('a refusal', async () => {
      const one = await connection(rp.port);
      one.socket.write(REQUEST);
      await eventually('its answer', () => one.received() !== '');
      return one.received().includes(' 503 ');
    });
  });

  it('of least-connections count the requests of all workers', async () => {
    const backends = await Promise.all([holding(true), holding(true), holding(true)]);
    const upstream = '    algorithm: least-connections\n    pool: { maxConnections: 100 }\n';
    const config = configFor(
      backends.map(({ url }) => url),
      '',
      upstream,
    ).replace('workers: 2', 'workers: 3');
    const rp = await startRp(config).ready();
    const clients = await Promise.all(Array.from({ length: 60 }, () => connection(rp.port)));
    // One after the other: what two workers decide in the same moment they cannot know of each other.
    for (const [at, one] of clients.entries()) {
      one.socket.write(REQUEST);
      await eventually(
        'its arrival',
        () => backends.reduce((sum, { seen }) => sum + seen.active, 0) === at + 1,
      );
    }
    expect(backends.map(({ seen }) => seen.active)).toEqual([20, 20, 20]);
    expect((await rp.backends()).map(({ active }) => active)).toEqual([20, 20, 20]);
    for (const one of backends) one.release();
    await eventually('all answers', () => clients.every((one) => one.received().includes('200 OK')));
    await eventually('no active ones', async () => (await rp.backends()).every(({ active }) => active === 0));
  });
});
