/** Least length of one observation in milliseconds: about a second, with room for a timer that is a little early. */
const WINDOW_MS = 900;

/**
 * How many connections recent demand justifies. It follows the peak of each second up at once, stays there for
 * `hold` milliseconds after the last second that needed as many, and then falls by `rate` per second. Without that
 * hysteresis a load of 64 connections that are all idle for a moment would be closed and made again at once.
 */
export class Demand {
  readonly #hold: number;
  readonly #rate: number;
  #target = 0;
  #reachedAt = 0;
  #windowStart: number;

  /** `hold` in milliseconds; `rate` is the share given up per second, 0 to 1. */
  constructor(hold: number, rate: number, now: number) {
    this.#hold = hold;
    this.#rate = rate;
    this.#windowStart = now;
  }

  /** Whether a second is over since the last `observe`. */
  isDue(now: number): boolean {
    return now - this.#windowStart >= WINDOW_MS;
  }

  /** Takes the highest number of connections in use at one time since the last call. */
  observe(peak: number, now: number): void {
    const seconds = (now - this.#windowStart) / 1000;
    this.#windowStart = now;
    if (peak >= this.#target) {
      this.#target = peak;
      this.#reachedAt = now;
    } else if (now - this.#reachedAt >= this.#hold) {
      this.#target = Math.max(peak, this.#target * (1 - this.#rate) ** seconds);
    }
  }

  /** Connections worth keeping, in use and idle together. */
  get target(): number {
    return Math.ceil(this.#target);
  }
}
