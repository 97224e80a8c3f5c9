/*
 * The limit on client connections of the whole process (spec 2.4), on one shared word: the number of places that
 * the workers have taken together. A worker takes places in advance, so that accepting costs no atomic operation
 * most of the time, and gives back what it does not use. The sum of places never exceeds the limit, so neither does
 * the sum of connections.
 *
 *   word 0             places taken by all workers
 *   word 1 + worker    of these, those of one worker: what a worker that died had can be given back
 */

/** Places taken at once while there are plenty. */
const BATCH = 64;

/** Bytes of the shared memory for so many workers. */
export function leasesByteLength(workers: number): number {
  return (1 + workers) * 4;
}

/** One worker's view of the places for connections. */
export class ConnectionLeases {
  readonly #cells: Int32Array;
  readonly #own: number;
  #limit: number;

  /** @param limit connections of the process, a whole number from 1 */
  constructor(memory: SharedArrayBuffer, worker: number, limit: number) {
    this.#cells = new Int32Array(memory);
    this.#own = 1 + worker;
    this.#limit = limit;
  }

  set limit(limit: number) {
    this.#limit = limit;
  }

  /** Places that this worker has. */
  get held(): number {
    return this.#cells[this.#own] ?? 0;
  }

  /** Whether this worker may open one more connection beside `open` others. */
  hasRoom(open: number): boolean {
    // A limit that was lowered holds at once, for each worker at least.
    if (open >= this.#limit) return false;
    return open < this.held || this.#take() > 0;
  }

  /** Gives back what is not needed soon; the less there is, the more of it. To be called regularly. */
  settle(open: number): void {
    const free = this.#limit - Atomics.load(this.#cells, 0);
    const spare = free < BATCH ? 0 : BATCH;
    const surplus = this.held - open - spare;
    if (surplus <= 0) return;
    this.#cells[this.#own] = this.held - surplus;
    Atomics.sub(this.#cells, 0, surplus);
  }

  /** Gives back all places of a worker that is no more. */
  static reclaim(memory: SharedArrayBuffer, worker: number): void {
    const cells = new Int32Array(memory);
    Atomics.sub(cells, 0, Atomics.exchange(cells, 1 + worker, 0));
  }

  #take(): number {
    for (;;) {
      const taken = Atomics.load(this.#cells, 0);
      const free = this.#limit - taken;
      if (free <= 0) return 0;
      // Near the limit one by one, so that no worker sits on places that another needs.
      const wanted = Math.max(1, Math.min(BATCH, free >> 3));
      if (Atomics.compareExchange(this.#cells, 0, taken, taken + wanted) !== taken) continue;
      this.#cells[this.#own] = this.held + wanted;
      return wanted;
    }
  }
}
