import type { Backend } from './backend.ts';
import { checkedInteger, checkedNumber } from './error.ts';
import {
  type BackendTable,
  Cell,
  Counter,
  elapsed,
  Header,
  latencyBuckets,
  moment,
  read,
} from './shared-state.ts';

/**
 * Weights that follow the response time: slower backends than the average get less, faster ones more. For
 * the algorithms that know weights; `ip-hash` keeps the configured ones, because clients would move.
 */
export interface AdaptiveWeightOptions {
  /** Time between two adaptations in ms; 100 to 3,600,000, default 5,000. */
  readonly intervalMs: number;
  /** Least share of the configured weight, 0.0625 to 1; default 0.25. Too small never measures again. */
  readonly minimum: number;
  /** Greatest multiple of the configured weight, 1 to 16; default 2. */
  readonly maximum: number;
}

export const adaptiveWeightDefaults: AdaptiveWeightOptions = { intervalMs: 5_000, minimum: 0.25, maximum: 2 };

/** Responses that a backend must have given in the interval to be judged by them. */
const enoughResponses = 10;

/** @throws {BalancerError} `invalidOption` for a value out of range */
export function adaptiveWeightOptions(options: Partial<AdaptiveWeightOptions>): AdaptiveWeightOptions {
  const all = { ...adaptiveWeightDefaults, ...options };
  checkedInteger('adaptiveWeights.intervalMs', all.intervalMs, 100, 3_600_000);
  checkedNumber('adaptiveWeights.minimum', all.minimum, 0.0625, 1);
  checkedNumber('adaptiveWeights.maximum', all.maximum, 1, 16);
  return all;
}

interface Seen {
  responses: number;
  latencySum: number;
}

/** Adapts the weight cells from the mean latencies of the last interval, in whichever thread comes first. */
export class AdaptiveWeights {
  readonly options: AdaptiveWeightOptions;
  readonly #table: BackendTable;
  readonly #seen: Map<number, Seen>;

  constructor(options: AdaptiveWeightOptions, table: BackendTable) {
    this.options = options;
    this.#table = table;
    this.#seen = new Map();
  }

  /**
   * Adapts when an interval has passed.
   *
   * @returns ms until the next time; negative when weights have changed just now
   */
  settle(backends: readonly Backend[], now: number): number {
    const { cells } = this.#table;
    const last = read(cells, Header.adaptedAt);
    const passed = elapsed(last, now);
    if (last !== 0 && passed >= 0 && passed < this.options.intervalMs)
      return this.options.intervalMs - passed;
    const mine = Atomics.compareExchange(cells, Header.adaptedAt, last, moment(now)) === last;
    return mine && this.#adapt(backends) ? -this.options.intervalMs : this.options.intervalMs;
  }

  #adapt(backends: readonly Backend[]): boolean {
    const means = backends.map((backend) => this.#meanSinceLast(backend));
    const known = means.filter((mean) => mean > 0);
    const average = known.reduce((sum, mean) => sum + mean, 0) / known.length;
    let changed = false;
    backends.forEach((backend, at) => {
      const mean = means[at] ?? 0;
      // Too few answers to judge: back towards the configured weight.
      const wanted = mean > 0 ? average / mean : 1;
      const factor = Math.min(this.options.maximum, Math.max(this.options.minimum, wanted));
      if (this.#moveTowards(backend, factor)) changed = true;
    });
    return changed;
  }

  /** Half of the way each time: the whole way would make two backends take turns at being slow. */
  #moveTowards(backend: Backend, factor: number): boolean {
    const cell = backend.cell + Cell.weight;
    const before = read(this.#table.cells, cell);
    const target = backend.weight * 16 * factor;
    const after = Math.max(1, Math.round((before + target) / 2));
    if (after === before) return false;
    Atomics.store(this.#table.cells, cell, after);
    return true;
  }

  #meanSinceLast(backend: Backend): number {
    const now: Seen = { responses: 0, latencySum: this.#table.total(backend.index, Counter.latencySum) };
    for (let bucket = 0; bucket <= latencyBuckets.length; bucket++) {
      now.responses += this.#table.total(backend.index, Counter.latencyBucket + bucket);
    }
    const before = this.#seen.get(backend.index);
    this.#seen.set(backend.index, now);
    if (before === undefined) return 0;
    const responses = now.responses - before.responses;
    if (responses < enoughResponses) return 0;
    return (now.latencySum - before.latencySum) / responses;
  }
}
