import http from 'node:http';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startFrameBackend } from './support/frame-backend.ts';
import { connectH2, exchange, listening, startH2Backend, startH2Front } from './support/h2-backend.ts';
import { turns, until } from './support/wait.ts';

const get = { ':path': '/' };

test('a hook that takes its time sees the head before anything of the body reaches the client', async () => {
  const backend = await startFrameBackend(({ type, stream }, session) => {
    if (type !== 'headers') return;
    session.writer.headers(stream, [':status', '200'], false);
    session.data(stream, 'one ', false);
    session.data(stream, 'two', false);
    session.writer.headers(stream, ['x-t', '1'], true);
  });
  const { engine, port } = await startH2Front({ backends: [backend.port] });
  let release: () => void = () => undefined;
  engine.hooks.responseReceived.on(async () => {
    await new Promise<void>((resolve) => (release = resolve));
    return undefined;
  });
  const client = await connectH2(port);
  let answered = false;
  const answer = exchange(client, get).then((got) => {
    answered = true;
    return got;
  });
  await until(() => backend.sessions[0]?.of('headers').length === 1);
  await turns(20);
  expect(answered).toBe(false);
  release();
  const { body, trailers } = await answer;
  expect(body.toString()).toBe('one two');
  expect(trailers['x-t']).toBe('1');
});

test('a backend that does not answer in time: 504, and its stream cancelled', async () => {
  const backend = await startFrameBackend(() => undefined);
  const { port, pools } = await startH2Front({ backends: [backend.port], timeouts: { response: 100 } });
  const client = await connectH2(port);
  expect((await exchange(client, get)).headers[':status']).toBe(504);
  await until(() => backend.sessions[0]!.of('rst').length === 1);
  expect(backend.sessions[0]!.of('rst')[0]!.code).toBe(8);
  // The connection is none the worse for it.
  expect(pools[0]!.stats()).toMatchObject({ idle: 1, streams: 0 });
});

test('a backend that does not greet in time is one that cannot be reached', async () => {
  const mute = net.createServer((socket) => socket.on('error', () => socket.destroy()));
  const port = await listening(mute);
  onTestFinished(() => void mute.close());
  const front = await startH2Front({ backends: [port], pool: { connectTimeout: 100 } });
  expect((await exchange(await connectH2(front.port), get)).headers[':status']).toBe(504);
});

test('a client of HTTP/1.1 that leaves cancels its stream, and no other', async () => {
  const codes: number[] = [];
  const backend = await startH2Backend({});
  backend.server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    stream.on('close', () => codes.push(stream.rstCode));
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/short') stream.end('x');
    else stream.write('x');
  });
  const { port, pools } = await startH2Front({ backends: [backend.port] });
  const leaving = http.get({ port, host: '127.0.0.1', path: '/long', agent: false });
  leaving.on('error', () => undefined);
  await new Promise((resolve) => leaving.once('response', resolve));
  leaving.destroy();
  await until(() => codes.length === 1);
  expect(codes).toEqual([8]);
  const answer = await exchange(await connectH2(port), { ':path': '/short' });
  expect(answer.body.toString()).toBe('x');
  expect(pools[0]!.stats().created).toBe(1);
});

test('windows and places are given back: a thousand requests of every kind leave nothing behind', async () => {
  const backend = await startH2Backend({}, (request, response) => {
    if (request.url === '/reset') return response.stream.close(2);
    if (request.url === '/early') return void response.end('early');
    return void request.pipe(response);
  });
  const { port, pools, engine } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const body = Buffer.alloc(20_000, 7);
  const paths = ['/', '/early', '/reset', '/'];
  for (let round = 0; round < 10; round++) {
    const one = (i: number) => exchange(client, { ':path': paths[i % 4]!, ':method': 'POST' }, body);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => one(i)));
    const whole = answers.filter(({ body: got }) => got.equals(body));
    expect(whole).toHaveLength(50);
  }
  expect(pools[0]!.stats()).toMatchObject({ streams: 0, waiting: 0, created: 1 });
  expect(engine.counters.read('requestsNow')).toBe(0);
});
