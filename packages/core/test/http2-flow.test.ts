import { ErrorCode, SettingId } from '@rp/parser';
import { createHash, randomBytes } from 'node:crypto';
import http2 from 'node:http2';
import { expect, onTestFinished, test } from 'vitest';
import { ok } from './support/backend.ts';
import { get, value } from './support/h2-client.ts';
import { startH2 } from './support/h2-proxy.ts';
import { until, turns } from './support/wait.ts';

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');

test('a download stops at the stream’s window, and goes on with it', async () => {
  const body = randomBytes(200_000);
  const { connect } = await startH2((_, connection) => connection.write(ok(body)));
  const client = await connect([SettingId.INITIAL_WINDOW_SIZE, 1000]);
  client.generous = false;
  const stream = client.request();
  await client.until(() => client.of(stream).body.length === 1000);
  await turns(20);
  expect(client.of(stream).body.length).toBe(1000);
  client.writer.windowUpdate(stream, 64_000);
  client.flush();
  // The connection's window is the next to be used up.
  await client.until(() => client.of(stream).body.length === 65_000);
  client.writer.windowUpdate(stream, 300_000);
  client.writer.windowUpdate(0, 300_000);
  client.flush();
  const result = await client.result(stream);
  expect(result.ended).toBe(true);
  expect(md5(result.body)).toBe(md5(body));
});

test('SETTINGS_INITIAL_WINDOW_SIZE changes the windows of open streams, below zero too (§6.9.2)', async () => {
  const body = randomBytes(3000);
  const { connect } = await startH2((_, connection) => connection.write(ok(body)));
  const client = await connect([SettingId.INITIAL_WINDOW_SIZE, 1000]);
  client.generous = false;
  const stream = client.request();
  await client.until(() => client.of(stream).body.length === 1000);
  client.writer.settings([SettingId.INITIAL_WINDOW_SIZE, 500]);
  client.writer.windowUpdate(stream, 400);
  client.writer.settings([SettingId.INITIAL_WINDOW_SIZE, 700]);
  client.flush();
  // 1000 sent, window 700 + 400: 100 are left.
  await client.until(() => client.of(stream).body.length === 1100);
  await turns(20);
  expect(client.of(stream).body.length).toBe(1100);
  client.writer.settings([SettingId.INITIAL_WINDOW_SIZE, 100_000]);
  client.flush();
  expect(md5((await client.result(stream)).body)).toBe(md5(body));
});

test('a stream without window does not hold up the others, and its backend is not read on', async () => {
  const { connect, backend } = await startH2((request, connection) => {
    connection.write(ok(request.start.includes('/big') ? Buffer.alloc(20_000_000) : 'small'));
  });
  const client = await connect([SettingId.INITIAL_WINDOW_SIZE, 100]);
  client.generous = false;
  const big = client.request(get('GET', '/big'));
  await client.until(() => client.of(big).body.length === 100);
  for (let i = 0; i < 10; i++) expect((await client.result(client.request())).body.toString()).toBe('small');
  // What the backend could not get rid of is still its own.
  const [connection] = backend.connections;
  expect(connection!.socket.writableLength).toBeGreaterThan(1_000_000);
  expect(client.of(big).body.length).toBe(100);
});

test('streams take turns when they share the connection’s window', async () => {
  const { connect } = await startH2((_, connection) => connection.write(ok(Buffer.alloc(200_000))));
  const client = await connect([SettingId.INITIAL_WINDOW_SIZE, 1_000_000]);
  client.generous = false;
  const streams = [client.request(), client.request(), client.request()];
  await client.until(() => streams.reduce((sum, id) => sum + client.of(id).body.length, 0) === 65_535);
  await turns(20);
  for (let i = 0; i < 9; i++) {
    client.writer.windowUpdate(0, 16_384);
    client.flush();
    await turns(5);
  }
  await client.until(
    () => streams.reduce((sum, id) => sum + client.of(id).body.length, 0) === 65_535 + 9 * 16_384,
  );
  for (const id of streams) expect(client.of(id).body.length).toBeGreaterThan(40_000);
});

test('an upload to a slow backend stops at the stream’s window; other uploads go on', async () => {
  const { connect, proxy, backend } = await startH2({
    onHead: (head, connection) => void (head.start.includes('/stuck') && connection.socket.pause()),
    onRequest: (_, connection) => connection.write(ok()),
  });
  const client = await connect();
  const stuck = client.request(get('POST', '/stuck'), false);
  await until(() => backend.connections.length === 1);
  const granted = (id: number): number =>
    client.frames
      .filter((frame) => frame.type === 'window' && frame.stream === id)
      .reduce((sum, { code }) => sum + code!, 0);
  const piece = Buffer.alloc(16_384);
  let sent = 0;
  // As much as the stream's window, and what it gives back, allow.
  for (let rounds = 0; rounds < 500; rounds++) {
    while (sent + piece.length <= 262_144 + granted(stuck)) {
      client.data(stuck, piece);
      sent += piece.length;
    }
    await turns(2);
  }
  // Socket buffers of the kernel and one window; not more, however long we try.
  expect(sent).toBeLessThan(16_000_000);
  expect(proxy.count('requestsNow')).toBe(1);
  const other = client.request(get('POST', '/other'), false);
  client.data(other, Buffer.alloc(100_000), true);
  expect(value((await client.result(other)).fields, ':status')).toBe('200');
});

test('a client that sends more than a window is a FLOW_CONTROL_ERROR', async () => {
  const { connect } = await startH2({
    onHead: (_, connection) => connection.socket.pause(),
    onConnection: (c) => c.socket.pause(),
  });
  const client = await connect();
  const stream = client.request(get('POST'), false);
  const flood = Buffer.alloc(16_384);
  for (let i = 0; i < 2000 && client.of(stream).reset === undefined && !client.ended; i++) {
    client.data(stream, flood);
    if (i % 16 === 0) await turns(1);
  }
  await client.until(
    () => client.of(stream).reset !== undefined || client.frames.some(({ type }) => type === 'goaway'),
  );
  const codes = client.frames
    .filter(({ type }) => type === 'rst' || type === 'goaway')
    .map(({ code }) => code);
  expect(codes).toContain(ErrorCode.FLOW_CONTROL_ERROR);
});

test('a stream window over 2^31-1 is an error of the stream alone', async () => {
  const { connect } = await startH2({ onHead: () => {} });
  const client = await connect();
  const stream = client.request();
  client.writer.windowUpdate(stream, 2 ** 31 - 1);
  client.flush();
  expect((await client.result(stream)).reset).toBe(ErrorCode.FLOW_CONTROL_ERROR);
  expect(client.ended).toBe(false);
});

test('padding is given back, and counts', async () => {
  const { connect, backend } = await startH2();
  const client = await connect();
  const stream = client.request(get('POST'), false);
  for (let i = 0; i < 600; i++) {
    const payload = Buffer.alloc(1 + 1 + 255);
    payload[0] = 255;
    payload[1] = 0x61;
    client.frame(0, 0x8, stream, payload);
  }
  client.data(stream, 'b', true);
  expect(value((await client.result(stream)).fields, ':status')).toBe('200');
  expect(backend.requests[0]!.body.toString()).toBe(`${'a'.repeat(600)}b`);
});

test('node:http2 gets and sends 8 MiB on each of eight streams, unchanged', async () => {
  const body = randomBytes(8 * 1024 * 1024);
  const { port } = await startH2((request, connection) => connection.write(ok(request.body)));
  const session = http2.connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1000 });
  onTestFinished(() => session.destroy());
  const echo = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':method': 'POST' });
      const hash = createHash('md5');
      stream.on('data', (chunk: Buffer) => hash.update(chunk));
      stream.on('end', () => resolve(hash.digest('hex')));
      stream.on('error', reject);
      stream.end(body);
    });
  const sums = await Promise.all(Array.from({ length: 8 }, echo));
  expect(new Set(sums)).toEqual(new Set([md5(body)]));
}, 60_000);
