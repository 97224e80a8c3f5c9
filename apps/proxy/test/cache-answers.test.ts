import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CacheBackend, answer, counting } from './support/cache-backend.ts';
import { RawClient, ask } from './support/cache-client.ts';
import { RunningProxy } from './support/running-proxy.ts';
import { still, until } from './support/until.ts';

const config = (port: number, cache: string): string => `
listeners: [{ address: 127.0.0.1, port: 0 }]
workers: 1
upstreams: { app: { backends: [{ url: "http://127.0.0.1:${port}" }] } }
routes:
  - { path: /, upstream: app }
  - { path: /uncached, upstream: app, cache: false }
cache: ${cache}
log: { level: info, access: { enabled: true, format: json } }
admin: { address: 127.0.0.1, port: 0 }
`;

let backend: CacheBackend;
let proxy: RunningProxy;
const get = (path: string, headers = {}) => ask(proxy.port, path, { headers });

beforeAll(async () => {
  backend = await CacheBackend.start();
  const cache =
    '{ enabled: true, maxEntrySize: 64KB, xCacheStatus: true, exclude: { paths: ["/account/**"], cookies: [session] } }';
  proxy = await RunningProxy.start(config(backend.port, cache));
});

afterAll(async () => {
  await proxy.stop();
  await backend.close();
});

describe('a stored response', () => {
  test('answers GET and HEAD, with Age, Cache-Status and X-Cache-Status', async () => {
    backend.on('/plain', counting({ 'cache-control': 'max-age=60', etag: '"a"', 'x-own': 'kept' }));
    const miss = await get('/plain');
    expect([miss.text, miss.cache, miss.headers['x-cache-status']]).toEqual([
      'answer 1',
      'rp; fwd=uri-miss; stored',
      'MISS',
    ]);
    expect(miss.headers['age']).toBeUndefined();
    const hit = await get('/plain');
    expect([hit.text, hit.headers['x-cache-status'], hit.headers['x-own']]).toEqual([
      'answer 1',
      'HIT',
      'kept',
    ]);
    expect(hit.cache).toMatch(/^rp; hit; ttl=(60|59|58)$/);
    expect(Number(hit.headers['age'])).toBeLessThan(3);
    const head = await ask(proxy.port, '/plain', { method: 'HEAD' });
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, '8', '']);
    expect(head.cache).toMatch(/^rp; hit/);
    expect(backend.asked('/plain')).toHaveLength(1);
  });

  test('is a 304 for the client whose validator matches', async () => {
    const modified = 'Mon, 01 Jan 2024 00:00:00 GMT';
    backend.on(
      '/conditional',
      answer('same', { 'cache-control': 'max-age=60', etag: '"v1"', 'last-modified': modified }),
    );
    await get('/conditional');
    const byTag = await get('/conditional', { 'if-none-match': '"v0", W/"v1"' });
    expect([byTag.status, byTag.text, byTag.headers['etag']]).toEqual([304, '', '"v1"']);
    expect((await get('/conditional', { 'if-modified-since': modified })).status).toBe(304);
    const other = await get('/conditional', { 'if-none-match': '"v2"' });
    expect([other.status, other.text]).toEqual([200, 'same']);
    expect(backend.asked('/conditional')).toHaveLength(1);
  });

  test('is a 206 for a range, multipart for several, 416 beyond the end', async () => {
    backend.on(
      '/range',
      answer('0123456789', { 'cache-control': 'max-age=60', 'content-type': 'text/plain', etag: '"r"' }),
    );
    await get('/range');
    const one = await get('/range', { range: 'bytes=2-4' });
    expect([one.status, one.text, one.headers['content-range']]).toEqual([206, '234', 'bytes 2-4/10']);
    const last = await get('/range', { range: 'bytes=-3' });
    expect([last.status, last.text, last.headers['content-length']]).toEqual([206, '789', '3']);
    const two = await get('/range', { range: 'bytes=0-0,9-9' });
    expect([two.status, two.headers['content-type']]).toEqual([
      206,
      expect.stringMatching(/^multipart\/byteranges; boundary=/),
    ]);
    expect(two.text.match(/Content-Range: bytes \d-\d\/10\r\n\r\n(\d)/g)).toHaveLength(2);
    const beyond = await get('/range', { range: 'bytes=10-' });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */10']);
    expect((await get('/range', { range: 'bytes=0-1', 'if-range': '"r"' })).status).toBe(206);
    expect((await get('/range', { range: 'bytes=0-1', 'if-range': '"old"' })).status).toBe(200);
    expect(backend.asked('/range')).toHaveLength(1);
  });

  test('is chosen by Vary, never the wrong variant', async () => {
    backend.on('/vary', (request, response) => {
      const language = String(request.headers['accept-language'] ?? 'none');
      answer(language, { 'cache-control': 'max-age=60', vary: 'Accept-Language' })(request, response);
    });
    for (const language of ['de', 'fr', 'de', 'fr']) {
      expect((await get('/vary', { 'accept-language': language })).text).toBe(language);
    }
    expect((await get('/vary')).text).toBe('none');
    expect((await get('/vary', { 'accept-language': 'de' })).cache).toMatch(/hit/);
    expect(backend.asked('/vary')).toHaveLength(3);
  });

  test('is validated when it is stale, on a connection that goes on', async () => {
    let validations = 0;
    backend.on('/validate', (request, response) => {
      if (request.headers['if-none-match'] === '"v"') {
        validations++;
        response.writeHead(304, { etag: '"v"', 'cache-control': 'no-cache' }).end();
      } else answer('body', { 'cache-control': 'no-cache', etag: '"v"' })(request, response);
    });
    await get('/validate');
    const again = await get('/validate');
    expect([again.status, again.text, again.cache]).toEqual([200, 'body', 'rp; fwd=stale; fwd-status=304']);
    expect(again.headers['x-cache-status']).toBe('REVALIDATED');
    expect((await get('/validate', { 'if-none-match': '"v"' })).status).toBe(304);
    expect(validations).toBe(2);
    const ports = new Set(backend.asked('/validate').map(({ socket }) => socket.remotePort));
    expect(ports.size).toBe(1);
  });

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])(
    'is gone after a successful %s, with what Location names',
    async (method) => {
      const path = `/changed-${method.toLowerCase()}`;
      const fresh = { 'cache-control': 'max-age=60' };
      const read = counting(fresh);
      backend.on(path, (request, response) => {
        if (request.method === 'GET') read(request, response);
        else if (request.headers['x-fail'] === 'yes') answer('no', {}, 500)(request, response);
        else
          answer('done', { location: `${path}/item`, 'content-location': 'http://other.example/x' })(
            request,
            response,
          );
      });
      backend.on(`${path}/item`, counting(fresh));
      await get(path);
      await get(`${path}/item`);
      const change = (headers = {}) => ask(proxy.port, path, { method, headers, body: 'x' });
      await change({ 'x-fail': 'yes' });
      expect((await get(path)).text).toBe('answer 1');
      const done = await change();
      expect([done.status, done.cache]).toEqual([200, 'rp; fwd=method']);
      expect((await get(path)).text).toBe('answer 2');
      expect((await get(`${path}/item`)).text).toBe('answer 2');
    },
  );
});

describe('hazard: what is not to be shared never is', () => {
  test.each([
    ['private', { 'cache-control': 'private, max-age=60' }],
    ['no-store', { 'cache-control': 'no-store, max-age=60' }],
    ['contradictions', { 'cache-control': 'max-age=60; no-store' }],
    ['Vary: *', { 'cache-control': 'max-age=60', vary: '*' }],
    [
      'Set-Cookie without explicit freshness',
      { 'set-cookie': 'a=1', 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' },
    ],
    ['nothing said', {}],
  ])('%s', async (name, fields) => {
    const path = `/unshared/${encodeURIComponent(name)}.css`;
    backend.on(path, counting(fields));
    const first = await get(path);
    expect(first.cache).toMatch(/^rp; fwd=uri-miss; detail=[a-z-]+$/);
    expect((await get(path)).text).toBe('answer 2');
  });

  test('responses to requests with Authorization, unless they say so', async () => {
    backend.on('/authorised', counting({ 'cache-control': 'max-age=60' }));
    backend.on('/authorised-public', counting({ 'cache-control': 'public, max-age=60' }));
    const headers = { authorization: 'Basic eDp5' };
    for (const path of ['/authorised', '/authorised-public']) await get(path, headers);
    expect((await get('/authorised')).text).toBe('answer 2');
    expect((await get('/authorised-public')).text).toBe('answer 1');
  });

  test('a partial response', async () => {
    backend.on('/part', (request, response) => {
      if (request.headers.range === undefined)
        return answer('whole', { 'cache-control': 'max-age=60' })(request, response);
      answer('wh', { 'cache-control': 'max-age=60', 'content-range': 'bytes 0-1/5' }, 206)(request, response);
    });
    expect((await get('/part', { range: 'bytes=0-1' })).status).toBe(206);
    expect((await get('/part')).text).toBe('whole');
  });

  test.each([
    ['a length that is not reached', { 'content-length': 10, 'cache-control': 'max-age=60' }],
    ['a missing last chunk', { 'cache-control': 'max-age=60' }],
  ])('a response cut short: %s', async (name, fields) => {
    const path = `/short-${name.length}`;
    let whole = false;
    backend.on(path, (request, response) => {
      if (whole) return answer('all of it', { 'cache-control': 'max-age=60' })(request, response);
      response.writeHead(200, fields);
      response.write('part');
      setTimeout(() => response.socket!.resetAndDestroy(), 30);
    });
    const short = await get(path);
    expect([short.cut, short.text]).toEqual([true, 'part']);
    whole = true;
    const next = await get(path);
    expect([next.cut, next.text, next.cache]).toEqual([false, 'all of it', 'rp; fwd=uri-miss; stored']);
  });

  test('X-Forwarded-Host and the like of a client that nobody trusts change neither key nor response', async () => {
    backend.on('/poison', (request, response) => {
      const host = String(request.headers['x-forwarded-host']);
      answer(host, { 'cache-control': 'max-age=60' })(request, response);
    });
    const first = await get('/poison', { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' });
    expect(first.text).toBe(`127.0.0.1:${proxy.port}`);
    expect((await get('/poison')).cache).toMatch(/hit/);
  });
});

describe('what the cache has no part in', () => {
  test('an entry over the limit streams through, whole, and is not stored', async () => {
    const large = Buffer.alloc(300_000, 'x');
    backend.on('/large', answer(large, { 'cache-control': 'max-age=60' }));
    backend.on('/large-unknown', (_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' });
      for (let i = 0; i < 10; i++) response.write(large.subarray(0, 30_000));
      response.end();
    });
    for (const path of ['/large', '/large-unknown']) {
      for (let i = 0; i < 2; i++) expect((await get(path)).body.equals(large)).toBe(true);
      expect(backend.asked(path)).toHaveLength(2);
    }
    expect((await get('/large')).cache).toBe('rp; fwd=uri-miss; detail=too-large');
  });

  test.each([
    ['a path that is left out', '/account/x.css', {}, 'rp; fwd=bypass; detail=excluded-path'],
    [
      'a cookie that is left out',
      '/cookie',
      { cookie: 'a=1; session=2' },
      'rp; fwd=bypass; detail=excluded-cookie',
    ],
  ])('%s', async (_name, path, headers, status) => {
    backend.on(path, counting({ 'cache-control': 'max-age=60' }));
    for (let i = 1; i <= 2; i++) {
      const one = await get(path, headers);
      expect([one.text, one.cache, one.headers['x-cache-status']]).toEqual([`answer ${i}`, status, 'BYPASS']);
    }
  });

  test('a route with cache: false, which has no Cache-Status either', async () => {
    backend.on('/uncached/x', counting({ 'cache-control': 'max-age=60' }));
    await get('/uncached/x');
    const second = await get('/uncached/x');
    expect([second.text, second.headers['cache-status']]).toEqual(['answer 2', undefined]);
  });

  test('only-if-cached of what is not stored: 504, and no request', async () => {
    backend.on('/only', counting({ 'cache-control': 'max-age=60' }));
    const none = await get('/only', { 'cache-control': 'only-if-cached' });
    expect([none.status, none.cache]).toEqual([504, 'rp; detail=only-if-cached']);
    expect(backend.asked('/only')).toHaveLength(0);
    await get('/only');
    expect((await get('/only', { 'cache-control': 'only-if-cached' })).text).toBe('answer 1');
  });
});

describe('on the wire', () => {
  test('pipelined hits of one turn leave in order, also among misses', async () => {
    for (const name of ['a', 'b', 'c']) {
      backend.on(`/pipe/${name}`, answer(`body-${name}`.repeat(3), { 'cache-control': 'max-age=60' }));
      if (name !== 'b') await get(`/pipe/${name}`);
    }
    const client = await RawClient.connect(proxy.port);
    const order = ['a', 'c', 'b', 'a', 'b', 'c'];
    client.write(
      order.map((name) => `GET /pipe/${name} HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`).join(''),
    );
    const text = await client.receives('HTTP/1.1 200', order.length);
    await client.receives('body-c'.repeat(3), 2);
    expect([...client.text.matchAll(/(body-[abc]){3}/g)].map(([, name]) => name)).toEqual(
      order.map((n) => `body-${n}`),
    );
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(order.length);
    client.destroy();
  });

  test('hazard: a client that pipelines hits and reads nothing fills no memory, and gets all in the end', async () => {
    const size = 10_240;
    const times = 3_000;
    backend.on('/flood', answer('f'.repeat(size), { 'cache-control': 'max-age=60' }));
    await get('/flood');
    const client = await RawClient.connect(proxy.port);
    client.socket.pause();
    const sent = (await proxy.stats()).bytes.toClients;
    client.write(`GET /flood HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`.repeat(times));
    const toClients = async (): Promise<number> => (await proxy.stats()).bytes.toClients;
    const served = ((await still(toClients, 'the proxy to stop')) - sent) / size;
    // What the buffers of the two sockets hold, and no more.
    expect(served).toBeGreaterThan(10);
    expect(served).toBeLessThan(times / 2);
    client.socket.resume();
    await until(() => client.received > times * size, 'all responses');
    expect((await client.receives('HTTP/1.1 200 OK', times)).split('f'.repeat(size)).length - 1).toBe(times);
    client.destroy();
  });

  test('HTTP/1.0: a hit ends the connection unless the client keeps it', async () => {
    backend.on('/old', answer('old', { 'cache-control': 'max-age=60' }));
    const host = `Host: 127.0.0.1:${proxy.port}`;
    await get('/old');
    const closing = await RawClient.connect(proxy.port);
    closing.write(`GET /old HTTP/1.0\r\n${host}\r\n\r\n`);
    const text = await closing.receives('\r\n\r\nold');
    expect(text).toMatch(/Content-Length: 3\r\n/i);
    expect(text).toMatch(/Connection: close\r\n/);
    expect(text).not.toMatch(/Transfer-Encoding/i);
    const keeping = await RawClient.connect(proxy.port);
    for (let i = 1; i <= 2; i++) {
      keeping.write(`GET /old HTTP/1.0\r\n${host}\r\nConnection: keep-alive\r\n\r\n`);
      await keeping.receives('\r\n\r\nold', i);
    }
    expect(keeping.text).toMatch(/Connection: keep-alive\r\n/);
    keeping.destroy();
    expect(backend.asked('/old')).toHaveLength(1);
  });

  test('a GET with a body goes to the backend, and the next request is read where it begins', async () => {
    backend.on('/body', counting({ 'cache-control': 'max-age=60' }));
    await get('/body');
    const client = await RawClient.connect(proxy.port);
    const host = `Host: 127.0.0.1:${proxy.port}\r\n`;
    client.write(`GET /body HTTP/1.1\r\n${host}Content-Length: 24\r\n\r\nGET /smuggled HTTP/1.1\r\n`);
    await client.receives('answer 2');
    client.write(`GET /body HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`);
    await client.receives('answer 3');
    client.write(`GET /body HTTP/1.1\r\n${host}\r\n`);
    const text = await client.receives('answer 1');
    expect(text.match(/detail=unkeyed-input/g)).toHaveLength(2);
    expect(backend.asked('/smuggled')).toHaveLength(0);
    client.destroy();
  });

  test('errors of the proxy say what the cache had to do with it', async () => {
    backend.on('/reset', (request) => void request.socket.resetAndDestroy());
    const reset = await get('/reset');
    expect([reset.status, reset.cache, reset.headers['x-cache-status']]).toEqual([
      502,
      'rp; fwd=uri-miss; detail=BACKEND_CLOSED',
      'MISS',
    ]);
    const post = await ask(proxy.port, '/reset', { method: 'POST', body: 'x' });
    expect(post.cache).toBe('rp; fwd=method; detail=BACKEND_CLOSED');
  });

  test('the access log tells what the cache did', async () => {
    backend.on('/logged', answer('x', { 'cache-control': 'max-age=60' }));
    await get('/logged?1');
    await get('/logged?1');
    const line = await proxy.logged(
      ({ target, cache }) => target === '/logged?1' && /hit/.test(String(cache)),
    );
    expect(line).toMatchObject({ status: 200, bytesOut: 1 });
    const miss = proxy.log.find(
      ({ target, cache }) => target === '/logged?1' && /uri-miss; stored/.test(String(cache)),
    );
    expect(miss).toBeDefined();
  });
});

test('without a cache nothing is stored, and no field is added', async () => {
  const plain = await RunningProxy.start(config(backend.port, '{ enabled: false }'));
  backend.on('/off', counting({ 'cache-control': 'max-age=60' }));
  await ask(plain.port, '/off');
  const second = await ask(plain.port, '/off');
  expect([second.text, second.headers['cache-status'], second.headers['age']]).toEqual([
    'answer 2',
    undefined,
    undefined,
  ]);
  await plain.stop();
});

test('a trusted proxy that says https and http asks for two responses', async () => {
  const trusting = await RunningProxy.start(
    `${config(backend.port, '{ enabled: true }')}trustedProxies: [127.0.0.1/8]\n`,
  );
  backend.on('/proto', (request, response) => {
    const fields = { 'cache-control': 'max-age=60' };
    answer(String(request.headers['x-forwarded-proto']), fields)(request, response);
  });
  for (const proto of ['https', 'http', 'https', 'http']) {
    const { text } = await ask(trusting.port, '/proto', { headers: { 'x-forwarded-proto': proto } });
    expect(text).toBe(proto);
  }
  expect(backend.asked('/proto')).toHaveLength(2);
  await trusting.stop();
});
