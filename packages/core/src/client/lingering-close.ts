import type { Socket } from 'node:net';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';
import { LINGER, MAX_LINGER_BYTES } from './bounds.ts';

/**
 * Ends a connection so that the last response arrives: our end of stream first, then what the client still sends is
 * read for a moment. Closing with unread bytes would send a reset, which discards what is under way to the client
 * (RFC 9112 §9.6).
 */
export class LingeringClose extends Timer {
  readonly #runtime: Runtime;
  readonly #socket: Socket;
  #discarded = 0;

  constructor(runtime: Runtime, socket: Socket) {
    super();
    this.#runtime = runtime;
    this.#socket = socket;
    socket.end();
    socket.resume();
    this.#wait();
  }

  /** The client still sends. */
  discard(length: number): void {
    this.#discarded += length;
    if (this.#discarded > MAX_LINGER_BYTES) this.#socket.destroy();
  }

  /** A slow reader gets all of its response: whether it takes something is watched elsewhere. */
  override expired(): void {
    if (this.#socket.writableLength > 0) this.#wait();
    else this.#socket.destroy();
  }

  close(): void {
    this.#runtime.wheel.remove(this);
  }

  #wait(): void {
    this.#runtime.wheel.arm(this, LINGER, this.#runtime.now);
  }
}
