import http2, { type ServerHttp2Stream } from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { Authority } from './support/certificates.ts';
import {
  connectH2,
  exchange,
  listening,
  startH2Backend,
  startH2Front,
  type H2Answer,
} from './support/h2-backend.ts';
import { turns, until } from './support/wait.ts';

const authority = new Authority();
afterAll(() => authority.remove());

const status = ({ headers }: H2Answer): number | undefined => headers[':status'];
const get = { ':path': '/' };

test('over TLS the backend must choose h2 by ALPN, and have a certificate that verifies', async () => {
  const pair = authority.issue(['localhost']);
  const good = await startH2Backend({ tls: pair }, (_request, response) => response.end('secure'));
  const front = await startH2Front({
    backends: [good.port],
    protocol: 'h2',
    tls: { ca: authority.cert, serverName: 'localhost' },
  });
  const answer = await exchange(await connectH2(front.port), get);
  expect(answer.body.toString()).toBe('secure');
  const strict = await startH2Front({
    backends: [good.port],
    protocol: 'h2',
    tls: { serverName: 'localhost' },
  });
  expect(status(await exchange(await connectH2(strict.port), get))).toBe(502);
  const old = tls.createServer(pair, (socket) => socket.on('error', () => socket.destroy()));
  const port = await listening(old);
  onTestFinished(() => void old.close());
  const other = await startH2Front({
    backends: [port],
    protocol: 'h2',
    tls: { ca: authority.cert, serverName: 'localhost' },
  });
  expect(status(await exchange(await connectH2(other.port), get))).toBe(502);
});

test('a peer that does not speak HTTP/2 is told nothing of the request', async () => {
  let got = '';
  const server = net.createServer((socket) => {
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    socket.on('error', () => socket.destroy());
  });
  const port = await listening(server);
  onTestFinished(() => void server.close());
  const front = await startH2Front({ backends: [port] });
  const client = await connectH2(front.port);
  expect(status(await exchange(client, { ':path': '/secret' }))).toBe(502);
  expect(got.startsWith('PRI * HTTP/2.0')).toBe(true);
  expect(got).not.toContain('secret');
  // The next one does not even try: a connect has just failed.
  expect(status(await exchange(client, get))).toBe(502);
  expect(front.pools[0]!.stats()).toMatchObject({ failed: 1, refused: 1, backingOff: true });
});

test('streams wait for a place where the backend takes only so many', async () => {
  let now = 0;
  let most = 0;
  const backend = await startH2Backend({ settings: { maxConcurrentStreams: 3 } }, (_request, response) => {
    most = Math.max(most, ++now);
    setImmediate(() => {
      now--;
      response.end('done');
    });
  });
  const { port, pools } = await startH2Front({ backends: [backend.port], pool: { maxConnections: 1 } });
  const client = await connectH2(port);
  const answers = await Promise.all(Array.from({ length: 40 }, () => exchange(client, get)));
  expect(answers.every((one) => status(one) === 200)).toBe(true);
  expect(most).toBeLessThanOrEqual(3);
  expect(backend.sessions).toHaveLength(1);
  expect(pools[0]!.stats()).toMatchObject({ created: 1, acquired: 40, waiting: 0, streams: 0 });
});

test('another connection is made where all are full, up to the limit', async () => {
  const held: ServerHttp2Stream[] = [];
  const backend = await startH2Backend({ settings: { maxConcurrentStreams: 2 } });
  backend.server.on('stream', (stream) => held.push(stream));
  const { port, pools } = await startH2Front({ backends: [backend.port], pool: { maxConnections: 2 } });
  const client = await connectH2(port);
  const answers = [];
  for (let i = 0; i < 5; i++) {
    answers.push(exchange(client, get));
    await until(() => held.length === Math.min(i + 1, 4));
  }
  await until(() => pools[0]!.stats().waiting === 1);
  expect(backend.sessions).toHaveLength(2);
  const answer = (stream: ServerHttp2Stream): void => {
    stream.respond({ ':status': 204 }, { endStream: true });
  };
  for (const stream of held.splice(0)) answer(stream);
  await until(() => held.length === 1);
  answer(held[0]!);
  expect((await Promise.all(answers)).map(status)).toEqual([204, 204, 204, 204, 204]);
});

test('a request that waits too long for a place is refused', async () => {
  const backend = await startH2Backend({ settings: { maxConcurrentStreams: 1 } });
  backend.server.on('stream', () => undefined);
  const { port, pools } = await startH2Front({
    backends: [backend.port],
    pool: { maxConnections: 1, queueTimeout: 50 },
  });
  const client = await connectH2(port);
  const first = client.request(get);
  first.on('error', () => undefined);
  await until(() => pools[0]?.stats().streams === 1);
  expect(status(await exchange(client, get))).toBe(503);
  expect(pools[0]!.stats().timedOut).toBe(1);
});

test('REFUSED_STREAM: the request goes to another backend', async () => {
  const refusing = await startH2Backend({});
  refusing.server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
  });
  const good = await startH2Backend({}, (_request, response) => response.end('good'));
  const { port, engine } = await startH2Front({ backends: [refusing.port, good.port] });
  const client = await connectH2(port);
  for (let i = 0; i < 4; i++) {
    const answer = await exchange(client, { ':path': '/', ':method': 'DELETE' });
    expect(answer.body.toString()).toBe('good');
  }
  expect(engine.counters.read('retries')).toBeGreaterThan(0);
});

test('GOAWAY: what is under way ends in peace, what comes next goes over another connection', async () => {
  const held: ServerHttp2Stream[] = [];
  const backend = await startH2Backend({});
  backend.server.on('stream', (stream) => held.push(stream));
  const { port, pools } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const first = exchange(client, get);
  await until(() => held.length === 1);
  backend.sessions[0]!.goaway(0, held[0]!.id!);
  await until(() => pools[0]!.stats().active === 1 && pools[0]!.size === 1);
  await turns();
  const second = exchange(client, get);
  await until(() => held.length === 2);
  expect(backend.sessions).toHaveLength(2);
  for (const stream of held) {
    stream.respond({ ':status': 200 });
    stream.end('whole');
  }
  expect((await first).body.toString()).toBe('whole');
  expect((await second).body.toString()).toBe('whole');
  await until(() => pools[0]!.size === 1);
});

test('GOAWAY: a request that the backend did not look at goes to it again, whatever its method', async () => {
  const held: ServerHttp2Stream[] = [];
  const backend = await startH2Backend({});
  backend.server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    held.push(stream);
    // The second one was not looked at, it says.
    if (held.length === 2) backend.sessions[0]!.goaway(0, 1);
    if (held.length === 3)
      for (const one of [held[0]!, held[2]!]) one.respond({ ':status': 200 }, { endStream: true });
  });
  const { port, engine } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const post = { ':path': '/', ':method': 'POST' };
  const answers = await Promise.all([exchange(client, post), exchange(client, post)]);
  expect(answers.map(status)).toEqual([200, 200]);
  expect(backend.sessions).toHaveLength(2);
  expect(engine.counters.read('replays')).toBe(1);
});

test('a session that is lost: idempotent requests are repeated, others answered with 502, begun ones cut', async () => {
  let lost = false;
  const backend = await startH2Backend({});
  backend.server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    if (lost) return stream.respond({ ':status': 200 }, { endStream: true });
    if (headers[':path'] === '/begun') {
      stream.respond({ ':status': 200 });
      stream.write('part');
    }
    return undefined;
  });
  const { port, pools } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const begun = exchange(client, { ':path': '/begun' });
  await until(() => pools[0]?.stats().streams === 1);
  const got = exchange(client, get);
  const posted = exchange(client, { ':path': '/', ':method': 'POST' });
  await until(() => pools[0]!.stats().streams === 3);
  await turns(10);
  lost = true;
  backend.sockets[0]!.destroy();
  expect(status(await got)).toBe(200);
  expect(status(await posted)).toBe(502);
  const cut = await begun;
  expect(cut.body.toString()).toBe('part');
  expect(cut.code).not.toBe(0);
});

test('an idle connection is closed after its time', async () => {
  const backend = await startH2Backend({}, (_request, response) => response.end('x'));
  const { port, pools } = await startH2Front({ backends: [backend.port], pool: { idleTimeout: 1 } });
  await exchange(await connectH2(port), get);
  await until(() => pools[0]!.size === 0);
  expect(pools[0]!.stats().evicted).toBe(1);
});

test('drain: streams under way end, then their connection', async () => {
  const held: ServerHttp2Stream[] = [];
  const backend = await startH2Backend({});
  backend.server.on('stream', (stream) => held.push(stream));
  const { port, pools, engine } = await startH2Front({ backends: [backend.port] });
  const answer = exchange(await connectH2(port), get);
  await until(() => held.length === 1);
  engine.dismiss(pools[0]!);
  expect(pools[0]!.size).toBe(1);
  held[0]!.respond({ ':status': 200 });
  held[0]!.end('in peace');
  expect((await answer).body.toString()).toBe('in peace');
  await until(() => pools[0]!.size === 0);
});

test('while a lost connection is replaced, others stay in use; a drained pool closes when nobody needs it', async () => {
  const held: ServerHttp2Stream[] = [];
  const backend = await startH2Backend({ settings: { maxConcurrentStreams: 2 } });
  backend.server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    if (headers[':path'] === '/now') stream.respond({ ':status': 204 }, { endStream: true });
    else held.push(stream);
  });
  const { port, pools, engine } = await startH2Front({
    backends: [backend.port],
    pool: { maxConnections: 2 },
  });
  const client = await connectH2(port);
  const now = { ':path': '/now' };
  expect(status(await exchange(client, now))).toBe(204);
  // Two fill the connection that is there, the third gets one of its own.
  const answers = [1, 2, 3].map(() => exchange(client, get));
  await until(() => held.length === 3);
  expect(backend.sessions).toHaveLength(2);
  backend.sockets[0]!.destroy();
  expect(status(await exchange(client, now))).toBe(204);
  await until(() => held.length === 5);
  expect(backend.sessions).toHaveLength(3);
  engine.dismiss(pools[0]!);
  expect(pools[0]!.size).toBe(2);
  for (const stream of held) {
    if (!stream.destroyed) stream.respond({ ':status': 204 }, { endStream: true });
  }
  expect((await Promise.all(answers)).map(status)).toEqual([204, 204, 204]);
  await until(() => pools[0]!.size === 0);
});
