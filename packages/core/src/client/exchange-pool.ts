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

  /** `exchange` has ended. A handler that was told of its end may still look at it, and must not see another's. */
  give(exchange: Exchange): void {
    const { responseSent, error } = this.#runtime.hooks;
    if (exchange.active || responseSent.active || error.active) return;
    if (this.#spare.length < MAX_SPARE_EXCHANGES) this.#spare.push(exchange);
  }
}
