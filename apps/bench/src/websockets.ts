import { randomBytes } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseArgs } from 'node:util';
import { Authority } from './acceptance/authority.ts';
import { SecureRp, until, type SecurePlan } from './acceptance/secure-rp.ts';
import { ProcessGroup } from './process.ts';

const USAGE = `usage: node dist/websockets.js [--connections 1000] [--seed-kib 256]
The package ws as client and server, through rp: half of the connections over HTTP/1.1 with TLS, half over HTTP/2
(extended CONNECT); messages from 1 byte to 16 MiB, ping and pong, close codes, all across a reload. Prints JSON lines;
exits 1 when any connection or message failed.`;

/** What this script uses of ws, which is no dependency of this package but of rp's tests. */
interface Socket {
  on(event: string, listener: (...values: never[]) => void): Socket;
  once(event: string, listener: (...values: never[]) => void): Socket;
  send(data: Uint8Array, options?: { binary: boolean }): void;
  ping(data: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
}
interface Library {
  WebSocket: new (url: string | null, protocols?: string[], options?: object) => Socket;
  WebSocketServer: new (options: object) => Socket & { close(): void };
}
const require = createRequire(new URL('../../proxy/package.json', import.meta.url));
const { WebSocket, WebSocketServer } = require('ws') as Library;

const MAX_PAYLOAD = 64 * 1024 * 1024;
/** Streams of one HTTP/2 connection: rp takes 128. */
const PER_SESSION = 100;
/** The sizes that every hundredth connection sends; the others send the small ones only. */
const SMALL = [1, 125, 126, 1_000, 65_535, 65_536];
const LARGE = [...SMALL, 1_000_000, 16 * 1024 * 1024];

/** A server of ws that echoes, and closes with the code that it is told in a text `close:CODE`. */
async function startServer(): Promise<{ url: string; open: () => number; close: () => void }> {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server, maxPayload: MAX_PAYLOAD });
  let open = 0;
  sockets.on('connection', (socket: Socket) => {
    open++;
    socket.on('close', () => void open--);
    socket.on('message', (data: Buffer, binary: boolean) => {
      const text = binary ? '' : data.toString();
      if (text.startsWith('close:')) socket.close(Number(text.slice(6)), 'as you wish');
      else socket.send(data, { binary });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    sockets.close();
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, open: () => open, close };
}

/** Rejects when nothing comes of it in time. */
function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing for 60 s`)), 60_000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function opened(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', (error: Error) => reject(error));
  });
}

/** ws speaks through any duplex stream, once it believes the handshake. */
function overStream(session: http2.ClientHttp2Session): Promise<Socket> {
  const socket = new WebSocket(null, undefined, {});
  for (const [name, value] of Object.entries({ _isServer: false, _autoPong: true, _closeTimeout: 10_000 }))
    Reflect.set(socket, name, value);
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', 'sec-websocket-version': '13' },
    { endStream: false },
  );
  const open = opened(socket);
  stream.on('error', (error) =>
    (socket as unknown as { emit(...event: unknown[]): void }).emit('error', error),
  );
  stream.on('response', (headers) => {
    if (headers[':status'] !== 200) return void stream.destroy(new Error(`status ${headers[':status']}`));
    const duplex: Duplex = Object.assign(stream, { setNoDelay: () => stream });
    const options = { allowSynchronousEvents: true, maxPayload: MAX_PAYLOAD, skipUTF8Validation: false };
    (socket as unknown as { setSocket(s: Duplex, head: Buffer, options: object): void }).setSocket(
      duplex,
      Buffer.alloc(0),
      options,
    );
  });
  return open;
}

async function openAll(rp: SecureRp, ca: string, connections: number): Promise<Socket[]> {
  const half = Math.ceil(connections / 2);
  const sockets: Promise<Socket>[] = [];
  const options = { ca, servername: 'localhost', maxPayload: MAX_PAYLOAD, perMessageDeflate: false };
  for (let i = 0; i < half; i++) {
    sockets.push(opened(new WebSocket(`wss://127.0.0.1:${rp.port}/`, [], options)));
    // In small groups: each is a handshake.
    if (i % 25 === 24) await Promise.all(sockets.slice(-25));
  }
  for (let left = connections - half; left > 0; left -= PER_SESSION) {
    const session = http2.connect(`https://127.0.0.1:${rp.port}`, { ca, servername: 'localhost' });
    session.unref();
    await new Promise((resolve, reject) => session.once('remoteSettings', resolve).once('error', reject));
    for (let i = 0; i < Math.min(left, PER_SESSION); i++) sockets.push(overStream(session));
  }
  return inTime('opening', Promise.all(sockets));
}

/** Sends a message of each size, and waits for its echo. */
async function converse(socket: Socket, sizes: readonly number[], noise: Buffer): Promise<void> {
  for (const size of sizes) {
    const sent = Buffer.alloc(size);
    for (let at = 0; at < size; at += noise.length) noise.copy(sent, at);
    const echo = new Promise<Buffer>((resolve) => socket.once('message', (data: Buffer) => resolve(data)));
    socket.send(sent, { binary: true });
    if (!(await inTime(`a message of ${size} bytes`, echo)).equals(sent))
      throw new Error(`other ${size} bytes`);
  }
  const pong = new Promise<void>((resolve) => socket.once('pong', () => resolve()));
  socket.ping('x');
  await inTime('pong', pong);
}

/** Closes from one side or the other; both must see the code. */
async function closeBy(socket: Socket, byServer: boolean): Promise<void> {
  const code = byServer ? 4002 : 4001;
  const closed = new Promise<number>((resolve) => socket.once('close', (got: number) => resolve(got)));
  if (byServer) socket.send(Buffer.from(`close:${code}`), { binary: false });
  else socket.close(code, 'enough');
  const got = await inTime('close', closed);
  if (got !== code) throw new Error(`closed with ${got} in place of ${code}`);
}

/** How many of these failed, and the first reasons. */
async function tally(work: readonly Promise<unknown>[]): Promise<{ failed: number; reasons: string[] }> {
  const failures = (await Promise.allSettled(work)).filter((one) => one.status === 'rejected');
  return { failed: failures.length, reasons: failures.slice(0, 3).map(({ reason }) => String(reason)) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '1000' },
      'seed-kib': { type: 'string', default: '256' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const connections = Number(values.connections);
  const noise = randomBytes(Number(values['seed-kib']) * 1024);
  const group = new ProcessGroup();
  const server = await startServer();
  try {
    const authority = new Authority(group.folder('authority'));
    const plan: SecurePlan = { certificates: [authority.issue('localhost')], backend: server.url };
    const rp = await SecureRp.start(group, plan);
    const sockets = await openAll(rp, authority.rootPem, connections);
    const say = async (part: string, outcome: { failed: number; reasons: string[] }): Promise<void> => {
      const { requests } = await rp.stats();
      const { resident } = await rp.memory();
      const figures = { tunnels: requests?.activeTunnels, residentMiB: Math.round(resident / 2 ** 20) };
      console.log(
        JSON.stringify({
          part,
          connections: sockets.length,
          atServer: server.open(),
          ...outcome,
          ...figures,
        }),
      );
      if (outcome.failed > 0) process.exitCode = 1;
    };
    const talk = (): Promise<{ failed: number; reasons: string[] }> =>
      tally(sockets.map((socket, i) => converse(socket, i % 100 === 0 ? LARGE : SMALL, noise)));
    await say('messages and pings', await talk());
    rp.reload({ ...plan, more: 'limits: { headers: 16KB }\n' });
    await until('the reload', () => rp.log().some(({ msg }) => msg === 'reloaded'));
    await say('the same after a reload', await talk());
    await say('close codes', await tally(sockets.map((socket, i) => closeBy(socket, i % 2 === 0))));
    await until('all are closed at the server', () => server.open() === 0);
    await until('no tunnel is left', async () => (await rp.stats()).requests?.activeTunnels === 0);
  } finally {
    server.close();
    await group.close();
  }
}

await main();
