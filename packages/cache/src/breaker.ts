/** When the cache is turned off; times in milliseconds. */
export interface BreakerPolicy {
  /** Errors within the window that open the breaker. */
  readonly threshold: number;
  readonly window: number;
  readonly cooldown: number;
}

/**
 * Turns the cache off while its own errors last: requests then go to the backend as if there were no cache. After
 * the cooldown it is tried again; the first error in a new window counts from one.
 */
export class Breaker {
  readonly #policy: BreakerPolicy;
  #errors = 0;
  #windowEnd = 0;
  #openUntil = 0;

  constructor(policy: BreakerPolicy) {
    this.#policy = policy;
  }

  /** Notes an error at `now`. */
  failed(now: number): void {
    if (now >= this.#windowEnd) {
      this.#errors = 0;
      this.#windowEnd = now + this.#policy.window;
    }
    this.#errors++;
    if (this.#errors >= this.#policy.threshold) {
      this.#openUntil = now + this.#policy.cooldown;
      this.#errors = 0;
      this.#windowEnd = 0;
    }
  }

  /** The cache is off at `now`. */
  isOpen(now: number): boolean {
    return now < this.#openUntil;
  }
}
