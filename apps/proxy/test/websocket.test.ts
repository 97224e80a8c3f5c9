import { randomBytes } from 'node:crypto';
import http, { type Server } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { closeServer, eventually, onCleanup, startRp, type Rp } from './run-support.ts';
import { Authority } from './support/authority.ts';

/** A server of `ws` that echoes, with the messages that it got. */
async function startServer(): Promise<{ url: string; server: Server }> {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server, maxPayload: 32 * 1024 * 1024 });
  sockets.on('connection', (socket) =>
    socket.on('message', (data, binary) => {
      if (data.toString() === 'go away') socket.close(4002, 'as you wish');
      else socket.send(data, { binary });
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onCleanup(() => {
    for (const socket of sockets.clients) socket.terminate();
    return closeServer(server);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const opened = (socket: WebSocket): Promise<WebSocket> =>
  new Promise((resolve, reject) => socket.once('open', () => resolve(socket)).once('error', reject));

/** `ws` speaks through any duplex stream, once it believes the handshake. */
async function overHttp2(rp: Rp, ca: string): Promise<WebSocket> {
  const session = http2.connect(`https://127.0.0.1:${rp.port}`, { ca, servername: 'localhost' });
  onCleanup(() => session.destroy());
  await new Promise((resolve, reject) => session.once('remoteSettings', resolve).once('error', reject));
  const socket = new WebSocket(null as unknown as string, undefined, {});
  for (const [name, value] of Object.entries({ _isServer: false, _closeTimeout: 10_000 }))
    Reflect.set(socket, name, value);
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', 'sec-websocket-version': '13' },
    { endStream: false },
  );
  const open = opened(socket);
  stream.on('response', (headers) => {
    expect(headers[':status']).toBe(200);
    const duplex: Duplex = Object.assign(stream, { setNoDelay: () => stream });
    const options = { allowSynchronousEvents: true, maxPayload: 2 ** 25, skipUTF8Validation: false };
    Reflect.apply(Reflect.get(socket, 'setSocket') as () => void, socket, [duplex, Buffer.alloc(0), options]);
  });
  return open;
}

async function echoes(socket: WebSocket, sizes: readonly number[]): Promise<void> {
  for (const size of sizes) {
    const sent = randomBytes(size);
    const echo = new Promise<Buffer>((resolve) => socket.once('message', (data) => resolve(data as Buffer)));
    socket.send(sent);
    expect((await echo).equals(sent)).toBe(true);
  }
}

const closing = (socket: WebSocket): Promise<number> =>
  new Promise((resolve) => socket.once('close', (code) => resolve(code)));

it('WebSocket over TLS, by HTTP/1.1 and by HTTP/2, goes on across a reload that replaces its backend', async () => {
  const authority = new Authority();
  const { cert, key } = authority.issue();
  const [before, after] = [await startServer(), await startServer()];
  const config = (url: string): string => `listeners:
  - address: 127.0.0.1
    port: 0
    http2: true
    tls: { certificates: [{ cert: "${cert}", key: "${key}" }] }
workers: 2
upstreams: { app: { backends: [{ url: "${url}" }] } }
log: { access: { enabled: false } }
admin: { port: 0 }
`;
  const rp = await startRp(config(before.url)).ready();
  const options = { ca: authority.pem, servername: 'localhost' };
  const overHttp1 = (): Promise<WebSocket> => opened(new WebSocket(`wss://127.0.0.1:${rp.port}/`, options));
  const sockets = [await overHttp1(), await overHttp1(), await overHttp2(rp, authority.pem)];
  const sizes = [1, 125, 126, 65_535, 65_536, 1_000_000];
  await Promise.all(sockets.map((socket) => echoes(socket, sizes)));
  rp.write(config(after.url));
  rp.signal('SIGHUP');
  await rp.said('reloaded');
  await Promise.all(sockets.map((socket) => echoes(socket, [...sizes, 16 * 1024 * 1024])));
  expect((await rp.stats()).requests.activeTunnels).toBe(3);
  // New ones find the new backend.
  const fresh = await overHttp1();
  await echoes(fresh, [1]);
  expect(await new Promise((resolve) => after.server.getConnections((_error, count) => resolve(count)))).toBe(
    1,
  );

  const pong = new Promise<string>((resolve) => sockets[2]!.once('pong', (data) => resolve(data.toString())));
  sockets[2]!.ping('alive');
  expect(await pong).toBe('alive');
  const codes = [...sockets, fresh].map(closing);
  sockets[0]!.close(4001, 'enough');
  sockets[1]!.send('go away');
  sockets[2]!.send('go away');
  fresh.close(1000);
  expect(await Promise.all(codes)).toEqual([4001, 4002, 4002, 1000]);
  await eventually('no tunnel is left', async () => (await rp.stats()).requests.activeTunnels === 0);
});
