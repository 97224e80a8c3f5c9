import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CacheBackend, answer, counting } from './support/cache-backend.ts';
import { ask } from './support/cache-client.ts';
import { RunningProxy } from './support/running-proxy.ts';
import { until } from './support/until.ts';

const FRESH = { 'cache-control': 'max-age=600' };

let backend: CacheBackend;
let proxy: RunningProxy;
let admin = 0;

const config = (workers: number, cache: string, more = ''): string => `
listeners: [{ address: 127.0.0.1, port: 0 }]
workers: ${workers}
upstreams: { app: { backends: [{ url: "http://127.0.0.1:${backend.port}" }] } }
cache: ${cache}
log: { level: info, access: { enabled: false } }
${more}`;

const get = async (path: string, to = proxy) => (await ask(to.port, path)).text;

/** Asks on connections of their own until the kernel has let every worker have some of them. */
async function everywhere(path: string): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < 40; i++) answers.push(await get(path));
  return answers;
}

beforeAll(async () => {
  backend = await CacheBackend.start();
  const start = () =>
    RunningProxy.start(config(2, '{ enabled: true }', `admin: { address: 127.0.0.1, port: ${admin} }`));
  admin = 20_000 + Math.floor(Math.random() * 10_000);
  proxy = await start();
});

afterAll(async () => {
  await proxy.stop();
  await backend.close();
});

describe('with two workers', () => {
  test('each has what it was asked for; an invalidation by one reaches the other', async () => {
    const read = counting(FRESH);
    backend.on('/both', (request, response) =>
      request.method === 'GET' ? read(request, response) : answer('changed', {})(request, response),
    );
    await everywhere('/both');
    const copies = backend.asked('/both').length;
    expect(copies).toBe(2);
    await ask(proxy.port, '/both', { method: 'POST', body: 'x' });
    await until(async () => {
      const answers = await everywhere('/both');
      return answers.every((text) => text === 'answer 3' || text === 'answer 4');
    }, 'the new answer from both workers');
  });

  test('a purge reaches both, says how many it removed, and holds for what is being fetched', async () => {
    backend.on('/purged', counting({ ...FRESH, 'cache-tag': 'one, two' }));
    await everywhere('/purged');
    let release = (): void => {};
    backend.on('/fetched', (request, response) => {
      release = () => answer('before the purge', { ...FRESH, 'cache-tag': 'two' })(request, response);
    });
    const fetched = get('/fetched');
    await until(() => backend.asked('/fetched').length === 1, 'the request');
    const purge = await ask(admin, '/cache/purge', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"tag":"two"}',
    });
    expect([purge.status, JSON.parse(purge.text)]).toMatchObject([200, { removed: 2 }]);
    release();
    expect(await fetched).toBe('before the purge');
    backend.on('/fetched', answer('after it', FRESH));
    expect(new Set(await everywhere('/fetched'))).toEqual(new Set(['after it']));
    const answers = await everywhere('/purged');
    expect(answers.every((text) => text === 'answer 3' || text === 'answer 4')).toBe(true);
  });
});

describe('a reload', () => {
  test('with the same cache options keeps what is stored; with others it starts empty, for open connections too', async () => {
    backend.on('/reloaded', counting(FRESH));
    const own = await RunningProxy.start(config(1, '{ enabled: true }'));
    const { Agent } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const kept = async () => (await ask(own.port, '/reloaded', { agent })).text;
    expect(await kept()).toBe('answer 1');
    const settled = (text: string) => until(async () => (await kept()) === text, text);
    await own.reload(config(1, '{ enabled: true }', 'timeouts: { idle: 50s }'));
    for (let i = 0; i < 5; i++) expect(await kept()).toBe('answer 1');
    await own.reload(config(1, '{ enabled: true, maxEntrySize: 1MB }', 'timeouts: { idle: 50s }'));
    await settled('answer 2');
    for (let i = 0; i < 5; i++) expect(await kept()).toBe('answer 2');
    await own.reload(config(1, '{ enabled: false }', 'timeouts: { idle: 50s }'));
    await until(async () => Number((await kept()).split(' ')[1]) > 4, 'answers that are not stored');
    agent.destroy();
    await own.stop();
  });
});

test('hazard: memory stays within cache.maxSize, whatever is asked for', async () => {
  const body = Buffer.alloc(256 * 1024, 'm');
  backend.on('/bulk', answer(body, FRESH));
  const own = await RunningProxy.start(
    config(
      2,
      '{ enabled: true, maxSize: 4MB, maxEntrySize: 1MB }',
      `admin: { address: 127.0.0.1, port: ${admin + 1} }`,
    ),
  );
  for (let i = 0; i < 100; i++) await get(`/bulk?${i}`, own);
  const stats = JSON.parse((await ask(admin + 1, '/stats')).text) as { cache: Record<string, number> };
  expect(stats.cache['bytes']).toBeLessThanOrEqual(4 * 1024 * 1024);
  expect(stats.cache['bytes']).toBeGreaterThan(2 * 1024 * 1024);
  expect(stats.cache['evictions']).toBeGreaterThan(50);
  await own.stop();
});
