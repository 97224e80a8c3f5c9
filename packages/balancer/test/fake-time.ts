import type { Scheduler } from '@rp/balancer';

interface Due {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that moves when the test says so, and lets promises settle between two timers. */
export class FakeTime implements Scheduler<Due> {
  #now = 1_000;
  readonly #due = new Set<Due>();

  now(): number {
    return this.#now;
  }

  get pending(): number {
    return this.#due.size;
  }

  setTimer(callback: () => void, ms: number): Due {
    const due = { at: this.#now + ms, callback };
    this.#due.add(due);
    return due;
  }

  clearTimer(timer: Due): void {
    this.#due.delete(timer);
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await settle();
    }
    this.#now = end;
  }

  #next(end: number): Due | undefined {
    return [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}
