import { type Socket, connect } from 'node:net';
import { type ResponseHead, ResponseReader } from './response-reader.ts';

/** Why a request failed, as a client sees it. */
export type FailureKind =
  /** No connection: nothing listens. */
  | 'refused'
  /** No connection for another reason. */
  | 'connect'
  /** The connection was closed (or reset) after the request was sent, before any byte of the answer. */
  | 'closedBeforeResponse'
  /** The answer was cut short. */
  | 'closedMidResponse'
  /** Not well-formed HTTP. */
  | 'malformed'
  | 'timeout';

/** Where requests go. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** Own address to connect from: one address has about 28,000 ports only. */
  readonly localAddress?: string | undefined;
}

/** One request as bytes. */
export interface RequestBytes {
  readonly method: string;
  readonly bytes: Buffer;
}

/** Who drives the connection. */
export interface ConnectionOwner {
  /** The connection can take a request now. */
  onReady(connection: LoadConnection): void;
  /** The answer is complete. `ms` counts from the start given to {@link LoadConnection.send}. */
  onResponse(connection: LoadConnection, head: ResponseHead, ms: number): void;
  /** The request failed, or no connection could be made (`sent` is false then). The connection is gone. */
  onFailure(connection: LoadConnection, kind: FailureKind, sent: boolean): void;
  /** The connection ended while nothing was asked of it, or after an answer that said it would. */
  onClosed(connection: LoadConnection): void;
}

/** One keep-alive client connection with at most one request under way. */
export class LoadConnection {
  readonly target: Target;
  /** When the request under way was due, milliseconds of `performance.now()`. */
  startedAt = 0;
  readonly #owner: ConnectionOwner;
  #socket: Socket | undefined;
  #reader: ResponseReader;
  #waiting = false;
  #answered = false;
  #connected = false;
  #over = false;

  constructor(target: Target, owner: ConnectionOwner) {
    this.target = target;
    this.#owner = owner;
    this.#reader = this.#newReader();
  }

  /** Whether a request is under way. */
  get busy(): boolean {
    return this.#waiting;
  }

  /** Whether it can take a request. */
  get open(): boolean {
    return this.#connected && !this.#over;
  }

  /** Connects; `onReady` or `onFailure` follows. Also used to connect again after the end of a connection. */
  connect(): void {
    const { host, port, localAddress } = this.target;
    this.#over = false;
    this.#connected = false;
    this.#waiting = false;
    this.#answered = false;
    this.#reader = this.#newReader();
    const socket = connect({
      host,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#connected = true;
      this.#owner.onReady(this);
    });
    // Events of a socket that was replaced meanwhile say nothing about its successor.
    socket.on('data', (chunk: Buffer) => {
      if (this.#socket === socket) this.#onData(chunk);
    });
    const ended = (cause?: Error): void => {
      if (this.#socket === socket) this.#onEnd(cause);
    };
    socket.on('error', ended);
    socket.on('end', () => ended());
    socket.on('close', () => ended());
  }

  /** Sends a request; `due` is the moment the latency counts from. */
  send(request: RequestBytes, due: number): void {
    this.#waiting = true;
    this.#answered = false;
    this.startedAt = due;
    this.#reader.expect(request.method);
    this.#socket?.write(request.bytes);
  }

  /** Ends the connection without telling the owner. */
  destroy(): void {
    this.#over = true;
    this.#waiting = false;
    this.#socket?.destroy();
  }

  /** Gives up on the request under way. */
  expire(): void {
    this.#fail('timeout');
  }

  #newReader(): ResponseReader {
    return new ResponseReader({ onEnd: (head) => this.#onResponse(head) });
  }

  #onData(chunk: Buffer): void {
    if (this.#over) return;
    if (!this.#waiting) return this.#fail('malformed');
    this.#answered = true;
    if (!this.#reader.feed(chunk)) this.#fail('malformed');
  }

  #onResponse(head: ResponseHead): void {
    this.#waiting = false;
    const ms = performance.now() - this.startedAt;
    if (!head.keepAlive) this.destroy();
    this.#owner.onResponse(this, head, ms);
    if (head.keepAlive) {
      if (!this.#over) this.#owner.onReady(this);
    } else this.#owner.onClosed(this);
  }

  #onEnd(cause?: Error): void {
    if (this.#over) return;
    if (!this.#connected) {
      this.#fail(
        cause !== undefined && 'code' in cause && cause.code === 'ECONNREFUSED' ? 'refused' : 'connect',
      );
      return;
    }
    // A body that ends with the connection is complete only when the connection ended in order.
    if (this.#waiting && cause === undefined && this.#reader.end() === 'clean' && !this.#waiting) return;
    if (this.#waiting) return this.#fail(this.#answered ? 'closedMidResponse' : 'closedBeforeResponse');
    this.destroy();
    this.#owner.onClosed(this);
  }

  #fail(kind: FailureKind): void {
    if (this.#over) return;
    const sent = this.#connected;
    this.destroy();
    this.#owner.onFailure(this, kind, sent);
  }
}
