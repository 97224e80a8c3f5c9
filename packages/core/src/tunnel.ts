import { Counter } from './counters.ts';
import type { ChunkSource } from './read-buffers.ts';
import type { Runtime } from './runtime.ts';
import { Timer } from './timer-wheel.ts';

/** What takes the bytes of a tunnel: a socket, or an HTTP/2 stream. */
export interface TunnelSink {
  /** Bytes that were not handed on yet, and whose memory is still in use. */
  readonly writableLength: number;
  /** False: wait until the tunnel is told that the sink drained. */
  write(bytes: Buffer): boolean;
  end(): void;
  destroySoon(): void;
}

/** One end of a tunnel. */
export interface TunnelEnd {
  readonly socket: TunnelSink;
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
  #closedEnds = 0;

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
    this.#closed();
  }

  backendClosed(): void {
    this.#closed();
  }

  /** Nothing both ways, or an end that does not take its last bytes: there is nobody to be patient with. */
  override expired(): void {
    this.#close();
    this.#runtime.wheel.remove(this);
    this.#client.destroy();
    this.#backend.destroy();
  }

  #closed(): void {
    this.#close();
    if (++this.#closedEnds === 2) this.#runtime.wheel.remove(this);
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
    const { wheel, settings, now } = this.#runtime;
    const clientFlushed = closeAfterFlush(this.#client);
    const backendFlushed = closeAfterFlush(this.#backend);
    if (clientFlushed && backendFlushed) wheel.remove(this);
    else wheel.arm(this, settings.timeouts.write, now);
  }
}

/** What was accepted for this end still reaches it, if it takes it soon. False: something is left. */
function closeAfterFlush(end: TunnelEnd): boolean {
  const flushed = end.socket.writableLength === 0;
  if (flushed) end.destroy();
  else end.socket.destroySoon();
  return flushed;
}
