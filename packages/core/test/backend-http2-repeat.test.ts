import { ErrorCode, SettingId } from '@rp/parser';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { expect, test } from 'vitest';
import { startFrameBackend, type BackendFrame, type FrameSession } from './support/frame-backend.ts';
import { connectH2, exchange, startH2Front } from './support/h2-backend.ts';
import { turns, until } from './support/wait.ts';

const post = { ':path': '/', ':method': 'POST', te: 'trailers' };

/** Settings of a backend that takes large bodies. */
const wide = [SettingId.INITIAL_WINDOW_SIZE, 1_000_000];

/** What a session got on a stream, as text. */
function bodyOf(session: FrameSession, stream: number): string {
  const parts = session.of('data').filter((frame) => frame.stream === stream);
  return Buffer.concat(parts.map(({ bytes }) => bytes)).toString();
}

const answer = ({ writer }: FrameSession, stream: number): void =>
  writer.headers(stream, [':status', '200'], true);

const statusOf = (stream: ClientHttp2Stream): Promise<number | undefined> =>
  new Promise((resolve) => {
    stream.on('error', () => undefined);
    stream.once('response', (head: IncomingHttpHeaders) => resolve(Number(head[':status'])));
  });

test('REFUSED_STREAM: a POST goes to another backend, with all of its body and its trailers', async () => {
  const refusing = await startFrameBackend(({ end, stream }, { writer }) => {
    if (end) writer.rstStream(stream, ErrorCode.REFUSED_STREAM);
  });
  const good = await startFrameBackend(({ end, stream }, session) => {
    if (end) answer(session, stream);
  });
  const { port, engine } = await startH2Front({ backends: [refusing.port, good.port] });
  const client = await connectH2(port);
  for (let i = 0; i < 4; i++) {
    const stream = client.request(post, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }));
    stream.end('hello');
    expect(await statusOf(stream)).toBe(200);
  }
  expect(engine.counters.read('retries')).toBeGreaterThan(0);
  const [session] = good.sessions;
  for (const id of [1, 3, 5, 7]) expect(bodyOf(session!, id)).toBe('hello');
  const trailers = session!.of('headers').filter(({ end }) => end);
  expect(trailers.map(({ fields }) => fields)).toEqual([1, 3, 5, 7].map(() => ['x-sum', '1']));
});

test('REFUSED_STREAM: without another backend the same one is asked once more, and not twice', async () => {
  let refusals = 1;
  const backend = await startFrameBackend(({ end, stream }, session) => {
    if (!end) return;
    if (refusals-- > 0) session.writer.rstStream(stream, ErrorCode.REFUSED_STREAM);
    else answer(session, stream);
  });
  const { port, pools } = await startH2Front({ backends: [backend.port] });
  const client = await connectH2(port);
  expect((await exchange(client, post, Buffer.from('one'))).headers[':status']).toBe(200);
  refusals = Infinity;
  expect((await exchange(client, post, Buffer.from('two'))).headers[':status']).toBe(502);
  const [session] = backend.sessions;
  expect(session!.of('headers').map(({ stream }) => bodyOf(session!, stream))).toEqual([
    'one',
    'one',
    'two',
    'two',
  ]);
  // The connection is in good order: nobody needs another one.
  expect(pools[0]!.stats().created).toBe(1);
});

test('GOAWAY while a body is on its way: what was sent is sent again, and the rest follows', async () => {
  let first = true;
  const backend = await startFrameBackend(({ type, stream, end }, session) => {
    if (type === 'data' && first) {
      first = false;
      session.writer.goaway(0, ErrorCode.NO_ERROR);
    } else if (end) answer(session, stream);
  });
  const { port, engine } = await startH2Front({ backends: [backend.port] });
  const stream = (await connectH2(port)).request(post);
  const status = statusOf(stream);
  stream.write('part one, ');
  await until(() => backend.sessions[1]?.of('data').length === 1);
  stream.end('part two');
  expect(await status).toBe(200);
  expect(bodyOf(backend.sessions[1]!, 1)).toBe('part one, part two');
  expect(engine.counters.read('replays')).toBe(1);
});

test('POST is never sent twice where the backend may have looked at it, or a part of the body is gone', async () => {
  const large = Buffer.alloc(65_537, 1);
  const cases: readonly (readonly [string, Buffer, (session: FrameSession, frame: BackendFrame) => void])[] =
    [
      ['a reset', Buffer.from('x'), ({ writer }, { stream }) => writer.rstStream(stream, ErrorCode.CANCEL)],
      [
        'a GOAWAY that includes it',
        Buffer.from('x'),
        (session) => {
          session.writer.goaway(1, ErrorCode.NO_ERROR);
          session.flush();
          session.socket.end();
        },
      ],
      ['a lost connection', Buffer.from('x'), ({ socket }) => void socket.destroy()],
      [
        'a large body refused',
        large,
        ({ writer }, { stream }) => writer.rstStream(stream, ErrorCode.REFUSED_STREAM),
      ],
      ['a large body and GOAWAY', large, ({ writer }) => writer.goaway(0, ErrorCode.NO_ERROR)],
      [
        'refused after its head',
        Buffer.from('x'),
        ({ writer }, { stream }) => {
          writer.headers(stream, [':status', '200'], false);
          writer.rstStream(stream, ErrorCode.REFUSED_STREAM);
        },
      ],
    ];
  for (const [name, body, fail] of cases) {
    const react = (frame: BackendFrame, session: FrameSession): void => {
      if (frame.type === 'headers') session.writer.windowUpdate(0, 100_000);
      if (frame.end) fail(session, frame);
    };
    const [one, other] = [await startFrameBackend(react, wide), await startFrameBackend(react, wide)];
    const { port } = await startH2Front({ backends: [one.port, other.port] });
    const { headers, code } = await exchange(await connectH2(port), post, body);
    expect([name, headers[':status'] === 502 || code !== 0]).toEqual([name, true]);
    await turns(10);
    const heads = [...one.sessions, ...other.sessions].flatMap((session) => session.of('headers'));
    expect([name, heads.length]).toEqual([name, 1]);
  }
});

test('a large body that has not begun may still go elsewhere', async () => {
  let refusals = 1;
  const backend = await startFrameBackend(({ type, stream, end }, session) => {
    if (type === 'headers') session.writer.windowUpdate(0, 100_000);
    if (type === 'headers' && refusals-- > 0) session.writer.rstStream(stream, ErrorCode.REFUSED_STREAM);
    else if (end) answer(session, stream);
  }, wide);
  const { port } = await startH2Front({ backends: [backend.port] });
  const stream = (await connectH2(port)).request({ ...post, 'content-length': '100000' });
  const status = statusOf(stream);
  await until(() => backend.sessions[0]?.of('headers').length === 2);
  stream.end(Buffer.alloc(100_000));
  expect(await status).toBe(200);
  expect(bodyOf(backend.sessions[0]!, 3)).toHaveLength(100_000);
});
