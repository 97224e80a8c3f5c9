import http from 'node:http';
import { describe, expect, it } from 'vitest';
import { type Rp, ask, configFor, onCleanup, startRp, wordBackend } from './run-support.ts';

const words = ['a', 'b', 'c'] as const;

async function start(options: string, workers = 2, weights: readonly number[] = [1, 1, 1]): Promise<Rp> {
  const servers = await Promise.all(words.map((word) => wordBackend(word)));
  const backends = servers.map(({ url }, i) => `{ url: "${url}", weight: ${weights[i]} }`).join(', ');
  const config = configFor([], '', options).replace('backends: []', `backends: [${backends}]`);
  return startRp(config.replace('workers: 2', `workers: ${workers}`)).ready();
}

/** How many of `count` requests each backend answered, one after the other, each on a connection of its own. */
async function shares(rp: Rp, count: number, from?: (i: number) => string): Promise<number[]> {
  const bodies: string[] = [];
  for (let i = 0; i < count; i++) bodies.push(await answer(rp, from?.(i)));
  return counted(bodies);
}

const answer = async (rp: Rp, localAddress?: string): Promise<string> =>
  (await ask(`http://127.0.0.1:${rp.port}/`, localAddress === undefined ? {} : { localAddress })).body;
const counted = (bodies: readonly string[]): number[] =>
  words.map((word) => bodies.filter((body) => body === word).length);
const addressOf = (i: number): string => `127.0.${1 + (i >> 7)}.${1 + (i & 127)}`;

describe('distribution over three real backends', () => {
  it('round-robin: 100 requests are 33, 33 and 34, over two workers', async () => {
    const rp = await start('');
    expect((await shares(rp, 100)).sort()).toEqual([33, 33, 34]);
  });

  it('weights 1:2:3: 60 requests are exactly 10, 20 and 30', async () => {
    const rp = await start('    algorithm: weighted-round-robin', 2, [1, 2, 3]);
    expect(await shares(rp, 60)).toEqual([10, 20, 30]);
  });

  it('ip-hash: one address has one backend; many addresses are spread over all', async () => {
    const rp = await start('    algorithm: ip-hash');
    expect((await shares(rp, 30)).sort((x, y) => x - y)).toEqual([0, 0, 30]);
    for (const share of await shares(rp, 300, addressOf)) expect(share).toBeGreaterThan(60);
  });

  // Turns are exact; who looks at how busy backends are follows the machine, too.
  it.each([
    ['round-robin', 5],
    ['least-connections', 20],
    ['random', 20],
  ] as const)(
    '%s with four workers and 32 connections at once: within %d percent',
    async (algorithm, percent) => {
      const rp = await start(`    algorithm: ${algorithm}`, 4);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
      onCleanup(() => agent.destroy());
      const asks = Array.from({ length: 6_000 }, () => ask(`http://127.0.0.1:${rp.port}/`, { agent }));
      const bodies = (await Promise.all(asks)).map(({ body }) => body);
      for (const share of counted(bodies)) expect(Math.abs(share - 2_000)).toBeLessThanOrEqual(20 * percent);
    },
  );

  it('ip-hash moves hardly more than a third of the clients when one of three leaves, and back when it returns', async () => {
    const servers = await Promise.all(words.map((word) => wordBackend(word)));
    const urls = servers.map(({ url }) => url);
    const options = '    algorithm: ip-hash';
    const rp = await startRp(configFor(urls, '', options)).ready();
    const clients = Array.from({ length: 400 }, (_, i) => addressOf(i));
    const look = async (): Promise<string[]> => {
      const found: string[] = [];
      for (const address of clients) found.push(await answer(rp, address));
      return found;
    };
    const reload = async (backends: readonly string[]): Promise<void> => {
      const { version } = (await rp.stats()).config;
      rp.write(configFor(backends, '', options));
      rp.signal('SIGHUP');
      await expect.poll(async () => (await rp.stats()).config.version).toBe(version + 1);
    };
    const before = await look();
    await reload(urls.slice(0, 2));
    const without = await look();
    const moved = before.filter((body, i) => body !== without[i]);
    expect(moved.every((body) => body === 'c')).toBe(true);
    expect(moved.length / clients.length).toBeLessThanOrEqual(1.5 / 3);
    await reload(urls);
    expect(await look()).toEqual(before);
  });
});
