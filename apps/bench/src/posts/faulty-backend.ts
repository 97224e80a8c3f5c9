import { type Server, type Socket, createServer } from 'node:net';
import type { Random } from '../random.ts';

/** What is done to one connection or request. */
const WAYS = [
  'answer',
  'answerAndClose',
  'answerAndCloseLater',
  'refuse',
  'resetAtHead',
  'resetAtBody',
  'endAtBody',
  'halfHead',
  'halfBody',
  'error',
  'stall',
] as const;
type Way = (typeof WAYS)[number];

/** Of a hundred connections, so many are closed right after they were accepted. */
const CLOSED_AT_ONCE = 5;
const ID = /^x-id: (\S+)/im;

/**
 * A backend on raw sockets that treats most requests badly, each in its way, and keeps book of every request head that
 * it got to see: whatever came back, that request was perhaps acted on.
 */
export class FaultyBackend {
  /** How often each request was seen. */
  readonly seen: Map<string, number> = new Map();
  /** Requests by how they were treated. */
  readonly treated: Map<Way, number> = new Map();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accepted(socket));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', 1024, resolve);
    });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the OS gave no port');
    return address.port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accepted(socket: Socket): void {
    this.#sockets.add(socket);
    // The proxy gives connections up as it likes; 'close' follows.
    socket.on('error', () => socket.destroy()).on('close', () => this.#sockets.delete(socket));
    if (this.#random.below(100) < CLOSED_AT_ONCE) return reset(socket);
    let received = '';
    let way: Way | undefined;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      for (;;) {
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        way ??= this.#record(received.slice(0, end));
        if (way === 'resetAtHead') return reset(socket);
        const length = Number(/^content-length: (\d+)/im.exec(received)?.[1] ?? 0);
        if (received.length < end + 4 + length) return;
        received = received.slice(end + 4 + length);
        treat(socket, way);
        way = undefined;
      }
    });
  }

  #record(head: string): Way {
    const id = ID.exec(head)?.[1] ?? 'none';
    this.seen.set(id, (this.seen.get(id) ?? 0) + 1);
    const way = WAYS[this.#random.below(WAYS.length)] ?? 'answer';
    this.treated.set(way, (this.treated.get(way) ?? 0) + 1);
    return way;
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function treat(socket: Socket, way: Way): void {
  switch (way) {
    case 'answer':
    case 'refuse':
      socket.write(way === 'answer' ? OK : 'HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno');
      return;
    case 'error':
      socket.write('HTTP/1.1 500 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
      return void socket.end();
    case 'answerAndClose':
      // Without saying so: the next request meets a connection that is closing.
      return void socket.end(OK);
    case 'answerAndCloseLater':
      socket.write(OK);
      setTimeout(() => reset(socket), 1);
      return;
    case 'halfHead':
      socket.write('HTTP/1.1 200 O');
      setTimeout(() => reset(socket), 2);
      return;
    case 'halfBody':
      return void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf');
    case 'endAtBody':
      return void socket.end();
    case 'stall':
      return;
    case 'resetAtHead':
    case 'resetAtBody':
      return reset(socket);
  }
}

function reset(socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy();
}
