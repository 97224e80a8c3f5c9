import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CacheBackend, answer, counting } from './support/cache-backend.ts';
import { RawClient, ask, type Answer } from './support/cache-client.ts';
import { RunningProxy } from './support/running-proxy.ts';
import { still, until } from './support/until.ts';

const FRESH = { 'cache-control': 'max-age=60' };

let backend: CacheBackend;
let proxy: RunningProxy;
const get = (path: string, headers = {}) => ask(proxy.port, path, { headers });

/** Asks for `path` so many times at once; resolves when the first has reached the backend. */
async function crowd(path: string, size: number): Promise<Promise<Answer>[]> {
  const asked: Promise<Answer>[] = [get(path)];
  await until(() => backend.asked(path).length > 0, `a request for ${path}`);
  for (let i = 1; i < size; i++) asked.push(get(path));
  return asked;
}

/** A response that the test writes itself. */
function scripted(path: string): { responses: ServerResponse[] } {
  const responses: ServerResponse[] = [];
  backend.on(path, (_request, response) => void responses.push(response));
  return { responses };
}

/** The proxy has this many requests under way. */
const underWay = async (count: number): Promise<void> => {
  await until(async () => (await proxy.stats()).requests.active === count, `${count} requests under way`);
};

/** Clients of the proxy left while something happens. */
async function leaving(count: number, act: () => void): Promise<void> {
  const { clientAborts } = (await proxy.stats()).requests;
  act();
  await until(
    async () => (await proxy.stats()).requests.clientAborts === clientAborts + count,
    `${count} clients to have left`,
  );
}

beforeAll(async () => {
  backend = await CacheBackend.start();
  proxy = await RunningProxy.start(`
listeners: [{ address: 127.0.0.1, port: 0 }]
workers: 1
upstreams: { app: { backends: [{ url: "http://127.0.0.1:${backend.port}" }] } }
cache: { enabled: true, maxSize: 64MB, maxEntrySize: 8MB }
log: { level: info, access: { enabled: true, format: json } }
admin: { address: 127.0.0.1, port: 0 }
`);
});

afterAll(async () => {
  await proxy.stop();
  await backend.close();
});

describe('simultaneous misses', () => {
  test('1,000 of them become one backend request, and everybody gets all of it', async () => {
    const body = Buffer.alloc(100_000, 'abcdefghij');
    const { responses } = scripted('/thousand');
    const asked = await crowd('/thousand', 1_000);
    const response = responses[0]!;
    response.writeHead(200, FRESH);
    response.write(body.subarray(0, 40_000));
    await underWay(1_000);
    response.end(body.subarray(40_000));
    const answers = await Promise.all(asked);
    expect(answers.filter(({ status, cut }) => status !== 200 || cut)).toEqual([]);
    expect(answers.every((one) => one.body.equals(body))).toBe(true);
    expect(backend.asked('/thousand')).toHaveLength(1);
    const words = answers.map(({ cache }) => cache.replace(/ttl=\d+/, 'ttl'));
    expect(words.filter((word) => word === 'rp; fwd=uri-miss; stored')).toHaveLength(1);
    // Who comes when all is there already finds it stored.
    expect(words.filter((word) => /collapsed$|; hit/.test(word))).toHaveLength(999);
    expect(words.filter((word) => word.endsWith('collapsed')).length).toBeGreaterThan(100);
  });

  test('of a 204 are answered without a body or framing', async () => {
    const { responses } = scripted('/nothing');
    const client = await RawClient.connect(proxy.port);
    const asked = await crowd('/nothing', 2);
    client.write(`GET /nothing HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
    await underWay(3);
    responses[0]!.writeHead(204, FRESH).end();
    for (const one of await Promise.all(asked)) expect(one.status).toBe(204);
    const text = await client.receives('\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 204/);
    expect(text).not.toMatch(/transfer-encoding|content-length/i);
    client.destroy();
  });

  test('of a response that may not be shared go on their own, some at a time', async () => {
    let most = 0;
    let now = 0;
    let count = 0;
    const waiting: (() => void)[] = [];
    backend.on('/mine', (request, response) => {
      most = Math.max(most, ++now);
      const reply = (): void => {
        now--;
        answer(`for ${++count}`, { 'cache-control': 'private' })(request, response);
      };
      if (count === 0 && waiting.length === 0) waiting.push(reply);
      else setTimeout(reply, 5);
    });
    const asked = await crowd('/mine', 200);
    await underWay(200);
    expect(backend.asked('/mine')).toHaveLength(1);
    waiting[0]!();
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(200);
    expect(most).toBeLessThanOrEqual(17);
  });

  test('follow the variant that they ask for', async () => {
    const { responses } = scripted('/variants');
    const languages = ['de', 'de', 'fr', 'fr', 'fr', 'en'];
    const first = get('/variants', { 'accept-language': 'de' });
    await until(() => responses.length === 1, 'the first request');
    const asked = languages.map((language) => get('/variants', { 'accept-language': language }));
    await underWay(7);
    const reply = (response: ServerResponse): void => {
      const language = String(response.req.headers['accept-language']);
      answer(language, { ...FRESH, vary: 'Accept-Language' })(response.req, response);
    };
    reply(responses[0]!);
    await until(() => responses.length === 3, 'one request per variant');
    responses.slice(1).forEach(reply);
    expect((await first).text).toBe('de');
    expect((await Promise.all(asked)).map(({ text }) => text)).toEqual(languages);
    expect(responses).toHaveLength(3);
  });
});

describe('when the leader fails', () => {
  test('its client killed in mid-body: the others get all of it, from the one backend request', async () => {
    const { responses } = scripted('/leader-left');
    const leader = await RawClient.connect(proxy.port);
    leader.write(`GET /leader-left HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
    await until(() => responses.length === 1, 'the leader');
    const asked = Array.from({ length: 20 }, () => get('/leader-left'));
    const response = responses[0]!;
    response.writeHead(200, FRESH).write('first ');
    await leader.receives('first');
    await underWay(21);
    await leaving(1, () => leader.destroy());
    response.end('second');
    for (const one of await Promise.all(asked)) expect([one.text, one.cut]).toEqual(['first second', false]);
    expect((await get('/leader-left')).cache).toMatch(/hit/);
    expect(responses).toHaveLength(1);
  });

  test('its client killed before the head: the same', async () => {
    const { responses } = scripted('/leader-early');
    const leader = await RawClient.connect(proxy.port);
    leader.write(`GET /leader-early HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
    await until(() => responses.length === 1, 'the leader');
    const asked = Array.from({ length: 5 }, () => get('/leader-early'));
    await underWay(6);
    await leaving(1, () => leader.destroy());
    responses[0]!.writeHead(200, FRESH).end('all');
    for (const one of await Promise.all(asked)) expect(one.text).toBe('all');
    expect(responses).toHaveLength(1);
  });

  test('all clients gone: the backend request is cancelled within a second', async () => {
    const { responses } = scripted('/deserted');
    const clients: RawClient[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await RawClient.connect(proxy.port);
      client.write(`GET /deserted HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
      await until(() => responses.length === 1, 'the leader');
      clients.push(client);
    }
    responses[0]!.writeHead(200, FRESH).write('first');
    for (const client of clients) await client.receives('first');
    await leaving(1, () => clients[0]!.destroy());
    expect(responses[0]!.destroyed).toBe(false);
    clients[1]!.destroy();
    clients[2]!.destroy();
    await until(() => responses[0]!.destroyed, 'the end of the backend request', 1_000);
  });

  test('its client gone, and the response not to be shared: it is not fetched for nobody', async () => {
    const { responses } = scripted('/unwanted');
    const leader = await RawClient.connect(proxy.port);
    leader.write(`GET /unwanted HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
    await until(() => responses.length === 1, 'the leader');
    const follower = get('/unwanted');
    await underWay(2);
    await leaving(1, () => leader.destroy());
    responses[0]!.writeHead(200, { 'cache-control': 'private' }).write('for the leader');
    await until(() => responses.length === 2, 'a request of the follower’s own');
    await until(() => responses[0]!.destroyed, 'the end of the first');
    responses[1]!.writeHead(200, { 'cache-control': 'private' }).end('for the follower');
    expect((await follower).text).toBe('for the follower');
  });

  test('its backend killed in mid-body: the others are cut, nothing is stored, the backend sees few requests', async () => {
    const { responses } = scripted('/backend-killed');
    const asked = await crowd('/backend-killed', 50);
    responses[0]!.writeHead(200, { ...FRESH, 'content-length': 100 }).write('part');
    await underWay(50);
    responses[0]!.socket!.resetAndDestroy();
    const answers = await Promise.all(asked);
    expect(answers.filter(({ cut, text }) => cut && text === 'part')).toHaveLength(50);
    backend.on('/backend-killed', answer('whole', FRESH));
    expect((await get('/backend-killed')).text).toBe('whole');
    expect(backend.asked('/backend-killed')).toHaveLength(2);
  });

  test('its backend killed before the head: the next in line asks; after three failures all get 502', async () => {
    const { responses } = scripted('/backend-refuses');
    const asked = await crowd('/backend-refuses', 50);
    await underWay(50);
    let answered = false;
    const all = Promise.all(asked).finally(() => (answered = true));
    await until(() => {
      for (const response of responses.splice(0)) response.socket?.resetAndDestroy();
      return answered;
    }, 'all answers');
    const answers = await all;
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([502]));
    expect(answers.every(({ cache }) => cache.startsWith('rp; fwd=uri-miss'))).toBe(true);
    expect(backend.asked('/backend-refuses').length).toBeLessThanOrEqual(6);
  });
});

describe('slow readers', () => {
  const LARGE = Buffer.alloc(6 * 1024 * 1024, 'z');

  test('a slow follower holds up neither leader nor others', async () => {
    const { responses } = scripted('/slow-follower');
    const asked = await crowd('/slow-follower', 2);
    const slow = await RawClient.connect(proxy.port);
    slow.socket.pause();
    slow.write(`GET /slow-follower HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
    await underWay(3);
    responses[0]!.writeHead(200, FRESH).end(LARGE);
    for (const one of await Promise.all(asked)) expect(one.body.length).toBe(LARGE.length);
    expect((await get('/slow-follower')).cache).toMatch(/hit/);
    slow.socket.resume();
    await until(() => slow.received >= LARGE.length, 'the slow one to have all');
    slow.destroy();
    expect(responses).toHaveLength(1);
  });

  test('a slow leader holds up nobody who reads along, even if it came first', async () => {
    const { responses } = scripted('/slow-leader');
    const slow = await RawClient.connect(proxy.port);
    slow.socket.pause();
    slow.write(`GET /slow-leader HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
    await until(() => responses.length === 1, 'the leader');
    responses[0]!.writeHead(200, FRESH).end(LARGE);
    // The backend is paused in the end: what is on the way fills the buffers of the sockets.
    await still(async () => (await proxy.stats()).bytes.fromBackends, 'the backend to be paused');
    const follower = await get('/slow-leader');
    expect([follower.body.length, follower.cache]).toEqual([LARGE.length, 'rp; fwd=uri-miss; collapsed']);
    slow.socket.resume();
    await until(() => slow.received >= LARGE.length, 'the slow one to have all');
    slow.destroy();
    expect(responses).toHaveLength(1);
  });

  test('a response that grows too large to be kept reaches leader and followers whole', async () => {
    const { responses } = scripted('/too-large');
    const asked = await crowd('/too-large', 3);
    await underWay(3);
    const response = responses[0]!;
    response.writeHead(200, FRESH);
    const piece = Buffer.alloc(1024 * 1024, 'y');
    for (let i = 0; i < 24; i++) {
      if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve));
    }
    response.end();
    for (const one of await Promise.all(asked))
      expect([one.body.length, one.cut]).toEqual([24 * piece.length, false]);
    expect(responses).toHaveLength(1);
    const again = get('/too-large');
    await until(() => responses.length === 2, 'another request: it is not stored');
    responses[1]!.writeHead(200, FRESH).end('small');
    expect((await again).text).toBe('small');
  }, 30_000);
});

test('an HTTP/1.0 client that reads along gets a close-delimited body, and a reset if it is cut', async () => {
  const { responses } = scripted('/old-follower');
  const asked = await crowd('/old-follower', 1);
  const old = await RawClient.connect(proxy.port);
  let code = '';
  old.socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? ''));
  old.write(`GET /old-follower HTTP/1.0\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
  await underWay(2);
  responses[0]!.writeHead(200, FRESH).write('part');
  const text = await old.receives('part');
  expect(text).toMatch(/Connection: close\r\n/);
  expect(text).not.toMatch(/chunked/i);
  responses[0]!.socket!.resetAndDestroy();
  await until(() => old.ended, 'the end');
  expect(code).toBe('ECONNRESET');
  expect((await asked[0]!).cut).toBe(true);
});

test('one who reads along and pipelines gets the next response after this one', async () => {
  const { responses } = scripted('/piped');
  backend.on('/piped-next', counting(FRESH));
  const asked = await crowd('/piped', 1);
  const client = await RawClient.connect(proxy.port);
  const host = `Host: 127.0.0.1:${proxy.port}\r\n\r\n`;
  client.write(
    `GET /piped HTTP/1.1\r\n${host}GET /piped-next HTTP/1.1\r\n${host}GET /piped HTTP/1.1\r\n${host}`,
  );
  await underWay(2);
  responses[0]!.writeHead(200, FRESH).end('piped body');
  const text = await client.receives('piped body', 2);
  expect(text.indexOf('answer 1')).toBeGreaterThan(text.indexOf('piped body'));
  expect(text.indexOf('answer 1')).toBeLessThan(text.lastIndexOf('piped body'));
  expect((await asked[0]!).text).toBe('piped body');
  client.destroy();
});
