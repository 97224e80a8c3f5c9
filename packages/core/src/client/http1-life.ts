import type { Socket } from 'node:net';
import type { ReadableClient } from '../client-socket.ts';
import { ConnectionState, ConnectionStateMachine } from '../connection-state.ts';
import type { ProxyFailure } from '../failure.ts';
import type { ClientConnection } from '../listener.ts';
import type { ChunkSource, SwitchingBuffer } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import type { Http1Response } from './http1-response.ts';
import { LingeringClose } from './lingering-close.ts';
import { RequestDeadline, type DeadlineOwner } from './request-deadline.ts';

const { idle, closing } = ConnectionState;

/** The life of an HTTP/1 client connection: its socket, when that is read, and how it ends. */
export abstract class Http1Life implements ClientConnection, DeadlineOwner {
  protected readonly runtime: Runtime;
  protected readonly state: ConnectionStateMachine;
  protected readonly deadline: RequestDeadline;
  protected abstract readonly response: Http1Response;
  readonly #onClose: (connection: ClientConnection) => void;
  #socket: Socket = undefined as unknown as Socket;
  #buffer: SwitchingBuffer | undefined = undefined;
  #linger: LingeringClose | undefined = undefined;
  protected halfClosed = false;
  /** Everything of the current request was read. */
  protected requestRead = true;
  #paused = false;

  constructor(runtime: Runtime, onClose: (connection: ClientConnection) => void) {
    this.runtime = runtime;
    this.#onClose = onClose;
    this.state = new ConnectionStateMachine(runtime.counters);
    this.deadline = new RequestDeadline(runtime, this);
  }

  /** The socket to write to, once reading is set up on it. */
  open(client: ReadableClient): void {
    this.runtime.touch();
    const { socket } = client;
    this.#socket = socket;
    this.#buffer = client.buffer;
    this.response.open(socket);
    socket.on('error', (error) => this.#contained('error', error));
    socket.on('end', () => this.#contained('end'));
    socket.on('drain', () => this.#contained('drain'));
    socket.on('close', () => this.#contained('close'));
    this.deadline.idle(this.runtime.settings.timeouts.header);
  }

  get socket(): Socket {
    return this.#socket;
  }

  get address(): string {
    return this.response.address;
  }

  get isIdle(): boolean {
    return this.state.current === idle;
  }

  // ---- What becomes of it is decided elsewhere -----------------------------------------------------------------

  protected abstract received(chunk: Buffer, length: number, source: ChunkSource): void;
  /** The client's end of stream. */
  protected abstract ended(): void;
  /** The client took what waited for it. */
  protected abstract drained(): void;
  /** Whatever is under way has no client any more. */
  protected abstract gone(detail: string, cause?: Error): void;
  /** The socket is closed: everything that is left is given back. */
  protected abstract closed(): void;
  abstract terminate(failure: ProxyFailure): void;
  abstract headLate(): void;
  abstract bodyLate(): void;
  abstract perhapsGone(): void;

  #contained(event: 'error' | 'end' | 'drain' | 'close', cause?: Error): void {
    this.runtime.touch();
    try {
      if (event === 'drain') this.drained();
      else if (event === 'end') this.#ended();
      else if (event === 'close') this.#closed();
      else this.gone(cause!.message, cause);
    } catch (error) {
      this.runtime.internalError(error, this.#socket);
    }
  }

  // ---- Reading --------------------------------------------------------------------------------------------------

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    this.runtime.touch();
    try {
      if (this.#linger === undefined) this.received(chunk, length, source);
      else this.#linger.discard(length);
    } catch (error) {
      this.runtime.internalError(error, this.#socket);
    }
  }

  /** Bytes that stream have a buffer of their own. */
  protected streaming(on: boolean): void {
    this.#buffer?.streaming(on);
  }

  /** The body makes progress, or is due from now on. */
  continued(): void {
    const due = this.deadline.awaitsBody || (this.deadline.awaitsNothing && !this.#paused);
    if (due && !this.requestRead) this.deadline.body();
  }

  pauseRequest(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
    // While the backend is the slow one, the client is not to blame.
    if (this.deadline.awaitsBody) this.deadline.nothing();
  }

  resumeRequest(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    this.continued();
  }

  /** The same for a tunnel, whose bytes are no request. */
  pauseReading(): void {
    this.pauseRequest();
  }

  resumeReading(): void {
    this.resumeRequest();
  }

  // ---- The end --------------------------------------------------------------------------------------------------

  /** Shutting down: an idle connection ends after a moment in which a request under way still arrives. */
  drain(grace: number): void {
    if (this.isIdle) this.deadline.idle(grace);
  }

  idleLong(): void {
    this.close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  cutOff(failure: ProxyFailure, reset: boolean): void {
    this.runtime.log.info({ client: this.address, code: failure.code }, 'a response was cut');
    this.state.go(closing);
    // What TLS ends without its own goodbye is known to be cut (RFC 8446 §6.1), and it knows no reset.
    if (reset && !this.response.secure) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  protected abort(): void {
    if (this.state.current !== closing) this.state.go(closing);
    this.#socket.destroy();
  }

  protected close(): void {
    if (this.state.current === closing) return;
    this.state.go(closing);
    this.response.writeNow();
    this.deadline.nothing();
    this.#linger = new LingeringClose(this.runtime, this.#socket);
  }

  #ended(): void {
    this.halfClosed = true;
    if (this.state.current === closing) this.#socket.destroySoon();
    else this.ended();
  }

  #closed(): void {
    try {
      this.closed();
    } finally {
      this.deadline.close();
      this.response.close();
      this.#linger?.close();
      this.#buffer?.free();
      this.state.gone();
      this.#onClose(this);
    }
  }
}
