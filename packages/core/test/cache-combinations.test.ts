import { setField } from '@rp/parser';
import { HttpCache } from '@rp/cache';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ok, type BackendSocket } from './support/backend.ts';
import { date, startCached, type Cached } from './support/cached.ts';
import { ask, RawClient, status } from './support/client.ts';
import { get as h2get, H2Client } from './support/h2-client.ts';
import { field } from './support/message.ts';
import { turns } from './support/wait.ts';

const fresh = 'Cache-Control: max-age=60';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

const get = (target: string, ...lines: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n');

/** Value of a field in a flat list. */
const of = (fields: readonly string[], name: string): string | undefined => {
  const at = fields.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name);
  return at < 0 ? undefined : fields[at + 1];
};

/** A backend that answers when the test says so. */
function held(): { script: (request: unknown, connection: BackendSocket) => void; waiting: BackendSocket[] } {
  const waiting: BackendSocket[] = [];
  return { script: (_request, connection) => void waiting.push(connection), waiting };
}

async function client(cached: Cached): Promise<RawClient> {
  const made = await RawClient.connect(cached.proxy.port);
  onTestFinished(() => made.destroy());
  return made;
}

/** So many clients that ask for the same; the first one leads. */
async function crowd(cached: Cached, count: number, request = GET): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let i = 0; i < count; i++) {
    const one = await client(cached);
    one.write(request);
    clients.push(one);
    await cached.backend.received(1);
  }
  await turns();
  return clients;
}

describe('HTTP/2 clients', () => {
  async function both(body: string): Promise<{ cached: Cached; h2: H2Client }> {
    const cached = await startCached((_request, connection) =>
      connection.write(ok(body, fresh, 'ETag: "a"', `Last-Modified: ${date(-3600)}`, `Date: ${date(0)}`)),
    );
    const { port } = await cached.proxy.engine.listen({ address: '127.0.0.1', h2c: true });
    const h2 = await H2Client.connect(port);
    onTestFinished(() => h2.destroy());
    return { cached, h2 };
  }

  it.each([
    ['small', '0123456789'],
    ['large', '0123456789'.repeat(1000)],
  ])('share what HTTP/1.1 clients stored, and the other way (%s)', async (_name, body) => {
    const { cached, h2 } = await both(body);
    const asked = (method: string, path: string, ...fields: string[]): string[] => {
      const request = h2get(method, path, ...fields);
      request[5] = 'a';
      return request;
    };
    await ask(cached.proxy.port, GET);
    cached.at(5);
    const hit = await h2.result(h2.request(asked('GET', '/')));
    expect(hit.body.toString()).toBe(body);
    expect([of(hit.fields, 'age'), of(hit.fields, 'cache-status')]).toEqual(['5', 'rp; hit; ttl=55']);
    expect([of(hit.fields, 'content-length'), of(hit.fields, 'etag')]).toEqual([String(body.length), '"a"']);
    const head = await h2.result(h2.request(asked('HEAD', '/')));
    expect([of(head.fields, 'content-length'), head.body.length]).toEqual([String(body.length), 0]);
    const unchanged = await h2.result(h2.request(asked('GET', '/', 'if-none-match', '"a"')));
    expect([of(unchanged.fields, ':status'), of(unchanged.fields, 'content-length')]).toEqual([
      '304',
      undefined,
    ]);
    const part = await h2.result(h2.request(asked('GET', '/', 'range', 'bytes=2-4')));
    expect([of(part.fields, ':status'), of(part.fields, 'content-range')]).toEqual([
      '206',
      `bytes 2-4/${body.length}`,
    ]);
    expect(part.body.toString()).toBe('234');
    expect(cached.backend.requests).toHaveLength(1);
    const miss = await h2.result(h2.request(asked('GET', '/other')));
    expect(of(miss.fields, 'cache-status')).toBe('rp; fwd=uri-miss; stored');
    expect(field(await ask(cached.proxy.port, get('/other')), 'cache-status')).toBe('rp; hit; ttl=55');
  });

  it('follow one another, and an HTTP/1.1 client', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    const { port } = await cached.proxy.engine.listen({ address: '127.0.0.1', h2c: true });
    const h2 = await H2Client.connect(port);
    onTestFinished(() => h2.destroy());
    const request = h2get();
    request[5] = 'a';
    const [leader] = await crowd(cached, 1);
    const streams = [h2.request(request), h2.request(request)];
    await turns();
    waiting[0]!.write(ok('x'.repeat(10_000), fresh, 'Age: 7'));
    expect((await leader!.response()).body).toHaveLength(10_000);
    for (const stream of streams) {
      const { fields, body } = await h2.result(stream);
      expect(body).toHaveLength(10_000);
      expect([of(fields, 'cache-status'), of(fields, 'age')]).toEqual(['rp; fwd=uri-miss; collapsed', '7']);
    }
    expect(cached.backend.requests).toHaveLength(1);
  });
});

describe('hooks', () => {
  const answering = (_request: unknown, connection: BackendSocket): void =>
    void connection.write(ok('body', fresh, 'Vary: X-Country'));

  it('a field that a handler sets is what Vary sees', async () => {
    const cached = await startCached(answering);
    cached.proxy.engine.hooks.requestParsed.on(({ request }) => {
      setField(request, 'X-Country', request.path.includes('at') ? 'at' : 'ch');
      request.path = '/';
    });
    await ask(cached.proxy.port, get('/at'));
    expect(field(await ask(cached.proxy.port, get('/ch')), 'cache-status')).toBe('rp; fwd=vary-miss; stored');
    expect(field(await ask(cached.proxy.port, get('/at')), 'cache-status')).toBe('rp; hit; ttl=60');
    expect(cached.backend.requests).toHaveLength(2);
  });

  it('a handler of cacheLookup may answer: nothing is looked up or stored', async () => {
    const cached = await startCached(answering);
    cached.proxy.engine.hooks.cacheLookup.on(() => ({ status: 418 }));
    expect(status(await ask(cached.proxy.port, GET))).toBe(418);
    expect([cached.cache.stats.misses, cached.backend.requests.length]).toEqual([0, 0]);
  });

  it('what a handler makes of a response is what is stored', async () => {
    const cached = await startCached((_request, connection) => connection.write(ok('body', fresh)));
    cached.proxy.engine.hooks.responseReceived.on(({ request, response }) => {
      if (request.path === '/') setField(response, 'X-By', 'us');
      else setField(response, 'Cache-Control', 'no-store');
    });
    for (const by of ['rp; fwd=uri-miss; stored', 'rp; hit; ttl=60']) {
      const answer = await ask(cached.proxy.port, GET);
      expect([field(answer, 'cache-status'), field(answer, 'x-by')]).toEqual([by, 'us']);
    }
    for (let i = 0; i < 2; i++) {
      const answer = await ask(cached.proxy.port, get('/other'));
      expect(field(answer, 'cache-status')).toBe('rp; fwd=uri-miss; detail=no-store');
    }
  });

  it('a handler that answers in place of the response of a leader lets the others go on', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    let answers = 1;
    cached.proxy.engine.hooks.responseReceived.on(() => (answers-- > 0 ? { status: 418 } : undefined));
    const clients = await crowd(cached, 3);
    waiting[0]!.write(ok('first', fresh));
    expect(status(await clients[0]!.response())).toBe(418);
    await cached.backend.received(2);
    waiting[1]!.write(ok('second', fresh));
    for (const follower of clients.slice(1)) {
      expect((await follower.response()).body.toString()).toBe('second');
    }
    expect(cached.backend.requests).toHaveLength(2);
  });
});

describe('while a response is being stored', () => {
  const begin = (connection: BackendSocket): void =>
    connection.write(`HTTP/1.1 200 OK\r\n${fresh}\r\nContent-Length: 8\r\n\r\nhalf`);

  it('a purge: those who asked before get it, nobody after', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    const clients = await crowd(cached, 2);
    begin(waiting[0]!);
    await clients[1]!.receives('half');
    cached.cache.purger.url('http', 'a', '/');
    const late = await client(cached);
    late.write(GET);
    await cached.backend.received(2);
    waiting[0]!.write('half');
    for (const one of clients) expect((await one.response()).body.toString()).toBe('halfhalf');
    waiting[1]!.write(ok('new', fresh));
    expect((await late.response()).body.toString()).toBe('new');
    expect((await ask(cached.proxy.port, GET)).body.toString()).toBe('new');
    expect(cached.backend.requests).toHaveLength(2);
  });

  it('an unsafe method: what was asked for before is not stored after (§4.4)', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    const [first] = await crowd(cached, 1);
    begin(waiting[0]!);
    const writer = await client(cached);
    writer.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    await cached.backend.received(2);
    waiting[1]!.write('HTTP/1.1 204 No Content\r\n\r\n');
    expect(status(await writer.response('PUT'))).toBe(204);
    waiting[0]!.write('half');
    expect((await first!.response()).body.toString()).toBe('halfhalf');
    expect(cached.cache.counts().responses).toBe(0);
  });

  it('an unsafe method that fails changes nothing', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    const [first] = await crowd(cached, 1);
    begin(waiting[0]!);
    const writer = await client(cached);
    writer.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    await cached.backend.received(2);
    waiting[1]!.write('HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n');
    await writer.response('PUT');
    waiting[0]!.write('half');
    await first!.response();
    expect(cached.cache.counts().responses).toBe(1);
  });

  it('a reload with another cache: who follows gets all of it, the new cache begins empty', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    const clients = await crowd(cached, 2);
    begin(waiting[0]!);
    await clients[1]!.receives('half');
    const other = new HttpCache();
    cached.proxy.engine.useCache(other);
    waiting[0]!.write('half');
    for (const one of clients) expect((await one.response()).body.toString()).toBe('halfhalf');
    expect(other.counts().responses).toBe(0);
    clients[0]!.write(GET);
    await cached.backend.received(2);
    waiting[1]!.write(ok('new', fresh));
    expect((await clients[0]!.responses(2))[1]!.body.toString()).toBe('new');
    expect(other.counts().responses).toBe(1);
  });

  it('a drain: leader and followers get all of it', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    const clients = await crowd(cached, 3);
    begin(waiting[0]!);
    await clients[2]!.receives('half');
    const drained = cached.proxy.engine.drain(10_000);
    await turns();
    waiting[0]!.write('half');
    for (const one of clients) {
      expect((await one.response()).body.toString()).toBe('halfhalf');
      await one.gone();
      one.half();
    }
    expect(await drained).toBe(0);
  });

  it('a range or a condition of one client goes forward on its own', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    const [leader] = await crowd(cached, 1);
    begin(waiting[0]!);
    await leader!.receives('half');
    const range = await client(cached);
    range.write(get('/', 'Range: bytes=0-1'));
    await cached.backend.received(2);
    waiting[1]!.write('HTTP/1.1 206 X\r\nContent-Range: bytes 0-1/8\r\nContent-Length: 2\r\n\r\nha');
    expect(status(await range.response())).toBe(206);
    waiting[0]!.write('half');
    await leader!.response();
    expect((await ask(cached.proxy.port, get('/', 'Range: bytes=4-'))).body.toString()).toBe('half');
  });

  it('a condition of the first client: its 304 is for it alone', async () => {
    const { script, waiting } = held();
    const cached = await startCached(script);
    const [conditional] = await crowd(cached, 1, get('/', 'If-None-Match: "b"'));
    const plain = await client(cached);
    plain.write(GET);
    await cached.backend.received(2);
    waiting[0]!.write(`HTTP/1.1 304 Not Modified\r\nETag: "b"\r\n${fresh}\r\n\r\n`);
    expect(status(await conditional!.response())).toBe(304);
    waiting[1]!.write(ok('body', fresh));
    expect((await plain.response()).body.toString()).toBe('body');
  });
});
