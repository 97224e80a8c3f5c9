/**
 * The memory behind `SharedPermits`: a block of 32-bit words on a `SharedArrayBuffer`, one block per backend.
 *
 * | word | name | content |
 * |---|---|---|
 * | 0 | `LIMIT` | the limit in force; 0 before the first `resize` |
 * | 1 | `HIGHEST` | no owner cell at or above this one is taken; above `LIMIT` only after the limit was lowered |
 * | 2 | `GIVEN` | counts events that may let a waiting thread have a permit; waiting threads wait on it |
 * | 3 | `WANTED` | counts threads that began to wait; all threads wait on it |
 * | 4 … | waiting mask | bit t: thread t has waiters and no permit for them |
 * | … | starving mask | bit t: thread t waits and holds nothing |
 * | … | owner cells | one per permit: 0 if free, else the number of its thread plus one |
 *
 * Why a cell per permit, and not one count and one cell per thread: a thread can be terminated between any two
 * instructions. Taking a cell is one compare-and-exchange that takes the permit and says whose it is, so what
 * `reclaim` returns is exact, and the limit cannot be passed. Nor can masks drift, unlike a count of waiters. The
 * price is a walk over `LIMIT` words for each new connection, which is nothing beside the connect.
 *
 * Why no wake-up is lost: who waits (1) sets its bit in the waiting mask, (2) reads `GIVEN`, (3) looks at the
 * owner cells once more, (4) waits while `GIVEN` is what it read. Who gives (a) frees the cell, (b) reads the
 * mask, (c) if somebody waits, adds to `GIVEN` and notifies. Atomics are totally ordered: if (b) comes before
 * (1), then (a) comes before (3), and the permit is seen; else (c) happens, and either (4) finds another number
 * or the notification arrives. All are woken, not one: one alone may have lost its waiter in the meantime.
 */

/** Word of the limit. */
export const LIMIT = 0;
/** Word of the bound of owner cells in use. */
export const HIGHEST = 1;
/** Word that counts permits given. */
export const GIVEN = 2;
/** Word that counts wishes. */
export const WANTED = 3;

const HEADER_WORDS = 4;
const BITS_PER_WORD = 32;

/** Where the parts of a block begin, in words. */
export interface SharedPermitsLayout {
  /** Words per mask. */
  readonly words: number;
  readonly waiting: number;
  readonly starving: number;
  readonly owners: number;
  /** Number of owner cells. */
  readonly capacity: number;
}

/** The layout for a number of threads and permits. */
export function layoutOf(threads: number, capacity: number): SharedPermitsLayout {
  const words = Math.ceil(threads / BITS_PER_WORD);
  const waiting = HEADER_WORDS;
  return { words, waiting, starving: waiting + words, owners: waiting + 2 * words, capacity };
}

/** Words that a block takes. */
export function sharedPermitsLength(threads: number, capacity: number): number {
  return layoutOf(threads, capacity).owners + capacity;
}
