import { checkLimit, type PermitListener, type Permits } from './permits.ts';
import {
  GIVEN,
  HIGHEST,
  LIMIT,
  WANTED,
  layoutOf,
  sharedPermitsLength,
  type SharedPermitsLayout,
} from './shared-permits-layout.ts';

/** Where the shared permits of one backend lie, and whose view this is. */
export interface SharedPermitsOptions {
  /** Memory shared by all threads, zeroed before first use. Several backends may lie in one buffer. */
  readonly buffer: SharedArrayBuffer;
  /** First 32-bit word of this backend's block (an index into an `Int32Array`, not bytes). Default 0. */
  readonly index?: number;
  /** How many threads there can be. The same for all views of a block. */
  readonly threads: number;
  /** Number of this thread, 0 to `threads - 1`; no two living threads have the same. */
  readonly thread: number;
  /** The highest limit that `resize` may ever set. The same for all views of a block. Default 1024. */
  readonly capacity?: number;
  /** Limit of connections over all threads, 1 to `capacity`; absent keeps what another view has set. */
  readonly max?: number;
}

const DEFAULT_CAPACITY = 1024;

/**
 * A limit that all worker threads keep together, on shared memory (see `shared-permits-layout.ts` for the words
 * and for why no wake-up is lost). Each pool in each thread has a view of its own.
 *
 * Fairness: a thread that waits and holds nothing is starving. While one is, `tryTake` leaves it the free permits
 * and pools give one up at their next release, so it gets one within the time of a request. A thread whose last
 * permit is in use keeps it for a while, else threads that outnumber the permits would make a connection for each
 * request.
 */
export class SharedPermits implements Permits {
  readonly #cells: Int32Array<SharedArrayBuffer>;
  readonly #layout: SharedPermitsLayout;
  readonly #thread: number;
  /** Word, within a mask, and bit of this thread. */
  readonly #word: number;
  readonly #bit: number;
  /** Owner cells that are ours. */
  readonly #own: number[] = [];
  #waiting = false;
  #starving = false;
  #armed = false;
  /** `GIVEN` at the last attempt that failed while others knew that we wait: until it changes, there is nothing. */
  #refusedAt = Number.NaN;
  #listener: PermitListener | undefined = undefined;

  /** Bytes that a block takes: allocate the buffer with it. */
  static byteLength(threads: number, capacity: number = DEFAULT_CAPACITY): number {
    return sharedPermitsLength(threads, capacity) * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Throws a `RangeError` for numbers that do not fit each other or the buffer. */
  constructor(options: SharedPermitsOptions) {
    const { buffer, index = 0, threads, thread, capacity = DEFAULT_CAPACITY, max } = options;
    checkLimit(threads, 4096);
    checkLimit(capacity, 1 << 20);
    if (!Number.isInteger(thread) || thread < 0 || thread >= threads) {
      throw new RangeError(`the thread must be a whole number from 0 to ${threads - 1}, not ${thread}`);
    }
    this.#cells = new Int32Array(buffer, index * 4, sharedPermitsLength(threads, capacity));
    this.#layout = layoutOf(threads, capacity);
    this.#thread = thread;
    this.#word = thread >> 5;
    this.#bit = 1 << (thread & 31);
    if (max !== undefined) this.resize(max);
  }

  get max(): number {
    return Atomics.load(this.#cells, LIMIT);
  }

  get held(): number {
    return this.#own.length;
  }

  /** Permits taken by all threads together. */
  get inUse(): number {
    return this.#taken(0, Atomics.load(this.#cells, HIGHEST));
  }

  tryTake(): boolean {
    const given = Atomics.load(this.#cells, GIVEN);
    if (given === this.#refusedAt) return false;
    const max = this.max;
    const highest = Atomics.load(this.#cells, HIGHEST);
    const above = highest > max ? this.#taken(max, highest) : 0;
    let reserve = above + (this.#own.length > 0 ? this.#othersStarving() : 0);
    const { owners } = this.#layout;
    for (let cell = owners; cell < owners + max; cell++) {
      if (Atomics.load(this.#cells, cell) !== 0) continue;
      if (reserve > 0) {
        reserve--;
        continue;
      }
      if (Atomics.compareExchange(this.#cells, cell, 0, this.#thread + 1) !== 0) continue;
      this.#own.push(cell);
      this.#setStarving(false);
      return true;
    }
    if (this.#waiting) this.#refusedAt = given;
    return false;
  }

  give(): void {
    const cell = this.#own.pop();
    if (cell === undefined) throw new Error('a permit was given back that this thread does not hold');
    this.#refusedAt = Number.NaN;
    this.#free(cell);
    if (this.#waiting && this.#own.length === 0) this.#setStarving(true);
  }

  wait(): void {
    if (this.#listener === undefined) throw new Error('listen before you wait');
    if (this.#waiting) return;
    this.#waiting = true;
    Atomics.or(this.#cells, this.#layout.waiting + this.#word, this.#bit);
    // Others see the mask at their next release. To wake them each time would cost them more than it brings us,
    // as long as connections of our own come back; if they do not, the pool's `upkeep` reminds them.
    if (this.#own.length === 0) this.#setStarving(true);
    this.#awaitGiven();
  }

  remind(): void {
    if (this.#waiting) this.#signal(WANTED);
  }

  stopWaiting(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#refusedAt = Number.NaN;
    Atomics.and(this.#cells, this.#layout.waiting + this.#word, ~this.#bit);
    this.#setStarving(false);
  }

  othersWait(): boolean {
    return this.#othersIn(this.#layout.waiting);
  }

  othersLack(): boolean {
    return this.othersWait() && this.inUse >= this.max;
  }

  othersStarve(): boolean {
    return this.#othersIn(this.#layout.starving);
  }

  excess(): number {
    const max = this.max;
    const highest = Atomics.load(this.#cells, HIGHEST);
    if (highest <= max) return 0;
    const limit = this.#layout.owners + max;
    let count = 0;
    for (let i = 0; i < this.#own.length; i++) {
      if ((this.#own[i] ?? 0) >= limit && !this.#moveBelow(i, limit)) count++;
    }
    // The cells above the limit are looked at until they are all free, then no more.
    if (this.#taken(max, highest) === 0) Atomics.compareExchange(this.#cells, HIGHEST, highest, max);
    // Those to be given back first lie at the end.
    this.#own.sort((a, b) => a - b);
    return count;
  }

  resize(max: number): void {
    const before = this.max;
    Atomics.store(this.#cells, LIMIT, checkLimit(max, this.#layout.capacity));
    let highest = Atomics.load(this.#cells, HIGHEST);
    // Also to the limit before: another thread may have lowered the bound while that limit was being raised.
    const bound = Math.max(before, max);
    while (highest < bound) highest = this.#raiseHighest(highest, bound);
    if (max > before) this.#signal(GIVEN);
  }

  listen(listener: PermitListener): void {
    this.#listener = listener;
    this.#awaitWanted();
  }

  close(): void {
    this.stopWaiting();
    this.#listener = undefined;
    // The promises of this view go when they are fulfilled.
    this.#signal(WANTED);
    this.#signal(GIVEN);
  }

  /**
   * Returns the permits of a thread that died, and forgets that it waited. For the supervisor, after the thread
   * has ended and before one with the same number starts. Returns how many permits there were.
   */
  reclaim(thread: number): number {
    const { owners, capacity, waiting, starving } = this.#layout;
    const mask = ~(1 << (thread & 31));
    Atomics.and(this.#cells, waiting + (thread >> 5), mask);
    Atomics.and(this.#cells, starving + (thread >> 5), mask);
    let count = 0;
    for (let cell = owners; cell < owners + capacity; cell++) {
      if (Atomics.compareExchange(this.#cells, cell, thread + 1, 0) === thread + 1) count++;
    }
    this.#signal(GIVEN);
    return count;
  }

  #raiseHighest(seen: number, max: number): number {
    const found = Atomics.compareExchange(this.#cells, HIGHEST, seen, max);
    return found === seen ? max : found;
  }

  #taken(from: number, to: number): number {
    const { owners } = this.#layout;
    let count = 0;
    for (let cell = owners + from; cell < owners + to; cell++) {
      if (Atomics.load(this.#cells, cell) !== 0) count++;
    }
    return count;
  }

  /** Swaps the own cell at `i`, which is above the limit, for a free one below it. */
  #moveBelow(i: number, limit: number): boolean {
    const cell = this.#own[i];
    if (cell === undefined) return false;
    for (let low = this.#layout.owners; low < limit; low++) {
      if (Atomics.compareExchange(this.#cells, low, 0, this.#thread + 1) !== 0) continue;
      this.#own[i] = low;
      // Who looked just now saw both cells taken, so it has to look again.
      this.#free(cell);
      return true;
    }
    return false;
  }

  #free(cell: number): void {
    Atomics.store(this.#cells, cell, 0);
    if (this.othersWait()) this.#signal(GIVEN);
  }

  #othersIn(mask: number): boolean {
    for (let word = 0; word < this.#layout.words; word++) {
      const bits = Atomics.load(this.#cells, mask + word);
      if ((word === this.#word ? bits & ~this.#bit : bits) !== 0) return true;
    }
    return false;
  }

  #othersStarving(): number {
    let count = 0;
    for (let word = 0; word < this.#layout.words; word++) {
      let bits = Atomics.load(this.#cells, this.#layout.starving + word);
      if (word === this.#word) bits &= ~this.#bit;
      for (; bits !== 0; bits &= bits - 1) count++;
    }
    return count;
  }

  #setStarving(starving: boolean): void {
    if (this.#starving === starving) return;
    this.#starving = starving;
    const cell = this.#layout.starving + this.#word;
    if (starving) {
      Atomics.or(this.#cells, cell, this.#bit);
      this.#signal(WANTED);
    } else {
      Atomics.and(this.#cells, cell, ~this.#bit);
      // What was reserved for us may now go to those who were refused.
      if (this.othersWait()) this.#signal(GIVEN);
    }
  }

  #signal(cell: number): void {
    Atomics.add(this.#cells, cell, 1);
    Atomics.notify(this.#cells, cell);
  }

  /** The sequence is read before the last look at the owner cells, so a permit given in between is not missed. */
  #awaitGiven(): void {
    if (this.#armed) {
      queueMicrotask(() => this.#offer());
      return;
    }
    this.#armed = true;
    const seen = Atomics.load(this.#cells, GIVEN);
    queueMicrotask(() => this.#offer());
    const result = Atomics.waitAsync(this.#cells, GIVEN, seen);
    if (result.async) void result.value.then(() => this.#given());
    else queueMicrotask(() => this.#given());
  }

  #given(): void {
    this.#armed = false;
    if (!this.#waiting) return;
    this.#awaitGiven();
  }

  #offer(): void {
    if (this.#waiting) this.#listener?.permitAvailable();
  }

  #awaitWanted(): void {
    const result = Atomics.waitAsync(this.#cells, WANTED, Atomics.load(this.#cells, WANTED));
    if (result.async) void result.value.then(() => this.#wanted());
    else queueMicrotask(() => this.#wanted());
  }

  #wanted(): void {
    if (this.#listener === undefined) return;
    this.#awaitWanted();
    if (this.othersWait()) this.#listener.permitWanted();
  }
}
