import { expect, test } from 'vitest';
import { startFrameBackend, type FrameSession } from './support/frame-backend.ts';
import { connectH2, exchange, startH2Front } from './support/h2-backend.ts';
import { until } from './support/wait.ts';

/** A frame of these octets, written as they are. */
function raw(session: FrameSession, type: number, flags: number, stream: number, payload: Buffer): void {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  session.flush();
  session.socket.write(Buffer.concat([head, payload]));
}

const floods: readonly (readonly [string, number, (session: FrameSession, stream: number) => void])[] = [
  ['PING', 11, (session) => times(600, () => session.writer.ping(Buffer.alloc(8), 0, false))],
  ['SETTINGS', 11, (session) => times(30, () => session.writer.settings([]))],
  [
    'CONTINUATION',
    11,
    (session, stream) => {
      raw(session, 1, 0, stream, Buffer.from([0x88]));
      times(20, () => raw(session, 9, 0, stream, Buffer.alloc(0)));
    },
  ],
  [
    'empty DATA',
    11,
    (session, stream) => {
      session.writer.headers(stream, [':status', '200'], false);
      times(150, () => session.data(stream, '', false));
    },
  ],
  ['WINDOW_UPDATE', 11, (session) => times(1_200, () => session.writer.windowUpdate(0, 1))],
  ['a window that overflows', 3, (session) => times(2, () => session.writer.windowUpdate(0, 2_147_483_647))],
  [
    'a header block that cannot be decoded',
    9,
    (session, stream) => raw(session, 1, 4, stream, Buffer.from([0xff, 0xff])),
  ],
  ['PUSH_PROMISE', 1, (session, stream) => raw(session, 5, 4, stream, Buffer.from([0, 0, 0, 2, 0x88]))],
  ['DATA on a stream that was never opened', 1, (session) => session.data(99, 'x', false)],
  ['HEADERS on a stream of the server', 1, (session) => session.writer.headers(2, [':status', '200'], true)],
];

function times(count: number, run: () => void): void {
  for (let i = 0; i < count; i++) run();
}

test.each(floods)(
  'a backend that sends %s loses its connection, not the others',
  async (_name, code, flood) => {
    const backend = await startFrameBackend((frame, session) => {
      if (frame.type !== 'headers') return;
      if (session === backend.sessions[0]) flood(session, frame.stream);
      else session.writer.headers(frame.stream, [':status', '204'], true);
    });
    const { port, pools } = await startH2Front({ backends: [backend.port] });
    const client = await connectH2(port);
    const { headers } = await exchange(client, { ':path': '/', ':method': 'POST' });
    expect([200, 502, undefined]).toContain(headers[':status']);
    await until(() => backend.sessions[0]!.of('goaway').length > 0);
    expect(backend.sessions[0]!.of('goaway')[0]!.code).toBe(code);
    expect((await exchange(client, { ':path': '/' })).headers[':status']).toBe(204);
    expect(backend.sessions).toHaveLength(2);
    expect(pools[0]!.stats().streams).toBe(0);
  },
);
