import type { Socket } from 'node:net';
import { Counter } from './counters.ts';
import type { ChunkSource } from './read-buffers.ts';
import type { Runtime } from './runtime.ts';
import { Timer } from './timer-wheel.ts';

/** One end of a tunnel. */
export interface TunnelEnd {
  readonly socket: Socket;
  pauseReading(): void;
  resumeReading(): void;
  destroy(): void;
}

/**
 * Two connections that stopped being HTTP (RFC 9110 §7.8): bytes pass as they come, each side is read only as fast
 * as the other takes them, an end of stream is passed on, and nothing both ways for `timeouts.tunnel` ends it.
 */
export class Tunnel extends Timer {
  readonly #runtime: Runtime;
  readonly #client: TunnelEnd;
  readonly #backend: TunnelEnd;
  #open = true;
  #clientEnded = false;
  #backendEnded = false;

  constructor(runtime: Runtime, client: TunnelEnd, backend: TunnelEnd) {
    super();
    this.#runtime = runtime;
    this.#client = client;
    this.#backend = backend;
    runtime.counters.cells[Counter.tunnels]!++;
    runtime.counters.cells[Counter.tunnelsNow]!++;
    this.#progress();
  }

  fromClient(chunk: Buffer, length: number, source: ChunkSource): void {
    this.#runtime.counters.cells[Counter.bytesFromClients]! += length;
    this.#relay(this.#client, this.#backend, chunk, length, source);
  }

  fromBackend(chunk: Buffer, length: number, source: ChunkSource): void {
    this.#runtime.counters.cells[Counter.bytesToClients]! += length;
    this.#relay(this.#backend, this.#client, chunk, length, source);
  }

  clientDrained(): void {
    this.#progress();
    this.#backend.resumeReading();
  }

  backendDrained(): void {
    this.#progress();
    this.#client.resumeReading();
  }

  clientEnded(): void {
    this.#clientEnded = true;
    this.#ended(this.#backend);
  }

  backendEnded(): void {
    this.#backendEnded = true;
    this.#ended(this.#client);
  }

  clientClosed(): void {
    this.#close();
  }

  backendClosed(): void {
    this.#close();
  }

  override expired(): void {
    this.#close();
  }

  #relay(from: TunnelEnd, to: TunnelEnd, chunk: Buffer, length: number, source: ChunkSource): void {
    if (!this.#open) return;
    this.#progress();
    const bytes = chunk.subarray(0, length);
    const more = to.socket.write(source.shared ? Buffer.from(bytes) : bytes);
    if (to.socket.writableLength > 0) source.lend();
    if (!more) from.pauseReading();
  }

  #ended(other: TunnelEnd): void {
    if (!this.#open) return;
    other.socket.end();
    if (this.#clientEnded && this.#backendEnded) this.#close();
  }

  #progress(): void {
    this.#runtime.wheel.arm(this, this.#runtime.settings.timeouts.tunnel, this.#runtime.now);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#runtime.counters.cells[Counter.tunnelsNow]!--;
    this.#runtime.wheel.remove(this);
    closeAfterFlush(this.#client);
    closeAfterFlush(this.#backend);
  }
}

/** What was accepted for this end still reaches it, if it takes it soon. */
function closeAfterFlush(end: TunnelEnd): void {
  if (end.socket.writableLength === 0) end.destroy();
  else end.socket.destroySoon();
}
