/** Upper bounds of the histogram's buckets in milliseconds; one more bucket takes what is slower. */
const BOUNDS_MS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** Weight of the newest connect in the moving average. */
const NEWEST_WEIGHT = 0.2;

/** How long connects took. */
export interface ConnectTimes {
  /** Connects that succeeded. */
  readonly count: number;
  /** Sum in milliseconds. */
  readonly sum: number;
  /** Slowest in milliseconds. */
  readonly max: number;
  /** Exponentially weighted moving average in milliseconds: the newest connect counts for a fifth. */
  readonly average: number;
  /** Upper bounds of `buckets` in milliseconds, inclusive; the last bucket has none. */
  readonly bounds: readonly number[];
  /** Connects per bucket, not cumulative: one more number than `bounds`. */
  readonly buckets: readonly number[];
}

/** Collects connect times without allocating. */
export class ConnectTimer {
  #count = 0;
  #sum = 0;
  #max = 0;
  #average = 0;
  readonly #buckets = new Float64Array(BOUNDS_MS.length + 1);

  /** Notes one connect. */
  record(ms: number): void {
    this.#average = this.#count === 0 ? ms : this.#average + (ms - this.#average) * NEWEST_WEIGHT;
    this.#count++;
    this.#sum += ms;
    if (ms > this.#max) this.#max = ms;
    let bucket = 0;
    for (const bound of BOUNDS_MS) {
      if (ms <= bound) break;
      bucket++;
    }
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
  }

  /** A copy to keep. */
  snapshot(): ConnectTimes {
    return {
      count: this.#count,
      sum: this.#sum,
      max: this.#max,
      average: this.#average,
      bounds: BOUNDS_MS,
      buckets: Array.from(this.#buckets),
    };
  }
}
