import type { SharedAddresses } from '@rp/core';

/*
 * Connections per client address over all workers, on shared memory: a table of counts for each worker, which it
 * alone writes, and which the others add up. An address has a cell in each of two rows, and the lower sum counts; so
 * addresses that share one cell hardly ever share both, and a count is seldom too high, by as many connections as the
 * other address has. Adding needs no atomic operation, and what a dead worker had is forgotten with its table.
 *
 *   bytes 0 to 3           seed of the hash, so that nobody can choose addresses that share their cells with others
 *   then for each worker   ROWS × CELLS counts of two bytes
 */

/** A power of two. 10,000 connections fill a third. */
const CELLS = 32_768;
const ROWS = 2;
const TABLE = ROWS * CELLS;
const MOST = 65_535;

/** Memory for the counts of so many workers; `seed` is any random number of 32 bits. */
export function createAddressCounts(workers: number, seed: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(4 + workers * TABLE * 2);
  new Int32Array(memory, 0, 1)[0] = seed;
  return memory;
}

/** One worker's view of the counts. */
export class AddressCounts implements SharedAddresses {
  readonly #cells: Uint16Array;
  readonly #own: number;
  readonly #seed: number;

  constructor(memory: SharedArrayBuffer, worker: number) {
    this.#cells = new Uint16Array(memory, 4);
    this.#own = worker * TABLE;
    this.#seed = new Int32Array(memory, 0, 1)[0]!;
  }

  others(address: string): number {
    const hash = this.#hash(address);
    return Math.min(this.#sum(hash & (CELLS - 1)), this.#sum(CELLS + ((hash >>> 16) % CELLS)));
  }

  opened(address: string): void {
    this.#add(address, 1);
  }

  closed(address: string): void {
    this.#add(address, -1);
  }

  /** Forgets what a worker that is no more had. */
  static reclaim(memory: SharedArrayBuffer, worker: number): void {
    new Uint16Array(memory, 4 + worker * TABLE * 2, TABLE).fill(0);
  }

  /** Of all workers but this one. */
  #sum(cell: number): number {
    const cells = this.#cells;
    let sum = 0;
    for (let table = 0; table < cells.length; table += TABLE) {
      if (table !== this.#own) sum += cells[table + cell]!;
    }
    return sum;
  }

  #add(address: string, change: number): void {
    const hash = this.#hash(address);
    this.#change(hash & (CELLS - 1), change);
    this.#change(CELLS + ((hash >>> 16) % CELLS), change);
  }

  #change(cell: number, change: number): void {
    const at = this.#own + cell;
    this.#cells[at] = Math.max(0, Math.min(MOST, this.#cells[at]! + change));
  }

  /** FNV-1a from the seed on, and mixed: both halves serve. */
  #hash(address: string): number {
    let hash = 0x811c9dc5 ^ this.#seed;
    for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }
}
