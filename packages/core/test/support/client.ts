import net from 'node:net';
import { readResponses, type Message } from './message.ts';
import { until } from './wait.ts';

/** A client that sends whatever bytes it is told to, and keeps what comes. */
export class RawClient {
  readonly socket: net.Socket;
  readonly #chunks: Buffer[] = [];
  #joined: Buffer = Buffer.alloc(0);
  /** The other side ended in order. */
  ended = false;
  closed = false;
  error: NodeJS.ErrnoException | undefined;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    socket.on('end', () => (this.ended = true));
    socket.on('error', (error) => (this.error = error));
    socket.on('close', () => (this.closed = true));
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = net.connect({ port, host, allowHalfOpen: true, noDelay: true });
    const client = new RawClient(socket);
    await until(() => !socket.connecting);
    return client;
  }

  get bytes(): Buffer {
    if (this.#chunks.length > 0) this.#joined = Buffer.concat([this.#joined, ...this.#chunks.splice(0)]);
    return this.#joined;
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  write(data: string | Uint8Array): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** Nothing more to say. */
  half(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Waits for `count` final responses (interim ones come besides) and returns everything. */
  async responses(count: number, methods: readonly string[] = []): Promise<Message[]> {
    let found: Message[] = [];
    await until(() => {
      found = readResponses(this.bytes, methods, this.ended);
      return (
        this.ended ||
        this.closed ||
        found.filter((one) => Number(one.start.slice(9, 12)) >= 200).length >= count
      );
    });
    return found;
  }

  async response(method = 'GET'): Promise<Message> {
    const all = await this.responses(1, [method]);
    const last = all.at(-1);
    if (last === undefined) throw new Error(`no response, but ${JSON.stringify(this.text.slice(0, 200))}`);
    return last;
  }

  async receives(text: string): Promise<void> {
    await until(() => this.text.includes(text) || this.closed);
    if (!this.text.includes(text)) throw new Error(`got only ${JSON.stringify(this.text.slice(0, 500))}`);
  }

  /** Waits until the other side has ended or reset the connection. */
  async gone(): Promise<void> {
    await until(() => this.ended || this.closed);
  }
}

/** Sends `bytes` on a connection of its own and returns what came until its end. */
export async function exchange(port: number, bytes: string | Uint8Array): Promise<RawClient> {
  const client = await RawClient.connect(port);
  client.write(bytes);
  await client.gone();
  client.destroy();
  return client;
}

/** One request, one response, and the connection is closed from this side. */
export async function ask(port: number, bytes: string | Uint8Array, method = 'GET'): Promise<Message> {
  const client = await RawClient.connect(port);
  client.write(bytes);
  const response = await client.response(method);
  client.destroy();
  return response;
}

export const status = (message: Message): number => Number(message.start.slice(9, 12));
