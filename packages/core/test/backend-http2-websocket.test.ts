import { ErrorCode, SettingId } from '@rp/parser';
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http2';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { RawClient } from './support/client.ts';
import { startFrameBackend, type BackendFrame, type FrameSession } from './support/frame-backend.ts';
import { startH2Backend, startH2Front, type H2Front } from './support/h2-backend.ts';
import { turns, until } from './support/wait.ts';
import { acceptOnStream, overHttp2 } from './support/ws-http2.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const takesConnect = [SettingId.ENABLE_CONNECT_PROTOCOL, 1];

const upgrade = (...lines: string[]): string =>
  [
    'GET /chat HTTP/1.1',
    'Host: app.example',
    'Connection: upgrade',
    'Upgrade: websocket',
    ...lines,
    '',
    '',
  ].join('\r\n');
const good = upgrade(
  `Sec-WebSocket-Key: ${KEY}`,
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: chat',
);

/** A backend that answers extended CONNECT with 200, and a client that has sent its upgrade. */
async function start(
  onFrame: (frame: BackendFrame, session: FrameSession) => void = () => undefined,
  request = good,
): Promise<{ client: RawClient; session: FrameSession; front: H2Front }> {
  const backend = await startFrameBackend((frame, session) => {
    if (frame.type === 'headers' && frame.stream !== 0 && frame.fields[1] === 'CONNECT')
      session.writer.headers(frame.stream, [':status', '200', 'sec-websocket-protocol', 'chat'], false);
    onFrame(frame, session);
  }, takesConnect);
  const front = await startH2Front({ backends: [backend.port] });
  const client = await RawClient.connect(front.port);
  onTestFinished(() => client.destroy());
  client.write(request);
  await client.receives('\r\n\r\n');
  return { client, session: backend.sessions[0]!, front };
}

test('an upgrade becomes an extended CONNECT without key, its 200 a 101 with the accept that belongs to the key', async () => {
  const { client, session, front } = await start();
  const { fields, end } = session.of('headers')[0]!;
  const named = Object.fromEntries(
    Array.from({ length: fields.length / 2 }, (_, i) => [fields[i * 2], fields[i * 2 + 1]]),
  );
  expect(named).toMatchObject({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':authority': 'app.example',
    ':path': '/chat',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'chat',
  });
  for (const name of ['sec-websocket-key', 'upgrade', 'connection', 'content-length'])
    expect(named).not.toHaveProperty(name);
  expect(end).toBe(false);
  expect(client.text).toMatch(/^HTTP\/1\.1 101 /);
  expect(client.text).toMatch(/\r\nconnection: upgrade\r\nupgrade: websocket\r\n/i);
  expect(client.text).toMatch(/\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
  expect(client.text).toMatch(/\r\nsec-websocket-protocol: chat\r\n/i);
  client.write('to the backend');
  await until(() => session.of('data').some(({ bytes }) => bytes.toString() === 'to the backend'));
  session.data(1, 'to the client', false);
  session.flush();
  await client.receives('to the client');
  expect(front.engine.counters.read('tunnelsNow')).toBe(1);
});

test('each end of a tunnel closes by itself', async () => {
  const { client, session, front } = await start();
  client.half();
  await until(() => session.of('data').some(({ end }) => end));
  session.data(1, 'still listening', true);
  session.flush();
  await client.receives('still listening');
  await until(() => front.engine.counters.read('tunnelsNow') === 0);
  expect(session.of('rst')).toHaveLength(0);
  expect(front.pools[0]!.stats()).toMatchObject({ streams: 0, idle: 1 });
});

test.each<[string, (session: FrameSession) => void]>([
  ['a reset', ({ writer }) => writer.rstStream(1, ErrorCode.CANCEL)],
  ['a reset without an error', ({ writer }) => writer.rstStream(1, ErrorCode.NO_ERROR)],
  ['a lost connection', ({ socket }) => void socket.destroy()],
  ['HEADERS in a tunnel (RFC 9113 §8.5)', ({ writer }) => writer.headers(1, ['x-t', '1'], true)],
])('%s of the backend closes the client', async (_name, end) => {
  const { client, session, front } = await start();
  end(session);
  session.flush();
  await until(() => client.ended || client.closed);
  expect(front.engine.counters.read('tunnelsNow')).toBe(0);
  expect(front.engine.counters.read('requestsNow')).toBe(0);
});

test('a client that is gone resets its stream, and no other', async () => {
  const { client, session, front } = await start();
  client.socket.resetAndDestroy();
  await until(() => session.of('rst').length === 1);
  expect(session.of('rst')[0]!.code).toBe(ErrorCode.CANCEL);
  await until(() => front.pools[0]!.stats().streams === 0);
  expect(front.pools[0]!.stats().idle).toBe(1);
});

test('a tunnel is flow-controlled both ways', async () => {
  const { client, session } = await start();
  client.write(Buffer.alloc(1_000_000));
  const received = (): number => session.of('data').reduce((sum, { bytes }) => sum + bytes.length, 0);
  await until(() => received() === 65_535);
  await turns(20);
  expect(received()).toBe(65_535);
  session.writer.windowUpdate(0, 2_000_000);
  session.writer.windowUpdate(1, 2_000_000);
  session.flush();
  await until(() => received() === 1_000_000);
});

test.each([
  ['without a key', upgrade('Sec-WebSocket-Version: 13'), 400],
  ['with two keys', upgrade(`Sec-WebSocket-Key: ${KEY}`, `Sec-WebSocket-Key: ${KEY}`), 400],
  ['with a short key', upgrade('Sec-WebSocket-Key: c2hvcnQ='), 400],
  ['by POST', good.replace('GET', 'POST'), 400],
  ['to another protocol', good.replace('websocket', 'irc'), 501],
])('a handshake %s is refused', async (_name, request, status) => {
  const { client, session, front } = await start(undefined, request);
  expect(client.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(session.of('headers')).toHaveLength(0);
  expect(front.pools[0]!.stats().streams).toBe(0);
});

test.each(['an upgrade', 'an extended CONNECT'])(
  '%s is refused where the backend has not allowed it',
  async (kind) => {
    const backend = await startFrameBackend(() => undefined);
    const front = await startH2Front({ backends: [backend.port] });
    if (kind === 'an upgrade') {
      const client = await RawClient.connect(front.port);
      client.write(good);
      await client.receives('HTTP/1.1 501 ');
      client.destroy();
    } else {
      const { socket } = overHttp2(front.port);
      const error = await new Promise<Error>((resolve) => socket.once('error', resolve));
      expect(error.message).toBe('status 501');
    }
    expect(backend.sessions[0]!.of('headers')).toHaveLength(0);
  },
);

test('a backend that says no is heard', async () => {
  const backend = await startFrameBackend(({ type, stream }, session) => {
    if (type !== 'headers') return;
    session.writer.headers(stream, [':status', '403', 'content-length', '2'], false);
    session.data(stream, 'no', true);
  }, takesConnect);
  const front = await startH2Front({ backends: [backend.port] });
  const client = await RawClient.connect(front.port);
  client.write(good);
  await client.receives('no');
  expect(client.text).toMatch(/^HTTP\/1\.1 403 /);
  await until(() => front.pools[0]!.stats().streams === 0);
  client.destroy();
});

test.each(['HTTP/1.1', 'HTTP/2'])(
  'ws over %s talks to ws on HTTP/2: sizes, ping, close codes',
  async (version) => {
    const seen: IncomingHttpHeaders[] = [];
    const backend = await startH2Backend({ settings: { enableConnectProtocol: true } });
    backend.server.on('stream', (stream, headers) => {
      seen.push(headers);
      stream.on('error', () => undefined);
      const peer = acceptOnStream(stream);
      peer.on('message', (bytes, binary) => peer.send(bytes, { binary }));
    });
    const { port, pools } = await startH2Front({ backends: [backend.port] });
    const client = (): WebSocket =>
      version === 'HTTP/2' ? overHttp2(port).socket : new WebSocket(`ws://127.0.0.1:${port}/echo`);
    const socket = client();
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    for (const size of [1, 126, 65_536, 1024 * 1024]) {
      const sent = randomBytes(size);
      const echoed = new Promise<Buffer>((resolve) =>
        socket.once('message', (bytes) => resolve(bytes as Buffer)),
      );
      socket.send(sent);
      const sum = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');
      expect(sum(await echoed)).toBe(sum(sent));
    }
    const pong = new Promise((resolve) => socket.once('pong', resolve));
    socket.ping('x');
    await pong;
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.close(4001, 'enough');
    expect(await closed).toBe(4001);
    expect(seen[0]).toMatchObject({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/echo' });
    await until(() => pools[0]!.stats().streams === 0);
  },
);

test('a tunnel is one in flight at its backend until it ends', async () => {
  const { client, session, front } = await start();
  expect(front.group.statistics()[0]).toMatchObject({ active: 1, succeeded: 1 });
  client.half();
  await until(() => session.of('data').some(({ end }) => end));
  session.data(1, '', true);
  session.flush();
  await until(() => front.group.statistics()[0]?.active === 0);
  expect(front.group.statistics()[0]).toMatchObject({ active: 0, succeeded: 1, cancelled: 0 });
});

test('a tunnel whose client is gone as it opens leaves nothing in flight', async () => {
  const { client, front } = await start();
  client.socket.resetAndDestroy();
  await until(() => front.engine.connections === 0);
  await until(() => front.group.statistics()[0]?.active === 0);
});
