import { ErrorCode } from '@rp/parser';
import type { TunnelEnd, TunnelSink } from '../tunnel.ts';
import type { Http2Stream } from './stream.ts';

/** A stream as one end of a tunnel: bytes travel as DATA, an end of stream as END_STREAM (RFC 8441 §5). */
export class StreamTunnelEnd implements TunnelEnd, TunnelSink {
  #stream: Http2Stream | undefined;

  constructor(stream: Http2Stream) {
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
    this.#stream?.pauseRequest();
  }

  resumeReading(): void {
    this.#stream?.resumeRequest();
  }
}
