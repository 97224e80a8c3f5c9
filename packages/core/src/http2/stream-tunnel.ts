import { ErrorCode } from '@rp/parser';
import type { TunnelEnd, TunnelSink } from '../tunnel.ts';

/** What the end of a tunnel needs of its stream, be it a client's or one to a backend. */
export interface TunnelStream {
  /** Octets that wait to be sent. */
  readonly waiting: number;
  /** False: wait until the tunnel is told that the stream drained. */
  tunnelWrite(bytes: Buffer): boolean;
  sendEnd(trailers: undefined): void;
  /** No more bytes will come either way; what waits still goes out. */
  tunnelClosed(): void;
  reset(code: ErrorCode): void;
  pauseReading(): void;
  resumeReading(): void;
}

/** A stream as one end of a tunnel: bytes travel as DATA, an end of stream as END_STREAM (RFC 8441 §5). */
export class StreamTunnelEnd implements TunnelEnd, TunnelSink {
  #stream: TunnelStream | undefined;

  constructor(stream: TunnelStream) {
    this.#stream = stream;
  }

  /** The stream is closed, and may serve another request: it is not this end's any more. */
  detach(): void {
    this.#stream = undefined;
  }

  get socket(): TunnelSink {
    return this;
  }

  get writableLength(): number {
    return this.#stream?.waiting ?? 0;
  }

  write(bytes: Buffer): boolean {
    return this.#stream?.tunnelWrite(bytes) ?? true;
  }

  end(): void {
    this.#stream?.sendEnd(undefined);
  }

  /** What waits still goes out, then the stream ends. */
  destroySoon(): void {
    this.#stream?.tunnelClosed();
  }

  destroy(): void {
    this.#stream?.tunnelClosed();
    this.#stream?.reset(ErrorCode.CANCEL);
  }

  pauseReading(): void {
    this.#stream?.pauseReading();
  }

  resumeReading(): void {
    this.#stream?.resumeReading();
  }
}
