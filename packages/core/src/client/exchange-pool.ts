import type { Downstream } from '../downstream.ts';
import { Exchange } from '../exchange.ts';
import type { Runtime } from '../runtime.ts';
import { MAX_SPARE_EXCHANGES } from './bounds.ts';

/**
 * Exchanges that serve one request after the other on any HTTP/1 connection of a listener: a connection that idles
 * has none, which is a sixth of its memory.
 */
export class ExchangePool {
  readonly #runtime: Runtime;
  readonly #spare: Exchange[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  take(downstream: Downstream): Exchange {
    const exchange = this.#spare.pop();
    if (exchange === undefined) return new Exchange(this.#runtime, downstream);
    exchange.downstream = downstream;
    return exchange;
  }

  give(exchange: Exchange): void {
    if (exchange.reusable && this.#spare.length < MAX_SPARE_EXCHANGES) this.#spare.push(exchange);
  }
}
