import type { Ticker } from '../../src/timer-wheel.ts';

/** A clock that stands still until somebody moves it, and the ticker that goes with it. */
export class ManualTime {
  #now = 1_000_000;
  readonly #ticks: Set<{ interval: number; tick: () => void; due: number }> = new Set();
  readonly clock = (): number => this.#now;

  readonly ticker: Ticker = {
    start: (interval, tick) => {
      const entry = { interval, tick, due: this.#now + interval };
      this.#ticks.add(entry);
      return () => this.#ticks.delete(entry);
    },
  };

  /** Tickers that run. */
  get running(): number {
    return this.#ticks.size;
  }

  /** Lets `milliseconds` pass, in steps as the event loop would see them. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    while (this.#now < end) {
      this.#now = Math.min(end, this.#now + 10);
      for (const entry of this.#ticks) {
        if (entry.due > this.#now) continue;
        entry.due += entry.interval;
        entry.tick();
      }
    }
  }

  /** The event loop was busy for this long: time passed, no tick came. */
  stall(milliseconds: number): void {
    this.#now += milliseconds;
  }
}
