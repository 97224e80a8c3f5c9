import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';

/** Notices a client that gives no window for a body that waits (slow read, for one stream). */
export class StallTimer extends Timer {
  readonly #runtime: Runtime;
  readonly #stalled: () => void;
  #watching = false;

  constructor(runtime: Runtime, stalled: () => void) {
    super();
    this.#runtime = runtime;
    this.#stalled = stalled;
  }

  /** Something waits. */
  watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.progressed();
  }

  /** Some of it was sent. */
  progressed(): void {
    if (this.#watching)
      this.#runtime.wheel.arm(this, this.#runtime.settings.timeouts.write, this.#runtime.now);
  }

  /** Nothing waits. */
  stop(): void {
    if (!this.#watching) return;
    this.#watching = false;
    this.#runtime.wheel.remove(this);
  }

  override expired(): void {
    this.#watching = false;
    this.#stalled();
  }
}
