/** Who is told about permits: the pool. Never called from inside a method of the permits. */
export interface PermitListener {
  /** A permit may be free; called only after `wait`. */
  permitAvailable(): void;
  /** Another thread waits for a permit: an idle connection should be given up. */
  permitWanted(): void;
}

/**
 * The right to have a connection. One object belongs to one pool; whether the limit behind it is the pool's own
 * or shared with the pools of other threads is its own affair.
 */
export interface Permits {
  /** The limit, over all who share it. */
  readonly max: number;
  /** Permits taken through this object and not given back. */
  readonly held: number;
  /** Takes a permit if there is one. */
  tryTake(): boolean;
  /** Gives one back. Throws if none is held. */
  give(): void;
  /**
   * Somebody waits here and there was no permit: from now on, until `stopWaiting`, the listener hears of permits
   * that become free. A permit that became free just before is not missed. Idempotent.
   */
  wait(): void;
  /** Who waits still waits: others are asked once more for idle connections. No effect without `wait`. */
  remind(): void;
  /** Nobody waits here any more. Idempotent. */
  stopWaiting(): void;
  /** Whether somebody else waits: idle connections should be given up. Cheap: asked on each release. */
  othersWait(): boolean;
  /** Whether somebody else waits while no permit is free. Walks over all permits. */
  othersLack(): boolean;
  /** Whether somebody else waits and has nothing at all: even a busy pool should give one up. Cheap. */
  othersStarve(): boolean;
  /** How many of the permits held here are above a limit that was lowered. */
  excess(): number;
  /** Changes the limit, an integer from 1. Permits above it stay with their holders, see `excess`. */
  resize(max: number): void;
  /** Sets who is told. */
  listen(listener: PermitListener): void;
  /** The pool is done: the listener hears nothing more. */
  close(): void;
}

/** @internal Refuses a limit that is not a whole number from 1 to `highest`. */
export function checkLimit(max: number, highest: number): number {
  if (!Number.isInteger(max) || max < 1 || max > highest) {
    throw new RangeError(`the limit must be a whole number from 1 to ${highest}, not ${max}`);
  }
  return max;
}

/** The limit of a pool that shares it with nobody. */
export class LocalPermits implements Permits {
  #max: number;
  #held = 0;
  #waiting = false;
  #listener: PermitListener | undefined = undefined;

  /** `max` is an integer from 1; a pool without a limit is refused. */
  constructor(max: number) {
    this.#max = checkLimit(max, Number.MAX_SAFE_INTEGER);
  }

  get max(): number {
    return this.#max;
  }

  get held(): number {
    return this.#held;
  }

  tryTake(): boolean {
    if (this.#held >= this.#max) return false;
    this.#held++;
    return true;
  }

  give(): void {
    if (this.#held === 0) throw new Error('a permit was given back that nobody holds');
    this.#held--;
  }

  wait(): void {
    this.#waiting = true;
  }

  /** Nobody to remind. */
  remind(): void {}

  stopWaiting(): void {
    this.#waiting = false;
  }

  othersWait(): boolean {
    return false;
  }

  othersLack(): boolean {
    return false;
  }

  othersStarve(): boolean {
    return false;
  }

  excess(): number {
    return Math.max(0, this.#held - this.#max);
  }

  /** The only pool is told at once, in a microtask, if it waits and the limit rose. */
  resize(max: number): void {
    const before = this.#max;
    this.#max = checkLimit(max, Number.MAX_SAFE_INTEGER);
    if (max > before && this.#waiting) {
      queueMicrotask(() => {
        if (this.#waiting) this.#listener?.permitAvailable();
      });
    }
  }

  listen(listener: PermitListener): void {
    this.#listener = listener;
  }

  close(): void {
    this.#listener = undefined;
    this.#waiting = false;
  }
}
