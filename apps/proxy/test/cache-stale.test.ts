import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CacheBackend, answer } from './support/cache-backend.ts';
import { RawClient, ask } from './support/cache-client.ts';
import { RunningProxy } from './support/running-proxy.ts';
import { until } from './support/until.ts';

// Stale on arrival: `Age` says that the response is older than its lifetime, so that no test has to wait.
const stale = (allowed: string) => ({ 'cache-control': `max-age=60, ${allowed}`, age: '61' });

let backend: CacheBackend;
let proxy: RunningProxy;
const get = (path: string, headers = {}) => ask(proxy.port, path, { headers });

beforeAll(async () => {
  backend = await CacheBackend.start();
  proxy = await RunningProxy.start(`
listeners: [{ address: 127.0.0.1, port: 0 }]
workers: 1
upstreams:
  app: { backends: [{ url: "http://127.0.0.1:${backend.port}" }], retry: { attempts: 0 } }
routes:
  - { path: /, upstream: app }
cache: { enabled: true, xCacheStatus: true }
timeouts: { response: 300ms }
log: { level: info, access: { enabled: true, format: json } }
`);
});

afterAll(async () => {
  await proxy.stop();
  await backend.close();
});

describe('stale-while-revalidate (RFC 5861, 3)', () => {
  test('serves at once, and brings the response up to date with one request for any number of clients', async () => {
    const path = '/swr';
    backend.on(path, answer('old', stale('stale-while-revalidate=600')));
    await get(path);
    let release = (): void => {};
    backend.on(path, (request, response) => {
      release = () => answer('new', { 'cache-control': 'max-age=60' })(request, response);
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(path)));
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 20 }, () => 'old'));
    expect(answers[0]!.cache).toMatch(/^rp; hit; ttl=-\d+$/);
    expect(answers[0]!.headers['x-cache-status']).toBe('STALE');
    await until(() => backend.asked(path).length === 2, 'the validation');
    await get(path);
    expect(backend.asked(path)).toHaveLength(2);
    release();
    await until(async () => (await get(path)).text === 'new', 'the new one');
    // What no client asked for is in no access log.
    const logged = proxy.log.filter(({ target }) => target === path);
    expect(logged.some(({ cache }) => /detail=background/.test(String(cache)))).toBe(false);
  });

  test('validates with the stored validators and what Vary names, and takes a 304', async () => {
    const path = '/swr-304';
    const fields = { ...stale('stale-while-revalidate=600'), etag: '"e"', vary: 'Accept-Language' };
    backend.on(path, answer('kept', fields));
    const headers = { 'accept-language': 'de', 'x-secret': 'of the client', 'if-none-match': '"mine"' };
    await get(path, headers);
    backend.on(
      path,
      (_request, response) =>
        void response.writeHead(304, { etag: '"e"', 'cache-control': 'max-age=60' }).end(),
    );
    expect((await get(path, headers)).text).toBe('kept');
    await until(() => backend.asked(path).length === 2, 'the validation');
    const sent = backend.asked(path)[1]!.headers;
    expect(sent).toMatchObject({
      'if-none-match': '"e"',
      'accept-language': 'de',
      host: `127.0.0.1:${proxy.port}`,
    });
    expect(sent['x-secret']).toBeUndefined();
    await until(
      async () => /^rp; hit; ttl=[56]\d$/.test((await get(path, headers)).cache),
      'the one brought up to date',
    );
    expect(backend.asked(path)).toHaveLength(2);
  });

  test('a validation that fails leaves the stale response, and the next request tries again', async () => {
    const path = '/swr-fails';
    backend.on(path, answer('old', stale('stale-while-revalidate=600')));
    await get(path);
    backend.on(path, (request) => void request.socket.resetAndDestroy());
    await get(path);
    await until(() => backend.asked(path).length >= 2, 'the first validation');
    await until(
      async () => (await get(path)).text === 'old' && backend.asked(path).length >= 3,
      'the second validation',
    );
    const seen = await get(path);
    expect(seen.text).toBe('old');
  });

  test('pipelined behind a stale hit: the validation is of the first, by its own route', async () => {
    for (const name of ['x', 'y'])
      backend.on(`/piped-${name}`, answer(name.repeat(5), stale('stale-while-revalidate=600')));
    for (const name of ['x', 'y']) await get(`/piped-${name}`);
    const client = await RawClient.connect(proxy.port);
    const host = `Host: 127.0.0.1:${proxy.port}\r\n\r\n`;
    client.write(`GET /piped-x HTTP/1.1\r\n${host}GET /piped-y HTTP/1.1\r\n${host}`);
    expect((await client.receives('yyyyy')).indexOf('xxxxx')).toBeGreaterThan(0);
    for (const name of ['x', 'y'])
      await until(() => backend.asked(`/piped-${name}`).length === 2, `a validation of ${name}`);
    client.destroy();
  });
});

describe('stale-if-error (RFC 5861, 4)', () => {
  const cases: [string, Parameters<CacheBackend['on']>[1]][] = [
    ['a 500', answer('broken', {}, 500)],
    ['a 503 without a body', answer('', {}, 503)],
    ['a connection that is closed', (request) => void request.socket.resetAndDestroy()],
    ['a backend that says nothing in time', () => {}],
    [
      'a response that is malformed',
      (request) => void request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'),
    ],
  ];

  test.each(cases)('answers in place of %s', async (name, failing) => {
    const path = `/sie-${cases.findIndex(([one]) => one === name)}`;
    backend.on(path, answer('old', stale('stale-if-error=600')));
    await get(path);
    backend.on(path, failing);
    const answers = await Promise.all([get(path), get(path), get(path)]);
    for (const one of answers) {
      expect([one.status, one.text, one.cut]).toEqual([200, 'old', false]);
    }
    expect(answers[0]!.cache).toMatch(/^rp; hit; ttl=-\d+; detail=stale-if-error$/);
  });

  test.each(cases.slice(0, 4))('without it, %s is what the client gets', async (name, failing) => {
    const path = `/no-sie-${cases.findIndex(([one]) => one === name)}`;
    backend.on(path, answer('old', { ...stale('stale-while-revalidate=0'), etag: '"x"' }));
    await get(path);
    backend.on(path, failing);
    const one = await get(path);
    expect(one.status).toBeGreaterThanOrEqual(500);
    expect(one.text).not.toBe('old');
    expect(one.cache).toMatch(/^rp; fwd=stale/);
  });

  test('must-revalidate forbids it', async () => {
    backend.on('/must', answer('old', stale('must-revalidate, stale-if-error=600')));
    await get('/must');
    backend.on('/must', answer('broken', {}, 500));
    expect((await get('/must')).status).toBe(500);
  });

  test('an error that is served over is no success: the backend counts as failed', async () => {
    backend.on('/sie-log', answer('old', stale('stale-if-error=600')));
    await get('/sie-log');
    backend.on('/sie-log', (request) => void request.socket.resetAndDestroy());
    await get('/sie-log');
    const line = await proxy.logged(
      ({ target, error }) => target === '/sie-log' && error === 'BACKEND_CLOSED',
    );
    expect(line).toMatchObject({ status: 200 });
  });
});

test('stale-if-error when every backend refuses connections, and when none is left', async () => {
  const mortal = await CacheBackend.start();
  const own = await RunningProxy.start(`
listeners: [{ address: 127.0.0.1, port: 0 }]
workers: 1
upstreams:
  app:
    backends: [{ url: "http://127.0.0.1:${mortal.port}" }]
    allDown: reject
    circuitBreaker: { minimumRequests: 2 }
cache: { enabled: true }
log: { level: info, access: { enabled: false } }
`);
  for (const path of ['/kept', '/plain']) {
    mortal.on(
      path,
      answer(path, path === '/kept' ? stale('stale-if-error=600') : stale('stale-while-revalidate=0')),
    );
    await ask(own.port, path);
  }
  await mortal.close();
  const statuses = new Set<number>();
  for (let i = 0; i < 6; i++) {
    const kept = await ask(own.port, '/kept');
    expect([kept.status, kept.text]).toEqual([200, '/kept']);
    statuses.add((await ask(own.port, '/plain')).status);
  }
  expect([...statuses].every((status) => status === 502 || status === 503)).toBe(true);
  expect(statuses.has(503)).toBe(true);
  await own.stop();
});
