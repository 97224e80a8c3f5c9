import { ErrorCode } from '@rp/parser';
import { createHash, randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { field } from './support/message.ts';
import { value } from './support/h2-client.ts';
import { startH2, type H2Pair } from './support/h2-proxy.ts';
import { startProxy } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';
import { overHttp2 } from './support/ws-http2.ts';

const connectFields = (...more: string[]): string[] => [
  ':method',
  'CONNECT',
  ':protocol',
  'websocket',
  ':scheme',
  'http',
  ':authority',
  'app.example',
  ':path',
  '/chat',
  'sec-websocket-version',
  '13',
  ...more,
];

const switching = (key: string, ...lines: string[]): string =>
  [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Accept: ${key}`,
    ...lines,
    '',
    '',
  ].join('\r\n');

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

test('extended CONNECT becomes an upgrade with a key of ours; bytes pass both ways', async () => {
  const { connect, backend, proxy } = await startH2(() => {});
  const client = await connect();
  const stream = client.request(connectFields('sec-websocket-protocol', 'chat'), false);
  client.data(stream, 'early');
  await backend.received(1);
  const [request] = backend.requests;
  expect(request!.start).toBe('GET /chat HTTP/1.1');
  expect(field(request!, 'upgrade')).toBe('websocket');
  expect(field(request!, 'connection')).toBe('upgrade');
  expect(field(request!, 'content-length') ?? field(request!, 'transfer-encoding')).toBeUndefined();
  // Bytes of the client wait until the tunnel is open.
  await turns(10);
  expect(backend.text).not.toContain('early');
  const [connection] = backend.connections;
  connection!.write(
    switching(acceptOf(field(request!, 'sec-websocket-key')!), 'Sec-WebSocket-Protocol: chat') + 'hello',
  );
  await client.until(() => client.of(stream).body.toString() === 'hello');
  const { fields } = client.of(stream);
  expect(value(fields, ':status')).toBe('200');
  expect(value(fields, 'sec-websocket-protocol')).toBe('chat');
  expect(value(fields, 'sec-websocket-accept')).toBeUndefined();
  await until(() => backend.text.endsWith('early'));
  client.data(stream, 'more');
  await until(() => backend.text.endsWith('earlymore'));
  expect(proxy.count('tunnelsNow')).toBe(1);
  // One side may end before the other.
  connection!.end('bye');
  await client.until(() => client.of(stream).ended);
  expect(client.of(stream).body.toString()).toBe('hellobye');
  client.data(stream, 'last words', true);
  await until(() => backend.text.endsWith('last words') && connection!.ended);
  await until(() => proxy.count('tunnelsNow') === 0);
});

test.each([
  ['a wrong accept', () => switching('d3Jvbmc=')],
  [
    'no accept',
    () => 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
])('%s from the backend opens no tunnel: 502', async (_, bytes) => {
  const { connect } = await startH2((__, connection) => connection.write(bytes()));
  const client = await connect();
  const stream = client.request(connectFields(), false);
  expect(value((await client.result(stream)).fields, ':status')).toBe('502');
});

test('a backend that refuses the upgrade is heard; a 200 is no tunnel', async () => {
  const { connect } = await startH2((request, connection) =>
    connection.write(
      `HTTP/1.1 ${request.start.includes('chat') ? '403 Forbidden' : '200 OK'}\r\nContent-Length: 2\r\n\r\nno`,
    ),
  );
  const client = await connect();
  const refused = client.request(connectFields(), false);
  expect(value((await client.result(refused)).fields, ':status')).toBe('403');
  const pretended = client.request(connectFields().with(9, '/other'), false);
  expect((await client.result(pretended)).reset).toBe(ErrorCode.INTERNAL_ERROR);
});

async function openTunnel(
  pair: H2Pair,
): Promise<{ client: Awaited<ReturnType<H2Pair['connect']>>; stream: number }> {
  const client = await pair.connect();
  const stream = client.request(connectFields(), false);
  await pair.backend.received(1);
  pair.backend.connections[0]!.write(
    switching(acceptOf(field(pair.backend.requests[0]!, 'sec-websocket-key')!)),
  );
  await client.until(() => client.of(stream).fields.length > 0);
  return { client, stream };
}

test('a tunnel that carries nothing ends after its idle timeout; one that is used does not', async () => {
  const pair = await startH2(() => {}, { timeouts: { tunnel: 5_000 } });
  const { client, stream } = await openTunnel(pair);
  await pair.proxy.advance(4_000);
  client.data(stream, 'still here');
  await until(() => pair.backend.text.endsWith('still here'));
  await pair.proxy.advance(4_000);
  expect(client.of(stream).ended).toBe(false);
  await pair.proxy.advance(2_000);
  await client.result(stream);
  await until(() => pair.backend.open === 0 && pair.proxy.count('tunnelsNow') === 0);
});

test('a reset of the stream ends the backend’s side; a backend that goes ends the stream', async () => {
  const one = await startH2(() => {});
  const first = await openTunnel(one);
  first.client.writer.rstStream(first.stream, ErrorCode.CANCEL);
  first.client.flush();
  await until(() => one.backend.open === 0);
  const two = await startH2(() => {});
  const second = await openTunnel(two);
  two.backend.connections[0]!.reset();
  await second.client.result(second.stream);
  await until(() => two.proxy.count('tunnelsNow') === 0);
  // The connection goes on.
  second.client.writer.ping(Buffer.alloc(8), 0, false);
  second.client.flush();
  await second.client.until(() => second.client.frames.some(({ type }) => type === 'pingAck'));
});

test('a tunnel is flow-controlled: what does not fit the window stays with the backend', async () => {
  const pair = await startH2(() => {});
  const { client, stream } = await openTunnel(pair);
  client.generous = false;
  const [connection] = pair.backend.connections;
  connection!.write(Buffer.alloc(20_000_000));
  await client.until(() => client.of(stream).body.length === 65_535);
  await turns(50);
  expect(connection!.socket.writableLength).toBeGreaterThan(1_000_000);
});

test('ws talks to ws through HTTP/2: sizes from 1 octet to 4 MiB, ping, close code', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => server.close());
  server.on('connection', (peer) => peer.on('message', (bytes, binary) => peer.send(bytes, { binary })));
  await until(() => server.address() !== null);
  const backendPort = (server.address() as { port: number }).port;
  const proxy = await startProxy({ backends: [backendPort] });
  const { port } = await proxy.engine.listen({ address: '127.0.0.1', h2c: true });
  const { socket } = overHttp2(port);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  for (const size of [1, 125, 126, 65_535, 65_536, 4 * 1024 * 1024]) {
    const sent = randomBytes(size);
    const echoed = new Promise<Buffer>((resolve) =>
      socket.once('message', (bytes) => resolve(bytes as Buffer)),
    );
    socket.send(sent);
    expect((await echoed).equals(sent)).toBe(true);
  }
  const pong = new Promise((resolve) => socket.once('pong', resolve));
  socket.ping('x');
  await pong;
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  socket.close(4001, 'enough');
  expect(await closed).toBe(4001);
});
