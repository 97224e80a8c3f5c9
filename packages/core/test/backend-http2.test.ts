import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { expect, test } from 'vitest';
import { RawClient } from './support/client.ts';
import { connectH2, exchange, startH2Backend, startH2Front } from './support/h2-backend.ts';
import { until } from './support/wait.ts';

const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('a request of HTTP/1.1 becomes a stream, with pseudo-fields, and what the proxy adds', async () => {
  let seen: Record<string, unknown> = {};
  const backend = await startH2Backend({}, (request, response) => {
    seen = { ...request.headers };
    response.setHeader('X-Answer', 'yes');
    response.end('hello');
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const answer = await new Promise<{ status: number; body: string; headers: http.IncomingHttpHeaders }>(
    (resolve) => {
      const headers = {
        Host: 'app.example',
        Cookie: 'a=1; b=2',
        'X-Hop': '1',
        Connection: 'close, x-hop',
        'X-Kept': 'Ä',
      };
      http.get({ port, host: '127.0.0.1', path: '/p?q=1', headers, agent: false }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode!, body, headers: response.headers }));
      });
    },
  );
  expect(answer.status).toBe(200);
  expect(answer.body).toBe('hello');
  expect(answer.headers['x-answer']).toBe('yes');
  expect(answer.headers.via).toBe('2.0 rp');
  expect(seen).toMatchObject({
    ':method': 'GET',
    ':scheme': 'http',
    ':authority': 'app.example',
    ':path': '/p?q=1',
    cookie: 'a=1; b=2',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'app.example',
    via: '1.1 rp',
  });
  expect(seen['x-request-id']).toBeTypeOf('string');
  for (const name of ['host', 'connection', 'x-hop', 'te', 'transfer-encoding'])
    expect(seen).not.toHaveProperty(name);
});

test('large bodies pass both ways under flow control, whole', async () => {
  const backend = await startH2Backend({}, (request, response) => void request.pipe(response));
  const { port } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const bodies = Array.from({ length: 4 }, () => randomBytes(1_500_000));
  const answers = await Promise.all(
    bodies.map((body) => exchange(client, { ':method': 'POST', ':path': '/' }, body)),
  );
  expect(answers.map(({ headers, code }) => [headers[':status'], code])).toEqual(bodies.map(() => [200, 0]));
  expect(answers.map(({ body }) => hash(body))).toEqual(bodies.map(hash));
  expect(backend.sessions).toHaveLength(1);
});

test('trailers reach the backend and the client, also where the body is empty', async () => {
  let asked: unknown;
  const backend = await startH2Backend({});
  backend.server.on('stream', (stream, headers) => {
    asked = headers.te;
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'ok' }));
    stream.end();
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const answer = await exchange(client, { ':path': '/', te: 'trailers' });
  expect(answer.body).toHaveLength(0);
  expect(answer.trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': 'ok' });
  expect(asked).toBe('trailers');
});

test('a stream that the client resets is cancelled at the backend', async () => {
  let code: number | undefined;
  const backend = await startH2Backend({});
  backend.server.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('first');
    stream.on('error', () => undefined);
    stream.on('close', () => (code = stream.rstCode));
  });
  const { port, pools } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const stream = client.request({ ':path': '/' });
  stream.on('error', () => undefined);
  await new Promise((resolve) => stream.once('data', resolve));
  stream.close(8);
  await until(() => code !== undefined);
  expect(code).toBe(8);
  expect(pools[0]!.stats().streams).toBe(0);
});

test('a client that waits for a 100 gets the one of the backend, and its body passes', async () => {
  const backend = await startH2Backend({}, (request, response) => void request.pipe(response));
  const { port } = await startH2Front({ backends: [backend.port] });
  const client = await RawClient.connect(port);
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n');
  await client.receives('HTTP/1.1 100 ');
  client.write('body');
  await client.receives('HTTP/1.1 200 ');
  await client.receives('body');
  client.destroy();
});

test('bytes are counted both ways', async () => {
  const backend = await startH2Backend({}, (request, response) => void request.pipe(response));
  const { port, engine } = await startH2Front({ backends: [backend.port] });
  await exchange(await connectH2(port), { ':path': '/', ':method': 'POST' }, Buffer.alloc(50_000));
  expect(engine.counters.read('bytesToBackends')).toBeGreaterThan(50_050);
  expect(engine.counters.read('bytesFromBackends')).toBeGreaterThan(50_050);
});

test('clients of HTTP/1.1 that read side by side from one connection each get their own bytes', async () => {
  const bodies = Array.from({ length: 8 }, (_, i) => randomBytes(700_000 + i * 1_111));
  const backend = await startH2Backend({}, (request, response) => {
    const body = bodies[Number(request.url.slice(1))]!;
    if (body.length % 2 === 0) response.setHeader('content-length', body.length);
    response.end(body);
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const download = (at: number): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const request = http.get({ port, host: '127.0.0.1', path: `/${at}`, agent: false }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (chunk: Buffer) => {
          parts.push(chunk);
          // Some are slower than others.
          if (at % 3 !== 0) return;
          response.pause();
          setImmediate(() => response.resume());
        });
        response.on('end', () => resolve(Buffer.concat(parts)));
      });
      request.on('error', reject);
    });
  for (let round = 0; round < 3; round++) {
    const got = await Promise.all(bodies.map((_, at) => download(at)));
    expect(got.map(hash)).toEqual(bodies.map(hash));
  }
  expect(backend.sessions).toHaveLength(1);
});
