/** When a worker counts as overloaded. */
export interface OverloadLimits {
  readonly enabled: boolean;
  /** Milliseconds by which the event loop may be late. */
  readonly maxEventLoopDelay: number;
  /** Share of the heap limit, 0 to 1. */
  readonly maxHeap: number;
}

/** One look at a worker. */
export interface LoadSample {
  /** Milliseconds by which a timer of the event loop was late. */
  readonly delay: number;
  /** Share of the heap limit in use, 0 to 1. */
  readonly heap: number;
}

/** Samples of the last second, of which the worst counts. */
const WINDOW = 20;
/** Milliseconds between two samples. */
export const SAMPLE_INTERVAL = 50;
/** Below these shares of the limits an overload ends: with one limit for both, it would end and begin all the time. */
const DELAY_EXIT = 0.5;
const HEAP_EXIT = 0.9;
/** Late samples in a row that begin an overload: one long turn, such as a large collection, is none. */
const LATE = 2;

/**
 * Decides whether a worker sheds load (spec 2.4): its event loop is late, or its heap is nearly full. It begins with
 * the second late sample in a row, or at once when the heap is full, and ends after a second well below the limits.
 */
export class OverloadMonitor {
  readonly #delays: Float64Array = new Float64Array(WINDOW);
  #next = 0;
  #late = 0;
  #calm = 0;
  #overloaded = false;
  #limits: OverloadLimits;

  constructor(limits: OverloadLimits) {
    this.#limits = limits;
  }

  set limits(limits: OverloadLimits) {
    this.#limits = limits;
  }

  get overloaded(): boolean {
    return this.#overloaded;
  }

  /** The worst delay of the last second, in milliseconds. */
  get worstDelay(): number {
    return this.#delays.reduce((worst, delay) => Math.max(worst, delay), 0);
  }

  /** Takes a sample in; returns whether the worker is overloaded now. */
  sample({ delay, heap }: LoadSample): boolean {
    this.#delays[this.#next] = delay;
    this.#next = (this.#next + 1) % WINDOW;
    const { enabled, maxEventLoopDelay, maxHeap } = this.#limits;
    this.#late = delay > maxEventLoopDelay ? this.#late + 1 : 0;
    const calm = delay <= maxEventLoopDelay * DELAY_EXIT && heap <= maxHeap * HEAP_EXIT;
    this.#calm = calm ? this.#calm + 1 : 0;
    if (!enabled) this.#overloaded = false;
    else if (this.#overloaded) this.#overloaded = this.#calm < WINDOW;
    else this.#overloaded = this.#late >= LATE || heap > maxHeap;
    return this.#overloaded;
  }
}
