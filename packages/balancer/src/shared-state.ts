import { BalancerError, checkedInteger } from './error.ts';

/*
 * The one description of everything that worker threads must agree on.
 *
 *   Int32   header            64-byte lines, so that counters written by everyone do not share one
 *           slots             capacity x slotCells: state of one backend
 *           tree              capacity cells: inner nodes of the least-connections tournament
 *           workers           workers x (workerHeaderCells + 2 x capacity): one writer each
 *   Float64 counters          workers x capacity x counterCount: one writer each, summed by readers
 *
 * Sums are changed by `Atomics`; most reads are plain (`read`), because an atomic one is a call of 11 ns and
 * a plain one is as fresh: a cell is coherent by itself, and code that runs from the event loop cannot keep
 * an old value. Where the order of two cells matters, the code says so and uses `Atomics`.
 *
 * Times are milliseconds of one clock for the whole process, cut to 32 bits: compare them only with
 * `elapsed`, which is right for distances up to 24.8 days. (Float64 would be able to tear.)
 */

/** Cells of the header. Each group is on a line of its own. */
export const Header = {
  magic: 0,
  capacity: 1,
  workers: 2,
  lock: 3,
  /** Grows with every change of what may be picked; each thread then rebuilds its list. */
  version: 16,
  /** Round-robin position, shared so that shares are exact over all threads. */
  position: 32,
  /** Virtual time of the tie-break of least-connections. */
  virtualTime: 48,
  /** Never read: an atomic addition of 0 to it is a memory fence. */
  fence: 49,
  retryTokens: 64,
  retryRefilledAt: 65,
  activeRetries: 66,
  bestEffortCredit: 67,
  adaptedAt: 68,
} as const;
const headerCells = 80;

/** Cells of one backend, counted from `BackendTable.slotCell(index)`. */
export const Cell = {
  /** {@link StateBit}s. */
  state: 0,
  /** Attempts in flight, all threads. */
  active: 1,
  /** Key of the least-connections tournament: load by weight. */
  loadKey: 2,
  /** Tie-break of the tournament: virtual time of the next turn. */
  pass: 3,
  /** Effective weight in 1/16 of the configured unit. */
  weight: 4,
  consecutiveFailures: 5,
  /** Peak-EWMA of the latency in microseconds; 0: nothing measured. */
  latency: 6,
  latencyAt: 7,
  ejectedUntil: 8,
  /** Ejections in a row; decides the length of the next one. */
  ejections: 9,
  returnedAt: 10,
  circuitUntil: 11,
  /** Openings in a row without a close between them. */
  circuitOpenings: 12,
  trials: 13,
  trialSuccesses: 14,
  windowStart: 15,
  windowRequests: 16,
  windowFailures: 17,
  warmSince: 18,
  lastFailedAt: 19,
  /** 64 bits of the hash of the key that owns the slot; both 0: free. */
  keyHigh: 20,
  keyLow: 21,
} as const;
const slotCells = 32;

/** Bits of `Cell.state`. Those in {@link blockingBits} keep a backend from being picked. */
export const StateBit = {
  unhealthy: 1,
  draining: 2,
  disabled: 4,
  ejected: 8,
  circuitOpen: 16,
  removed: 32,
  halfOpen: 64,
  warming: 128,
  /** Came back from an ejection, and has not answered yet: a few trials at a time. */
  probation: 256,
  /** Failed often enough to be ejected, but too many are: it may be picked, with care. */
  suspect: 512,
} as const;

export const blockingBits: number =
  StateBit.unhealthy |
  StateBit.draining |
  StateBit.disabled |
  StateBit.ejected |
  StateBit.circuitOpen |
  StateBit.removed;

/** Bits of backends that may be picked, but of which nobody knows whether they serve. */
export const unprovenBits: number = StateBit.halfOpen | StateBit.probation | StateBit.suspect;

/** Whether attempts count as trials: whoever may not be picked is tried now and then when nobody may. */
export function isOnTrial(state: number): boolean {
  return (state & (unprovenBits | blockingBits)) !== 0;
}

/** Bits that an operator or a reload sets: even best effort respects them. */
export const administrativeBits: number = StateBit.draining | StateBit.disabled | StateBit.removed;

/** Upper bounds of the latency histogram in milliseconds; one more bucket counts what is above. */
export const latencyBuckets: readonly number[] = [
  1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
];

/** Counters of one backend, one writer each. The first six follow `AttemptOutcome`. */
export const Counter = {
  success: 0,
  status5xx: 1,
  connectFailed: 2,
  reset: 3,
  timedOut: 4,
  cancelled: 5,
  picked: 6,
  ejections: 7,
  circuitOpenings: 8,
  stateChanges: 9,
  latencySum: 10,
  latencyBucket: 11,
} as const;
const counterCount = Counter.latencyBucket + latencyBuckets.length + 1;

const workerHeaderCells = 16;
const magic = 0x52504201;

/** The present value of a cell. */
export function read(cells: Int32Array, cell: number): number {
  return cells[cell] ?? 0;
}

/** Milliseconds from `then` to `now` on the 32-bit clock; negative when `then` is still to come. */
export function elapsed(then: number, now: number): number {
  return (now - then) | 0;
}

/** A moment as a cell value. 0 is kept for "never". */
export function moment(now: number): number {
  return now | 0 || 1;
}

/** How large a table is. */
export interface BackendTableOptions {
  /**
   * Backends that fit, those that are removed but still drain included. 1 to 65,536, rounded up to a power
   * of two; default 64. About 130 bytes per backend, and 220 more per worker.
   */
  readonly capacity?: number;
  /** Threads that use the table, supervisor included. 1 to 1,024, default 1. */
  readonly workers?: number;
}

/**
 * The state of one group's backends, shared by all threads of the process. Create it once, post its
 * `buffer` to the workers, and `attach` there, each with its own worker number. A single thread just
 * creates one.
 */
export class BackendTable {
  readonly buffer: SharedArrayBuffer;
  readonly capacity: number;
  readonly workers: number;
  /** The number of this thread, 0 to `workers` - 1. */
  readonly worker: number;
  readonly cells: Int32Array;
  readonly counters: Float64Array;
  /** First cell of the tournament tree; node n is at `treeCell` + n, the root is node 1. */
  readonly treeCell: number;
  readonly #workerCells: number;

  private constructor(buffer: SharedArrayBuffer, worker: number) {
    const header = new Int32Array(buffer, 0, headerCells);
    if (header[Header.magic] !== magic) {
      throw new BalancerError('tableMismatch', 'the buffer does not hold a backend table of this version');
    }
    this.buffer = buffer;
    this.capacity = header[Header.capacity] ?? 0;
    this.workers = header[Header.workers] ?? 0;
    this.worker = checkedInteger('worker', worker, 0, this.workers - 1);
    const ints = intCells(this.capacity, this.workers);
    this.cells = new Int32Array(buffer, 0, ints);
    this.counters = new Float64Array(buffer, ints * 4, this.workers * this.capacity * counterCount);
    this.treeCell = headerCells + this.capacity * slotCells;
    this.#workerCells = this.treeCell + this.capacity;
  }

  /** @throws {BalancerError} `invalidOption` for sizes out of range */
  static create(options: BackendTableOptions = {}): BackendTable {
    const wanted = checkedInteger('capacity', options.capacity ?? 64, 1, 65_536);
    const workers = checkedInteger('workers', options.workers ?? 1, 1, 1_024);
    const capacity = Math.max(16, 2 ** Math.ceil(Math.log2(wanted)));
    const ints = intCells(capacity, workers);
    const buffer = new SharedArrayBuffer(ints * 4 + workers * capacity * counterCount * 8);
    const header = new Int32Array(buffer, 0, headerCells);
    header[Header.capacity] = capacity;
    header[Header.workers] = workers;
    header[Header.magic] = magic;
    return new BackendTable(buffer, 0);
  }

  /**
   * The same table in another thread.
   *
   * @throws {BalancerError} `tableMismatch` when the buffer is not a table, `invalidOption` when there is no
   *   such worker
   */
  static attach(buffer: SharedArrayBuffer, worker: number): BackendTable {
    return new BackendTable(buffer, worker);
  }

  /** First cell of a backend. */
  slotCell(index: number): number {
    return headerCells + index * slotCells;
  }

  /** The attempts in flight of one worker at one backend: written by that worker alone. */
  workerActiveCell(worker: number, index: number): number {
    return this.#workerCell(worker) + workerHeaderCells + index;
  }

  /** 1 while the worker's set holds the backend: a slot is free only when nobody's does. */
  workerMemberCell(worker: number, index: number): number {
    return this.#workerCell(worker) + workerHeaderCells + this.capacity + index;
  }

  /** The retries in flight of one worker. */
  workerRetriesCell(worker: number): number {
    return this.#workerCell(worker);
  }

  /** First counter of one worker for one backend. */
  counterIndex(worker: number, index: number): number {
    return (worker * this.capacity + index) * counterCount;
  }

  /** A counter summed over all workers. */
  total(index: number, counter: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.workers; worker++) {
      sum += this.counters[this.counterIndex(worker, index) + counter] ?? 0;
    }
    return sum;
  }

  /**
   * Takes back what a dead worker held: its attempts and retries in flight and its places in the sets. Call
   * it once after the thread has exited and before its number is given to another. Its counters stay: what
   * was served was served.
   */
  reclaim(worker: number): void {
    const { cells } = this;
    checkedInteger('worker', worker, 0, this.workers - 1);
    for (let index = 0; index < this.capacity; index++) {
      const held = Atomics.exchange(cells, this.workerActiveCell(worker, index), 0);
      if (held !== 0) Atomics.sub(cells, this.slotCell(index) + Cell.active, held);
      Atomics.store(cells, this.workerMemberCell(worker, index), 0);
      // Whose they were is not known; others that end find nothing to give back.
      Atomics.store(cells, this.slotCell(index) + Cell.trials, 0);
    }
    const retries = Atomics.exchange(cells, this.workerRetriesCell(worker), 0);
    if (retries !== 0) Atomics.sub(cells, Header.activeRetries, retries);
    Atomics.compareExchange(cells, Header.lock, worker + 1, 0);
    Atomics.add(cells, Header.version, 1);
  }

  #workerCell(worker: number): number {
    return this.#workerCells + worker * workerCells(this.capacity);
  }
}

function workerCells(capacity: number): number {
  return workerHeaderCells + 2 * capacity;
}

/** Rounded to an even number: the Float64 counters behind them must be aligned. */
function intCells(capacity: number, workers: number): number {
  return headerCells + capacity * slotCells + capacity + workers * workerCells(capacity);
}

export const countersPerBackend: number = counterCount;
