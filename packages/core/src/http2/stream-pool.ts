import type { Runtime } from '../runtime.ts';
import { MAX_SPARE_STREAMS } from './bounds.ts';
import { Http2Stream } from './stream.ts';

/** Streams, each with its exchange, that serve one request after the other on any session of a listener. */
export class StreamPool {
  readonly #runtime: Runtime;
  readonly #spare: Http2Stream[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  take(): Http2Stream {
    return this.#spare.pop() ?? new Http2Stream(this.#runtime);
  }

  give(stream: Http2Stream): void {
    if (stream.exchange.reusable && this.#spare.length < MAX_SPARE_STREAMS) this.#spare.push(stream);
  }
}
