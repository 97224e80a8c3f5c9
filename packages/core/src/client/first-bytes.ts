import { CLIENT_PREFACE } from '@rp/parser';
import type { ByteReader, ReadableClient } from '../client-socket.ts';
import type { ProxyFailure } from '../failure.ts';
import type { ClientConnection } from '../listener.ts';
import { ownedChunk, type ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';

const preface: Buffer = Buffer.from(CLIENT_PREFACE, 'latin1');

/** Makes the connection that the first bytes ask for. */
type Choose = (http2: boolean, client: ReadableClient) => ClientConnection & ByteReader;

/**
 * A connection without TLS on a listener that takes HTTP/2 with prior knowledge (RFC 9113 §3.3): what it speaks is
 * known when its bytes differ from the preface, or are all of it. Then it hands everything over, and is only what the
 * listener holds on to.
 */
export class FirstBytes extends Timer implements ByteReader, ClientConnection {
  readonly #runtime: Runtime;
  readonly #choose: Choose;
  readonly #closed: (connection: ClientConnection) => void;
  readonly #client: ReadableClient;
  readonly address: string;
  readonly #onError = (): void => void this.#client.socket.destroy();
  readonly #onEnd = (): void => void this.#client.socket.end();
  readonly #onClose = (): void => this.#gone();
  #held: Buffer | undefined = undefined;
  #chosen: (ClientConnection & ByteReader) | undefined = undefined;

  constructor(
    runtime: Runtime,
    read: (reader: ByteReader) => ReadableClient,
    address: string,
    choose: Choose,
    closed: (connection: ClientConnection) => void,
  ) {
    super();
    this.#runtime = runtime;
    this.#choose = choose;
    this.#closed = closed;
    this.address = address;
    this.#client = read(this);
    const { socket } = this.#client;
    socket.on('error', this.#onError);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    runtime.wheel.arm(this, runtime.settings.timeouts.header, runtime.touch());
  }

  get isIdle(): boolean {
    return this.#chosen?.isIdle ?? true;
  }

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    if (this.#chosen !== undefined) return this.#chosen.read(chunk, length, source);
    this.#runtime.touch();
    const held = this.#held;
    const seen = held?.length ?? 0;
    const count = Math.min(length, preface.length - seen);
    const http2 = preface.compare(chunk, 0, count, seen, seen + count) === 0;
    if (http2 && seen + count < preface.length) {
      const bytes = Buffer.from(chunk.subarray(0, length));
      this.#held = held === undefined ? bytes : Buffer.concat([held, bytes]);
      return;
    }
    this.#handOver(http2);
    if (held !== undefined) this.#chosen!.read(held, held.length, ownedChunk);
    this.#chosen!.read(chunk, length, source);
  }

  #handOver(http2: boolean): void {
    this.#held = undefined;
    this.#runtime.wheel.remove(this);
    const { socket } = this.#client;
    this.#chosen = this.#choose(http2, this.#client);
    // The listener knows this object, which goes when the socket does.
    socket.off('error', this.#onError);
    socket.off('end', this.#onEnd);
  }

  override expired(): void {
    this.#client.socket.destroy();
  }

  drain(grace: number): void {
    if (this.#chosen !== undefined) this.#chosen.drain(grace);
    else this.#runtime.wheel.arm(this, grace, this.#runtime.touch());
  }

  terminate(failure: ProxyFailure): void {
    if (this.#chosen !== undefined) this.#chosen.terminate(failure);
    else this.#client.socket.destroy();
  }

  #gone(): void {
    this.#runtime.wheel.remove(this);
    if (this.#chosen === undefined) this.#client.buffer?.free();
    this.#closed(this);
  }
}
