import net from 'node:net';
import { field, readBody, readHead, type Head, type Message } from './message.ts';
import { until } from './wait.ts';

/** One connection that the backend accepted, with every byte that came on it. */
export class BackendSocket {
  readonly socket: net.Socket;
  readonly #chunks: Buffer[] = [];
  #joined: Buffer = Buffer.alloc(0);
  ended = false;
  closed = false;
  /** Where the next request begins. */
  at = 0;
  headSeen = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', () => socket.destroy());
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
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

  end(data: string | Uint8Array = ''): void {
    this.write(data);
    this.socket.end();
  }

  reset(): void {
    // A socket that is shutting down cannot be reset: Node would neither close it nor say so.
    if (this.socket.writableEnded) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }
}

export type Handler = (request: Message, connection: BackendSocket) => void;

export interface BackendScript {
  /** Called when a request is complete. Default: a small answer. */
  onRequest?: Handler;
  /** Called as soon as a head is there. */
  onHead?: (head: Head, connection: BackendSocket) => void;
  onConnection?: (connection: BackendSocket) => void;
}

/** `HTTP/1.1 200 OK` with a body of a known length. */
export function ok(body: string | Buffer = 'ok', ...lines: string[]): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const head = ['HTTP/1.1 200 OK', ...lines, `Content-Length: ${bytes.length}`, '', ''].join('\r\n');
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}

/** A backend on a raw socket: records every byte, and answers with whatever bytes the script says. */
export class RecordingBackend {
  readonly script: BackendScript;
  readonly connections: BackendSocket[] = [];
  readonly requests: Message[] = [];
  readonly #server: net.Server;
  port = 0;

  private constructor(script: BackendScript) {
    this.script = script;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accepted(socket),
    );
  }

  static async start(script: BackendScript | Handler = {}, port = 0): Promise<RecordingBackend> {
    const backend = new RecordingBackend(typeof script === 'function' ? { onRequest: script } : script);
    backend.#server.listen(port, '127.0.0.1');
    await until(() => backend.#server.listening);
    backend.port = (backend.#server.address() as net.AddressInfo).port;
    return backend;
  }

  /** A backend whose every answer is `bytes`, sent when the request is complete; `then` may end the connection. */
  static answering(
    bytes: string | Uint8Array,
    then: 'keep' | 'end' | 'reset' = 'keep',
  ): Promise<RecordingBackend> {
    return RecordingBackend.start((_request, connection) => {
      connection.write(bytes);
      if (then === 'end') connection.end();
      else if (then === 'reset') connection.socket.once('drain', () => connection.reset());
    });
  }

  /** Everything that ever came. */
  get text(): string {
    return this.connections.map((connection) => connection.text).join('');
  }

  get open(): number {
    return this.connections.filter((connection) => !connection.closed).length;
  }

  async received(count: number): Promise<void> {
    await until(() => this.requests.length >= count);
  }

  /** Accepts no more; what is open stays. */
  stopListening(): void {
    this.#server.close();
  }

  /** Stops listening and resets every connection. */
  async kill(): Promise<void> {
    for (const connection of this.connections) if (!connection.closed) connection.reset();
    await this.close();
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const connection of this.connections) connection.socket.destroy();
    await until(() => !this.#server.listening && this.open === 0);
  }

  #accepted(socket: net.Socket): void {
    const connection = new BackendSocket(socket);
    this.connections.push(connection);
    this.script.onConnection?.(connection);
    socket.on('data', (chunk: Buffer) => {
      connection.push(chunk);
      this.#read(connection);
    });
    socket.on('end', () => socket.end());
  }

  #read(connection: BackendSocket): void {
    for (;;) {
      const { bytes } = connection;
      const head = readHead(bytes, connection.at);
      if (head === undefined) return;
      if (!connection.headSeen) {
        connection.headSeen = true;
        this.script.onHead?.(head, connection);
      }
      const read = readBody(bytes, head, false, false);
      if (read === undefined) return;
      const request: Message = {
        start: head.start,
        fields: head.fields,
        body: read.body,
        trailers: read.trailers,
        framed: true,
      };
      this.requests.push(request);
      connection.at = read.end;
      connection.headSeen = false;
      if (this.script.onRequest !== undefined) this.script.onRequest(request, connection);
      else if (this.script.onHead === undefined) connection.write(ok());
      if (field(request, 'upgrade') !== undefined) return;
    }
  }
}
