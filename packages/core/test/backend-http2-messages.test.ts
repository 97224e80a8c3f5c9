import { SettingId } from '@rp/parser';
import http from 'node:http';
import type { IncomingHttpHeaders } from 'node:http2';
import { expect, test } from 'vitest';
import { RawClient, status } from './support/client.ts';
import { startFrameBackend, type BackendFrame, type FrameSession } from './support/frame-backend.ts';
import { connectH2, exchange, startH2Front, type H2Answer } from './support/h2-backend.ts';
import { turns, until } from './support/wait.ts';

type Script = (session: FrameSession, stream: number, head: BackendFrame) => void;

/** A backend that plays `script` for each request, and what a client of HTTP/2 gets. */
async function play(
  script: Script,
  headers: Record<string, string> = {},
): Promise<H2Answer & { backend: FrameSession }> {
  const backend = await startFrameBackend((frame, session) => {
    if (frame.type === 'headers' && frame.fields[0] === ':method') script(session, frame.stream, frame);
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const answer = await exchange(await connectH2(port), { ':path': '/', ...headers });
  await turns();
  return { ...answer, backend: backend.sessions[0]! };
}

const malformed: readonly (readonly [string, Script])[] = [
  ['no :status', ({ writer }, id) => writer.headers(id, ['x', 'y'], true)],
  [
    'a connection-specific field',
    ({ writer }, id) => writer.headers(id, [':status', '200', 'connection', 'close'], true),
  ],
  ['a repeated :status', ({ writer }, id) => writer.headers(id, [':status', '200', ':status', '200'], true)],
  ['status 101', ({ writer }, id) => writer.headers(id, [':status', '101'], false)],
  ['a 103 that ends the stream', ({ writer }, id) => writer.headers(id, [':status', '103'], true)],
  ['DATA before the head', (session, id) => session.data(id, 'x', true)],
  [
    'a content-length without content',
    ({ writer }, id) => writer.headers(id, [':status', '200', 'content-length', '5'], true),
  ],
  [
    'two lengths',
    ({ writer }, id) =>
      writer.headers(id, [':status', '200', 'content-length', '5', 'content-length', '6'], false),
  ],
  [
    'twenty interim responses',
    ({ writer }, id) => {
      for (let i = 0; i < 20; i++) writer.headers(id, [':status', '103'], false);
    },
  ],
  [
    'more DATA than content-length',
    (session, id) => {
      session.writer.headers(id, [':status', '200', 'content-length', '2'], false);
      session.data(id, 'three', true);
    },
  ],
];

test.each(malformed)(
  'a malformed response is answered with 502, and its stream reset: %s',
  async (_name, script) => {
    const { headers, backend } = await play(script);
    expect(headers[':status']).toBe(502);
    expect(backend.of('rst').map(({ code }) => code)).toEqual([1]);
  },
);

const cut: readonly (readonly [string, Script])[] = [
  [
    'DATA shorter than content-length',
    (session, id) => setTimeout(() => session.data(id, 'par', true), 5).unref(),
  ],
  ['a second head', ({ writer }, id) => writer.headers(id, [':status', '200'], false)],
  ['a pseudo-field in the trailers', ({ writer }, id) => writer.headers(id, [':status', '200'], true)],
  ['a reset', ({ writer }, id) => writer.rstStream(id, 2)],
  ['a reset without an error, but short of its length', ({ writer }, id) => writer.rstStream(id, 0)],
];

test.each(cut)('a response that goes wrong after its first bytes is cut: %s', async (_name, script) => {
  const { headers, code } = await play((session, id, head) => {
    session.writer.headers(id, [':status', '200', 'content-length', '10'], false);
    session.data(id, 'begun', false);
    session.flush();
    setTimeout(() => {
      script(session, id, head);
      session.flush();
      setTimeout(() => session.flush(), 10);
    }, 5);
  });
  expect(headers[':status']).toBe(200);
  expect(code).not.toBe(0);
});

test.each(['BREW', 'get', 'VERSION-CONTROL', 'DESCRIBE', "!#$%&'*+-.^_`|~"])(
  'a method of a client of HTTP/1 that nobody knows: %s',
  async (method) => {
    const backend = await startFrameBackend(({ stream, end }, { writer }) => {
      if (end) writer.headers(stream, [':status', '204'], true);
    });
    const { port } = await startH2Front({ backends: [backend.port] });
    const client = await RawClient.connect(port);
    client.write(
      `${method} /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc${method} /b HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    expect((await client.responses(2)).map(status)).toEqual([204, 204]);
    const [session] = backend.sessions;
    expect(session!.of('headers').map(({ fields, end }) => [fields[1], end])).toEqual([
      [method, false],
      [method, true],
    ]);
    expect(
      session!
        .of('data')
        .map(({ bytes }) => bytes.toString())
        .join(''),
    ).toBe('abc');
    client.destroy();
  },
);

test('interim responses and a response without a body reach the client', async () => {
  const backend = await startFrameBackend(({ type, stream }, { writer }) => {
    if (type !== 'headers') return;
    writer.headers(stream, [':status', '103', 'link', '</a.css>'], false);
    writer.headers(stream, [':status', '304', 'content-length', '500', 'etag', '"x"'], true);
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const stream = client.request({ ':path': '/' });
  const interim: IncomingHttpHeaders[] = [];
  stream.on('headers', (fields) => interim.push(fields));
  const head = await new Promise<IncomingHttpHeaders>((resolve) => stream.once('response', resolve));
  expect(interim.map(({ link }) => link)).toEqual(['</a.css>']);
  expect(head).toMatchObject({ ':status': 304, 'content-length': '500', etag: '"x"' });
});

test.each([
  ['a length, and no word of trailers', ['content-length', '4']],
  ['a length, and the names of trailers', ['content-length', '4', 'trailer', 'x-sum']],
  ['no length', []],
  ['a length of 0', ['content-length', '0']],
])('trailers reach clients of HTTP/2 after %s', async (_name, fields) => {
  const { headers, body, trailers, code } = await play((session, id) => {
    session.writer.headers(id, [':status', '200', ...fields], false);
    if (fields[1] !== '0') session.data(id, 'body', false);
    session.writer.headers(id, ['x-sum', '7'], true);
  });
  expect(headers[':status']).toBe(200);
  expect(body.toString()).toBe(fields[1] === '0' ? '' : 'body');
  expect(trailers['x-sum']).toBe('7');
  expect(code).toBe(0);
});

test('trailers become those of chunked coding for HTTP/1.1', async () => {
  const backend = await startFrameBackend(({ type, stream }, session) => {
    if (type !== 'headers') return;
    session.writer.headers(stream, [':status', '200', 'trailer', 'x-sum'], false);
    session.data(stream, 'body', false);
    session.writer.headers(stream, ['x-sum', '7', 'content-length', '9'], true);
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const response = await new Promise<http.IncomingMessage>((resolve) => {
    http.get({ port, host: '127.0.0.1', agent: false }, (got) =>
      got.resume().once('end', () => resolve(got)),
    );
  });
  expect(response.trailers).toEqual({ 'x-sum': '7' });
});

test('trailers of a request reach the backend', async () => {
  const backend = await startFrameBackend(({ end, stream }, { writer }) => {
    if (end) writer.headers(stream, [':status', '204'], true);
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const client = await RawClient.connect(port);
  client.write(
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
  );
  await until(() => backend.sessions[0]?.of('headers').length === 2);
  const [head, trailers] = backend.sessions[0]!.of('headers');
  expect(head!.fields).toContain('te');
  expect(trailers).toMatchObject({ fields: ['x-t', '1'], end: true });
  client.destroy();
});

test('an answer before the end of the request ends both: the backend is told to forget the rest', async () => {
  const backend = await startFrameBackend(({ type, stream }, { writer }) => {
    if (type === 'headers') writer.headers(stream, [':status', '413'], true);
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const stream = client.request({ ':path': '/', ':method': 'POST' });
  stream.on('error', () => undefined);
  stream.write('part');
  const head = await new Promise<IncomingHttpHeaders>((resolve) => stream.once('response', resolve));
  expect(head[':status']).toBe(413);
  await until(() => backend.sessions[0]!.of('rst').length === 1);
  stream.destroy();
});

test('a client that takes nothing stops its own stream only: the backend gets no window for it', async () => {
  const chunk = 'x'.repeat(16_384);
  let sent = 0;
  const backend = await startFrameBackend(({ type, stream }, session) => {
    if (type !== 'headers') return;
    session.writer.headers(stream, [':status', '200'], false);
    if (stream !== 1) return session.data(stream, 'quick', true);
    // As much as the window that the proxy told allows.
    for (; sent + chunk.length <= 262_144; sent += chunk.length) session.data(stream, chunk, false);
  });
  const { port } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const slow = client.request({ ':path': '/' });
  slow.on('error', () => undefined);
  slow.pause();
  await until(() => sent > 0);
  await turns(20);
  const own = (): readonly BackendFrame[] =>
    backend.sessions[0]!.of('window').filter(({ stream }) => stream === 1);
  const before = own().length;
  await turns(20);
  expect(own()).toHaveLength(before);
  expect((await exchange(client, { ':path': '/2' })).body.toString()).toBe('quick');
  let got = 0;
  slow.on('data', (bytes: Buffer) => (got += bytes.length));
  slow.resume();
  await until(() => got === sent);
  await until(() => own().length > before);
  slow.destroy();
});

test('a backend that gives no window stops the client, and goes on when it does', async () => {
  const backend = await startFrameBackend(() => undefined, [SettingId.INITIAL_WINDOW_SIZE, 100]);
  const { port } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  const stream = client.request({ ':path': '/', ':method': 'POST' });
  stream.on('error', () => undefined);
  stream.end(Buffer.alloc(1_000_000, 1));
  const received = (): number =>
    backend.sessions[0]!.of('data').reduce((sum, { bytes }) => sum + bytes.length, 0);
  await until(() => backend.sessions[0] !== undefined && received() === 100);
  await turns(20);
  expect(received()).toBe(100);
  const session = backend.sessions[0]!;
  session.writer.windowUpdate(0, 2_000_000);
  session.writer.windowUpdate(1, 2_000_000);
  session.flush();
  await until(() => received() === 1_000_000 && session.of('data').at(-1)!.end);
  session.writer.headers(1, [':status', '200'], true);
  session.flush();
  const head = await new Promise<IncomingHttpHeaders>((resolve) => stream.once('response', resolve));
  expect(head[':status']).toBe(200);
});

test.each([
  ['all of its length', ['content-length', '5']],
  ['a body of no told length', []],
])('a reset without an error after %s is the end of the response', async (_name, fields) => {
  const { headers, body, code } = await play((session, id) => {
    session.writer.headers(id, [':status', '200', ...fields], false);
    session.data(id, 'whole', false);
    session.writer.rstStream(id, 0);
  });
  expect(headers[':status']).toBe(200);
  expect(body.toString()).toBe('whole');
  expect(code).toBe(0);
});
