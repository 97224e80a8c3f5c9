import { NAME_BUCKETS } from './header-names.ts';
import type { HeaderName } from './header-names.ts';
import { ownCopy } from './own-copy.ts';
import { STATIC_TABLE_SIZE } from './static-table.ts';

const ENTRY_OVERHEAD = 32;

/** How many entries of a hash chain are looked at; newer ones first, and those are the likely ones. */
const MAX_STEPS = 8;

/** Entries that the ring has room for when the first one comes. */
const FIRST_LENGTH = 16;

/** The chains of a table that never had an entry; never written. */
const NO_CHAINS: number[] = Array.from({ length: NAME_BUCKETS }, () => 0);

/**
 * The dynamic table of an encoder (RFC 7541 §2.3.2): a ring like the decoder's, whose entries also hang in
 * hash chains by name, newest first. Entries are numbered from 1 for ever; a chain ends at the first
 * number that has left the table, so eviction does not touch the chains.
 */
export class EncoderTable {
  /** Sizes of all entries together, in octets by RFC 7541 §4.1. */
  size: number = 0;
  capacity: number;
  /** Index (static table counted in) of the entry with the name that `find` looked for; 0 if none. */
  nameIndex: number = 0;
  #newest = 0;
  #count = 0;
  #mask = -1;
  #names: (HeaderName | null)[] = [];
  #values: string[] = [];
  #previous: number[] = [];
  /** Number of the newest entry of each chain. */
  #chains: number[] = NO_CHAINS;
  /** Look-ups of each chain in a row that found the name with another value. */
  #misses: number[] = NO_CHAINS;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get count(): number {
    return this.#count;
  }

  /** Index of the entry with this name and value, or 0; then `nameIndex` says where the name alone is. */
  find(name: HeaderName, value: string): number {
    const oldest = this.#newest - this.#count;
    const mask = this.#mask;
    let nameIndex = 0;
    let entry = this.#chains[name.bucket] as number;
    for (let step = 0; entry > oldest && step < MAX_STEPS; step++) {
      const slot = entry & mask;
      if (this.#names[slot] === name) {
        const index = STATIC_TABLE_SIZE + 1 + this.#newest - entry;
        if (this.#values[slot] === value) {
          this.#misses[name.bucket] = 0;
          return index;
        }
        if (nameIndex === 0) nameIndex = index;
      }
      entry = this.#previous[slot] as number;
    }
    if (nameIndex !== 0) this.#misses[name.bucket] = (this.#misses[name.bucket] as number) + 1;
    this.nameIndex = nameIndex;
    return 0;
  }

  /**
   * Whether a value that `find` did not find is worth an entry: not if it would push out half of the table,
   * and not if the last eight values of this name were never asked for again. Every 16th is tried anew.
   */
  worthwhile(name: HeaderName, value: string): boolean {
    const misses = this.#misses[name.bucket] as number;
    return (
      (name.text.length + value.length + ENTRY_OVERHEAD) * 2 <= this.capacity &&
      (misses < 8 || (misses & 15) === 0)
    );
  }

  /** Adds an entry and evicts as RFC 7541 §4.4 says. */
  add(name: HeaderName, value: string): void {
    const size = name.text.length + value.length + ENTRY_OVERHEAD;
    this.#evict(this.capacity - size);
    if (size > this.capacity) return;
    if (this.#count > this.#mask) this.#grow();
    const entry = ++this.#newest;
    const slot = entry & this.#mask;
    this.#names[slot] = name;
    this.#values[slot] = ownCopy(value);
    this.#previous[slot] = this.#chains[name.bucket] as number;
    this.#chains[name.bucket] = entry;
    this.#count++;
    this.size += size;
  }

  resize(capacity: number): void {
    this.capacity = capacity;
    this.#evict(capacity);
  }

  #evict(target: number): void {
    while (this.size > target && this.#count > 0) {
      const slot = (this.#newest - this.#count + 1) & this.#mask;
      const name = this.#names[slot];
      this.size -= (name?.text.length ?? 0) + (this.#values[slot] as string).length + ENTRY_OVERHEAD;
      this.#names[slot] = null;
      this.#values[slot] = '';
      this.#count--;
    }
  }

  #grow(): void {
    if (this.#mask < 0) {
      this.#chains = NO_CHAINS.slice();
      this.#misses = NO_CHAINS.slice();
    }
    const length = Math.max(FIRST_LENGTH, this.#count * 2);
    const names: (HeaderName | null)[] = [];
    const values: string[] = [];
    const previous: number[] = [];
    for (let slot = 0; slot < length; slot++) {
      names.push(null);
      values.push('');
      previous.push(0);
    }
    for (let entry = this.#newest - this.#count + 1; entry <= this.#newest; entry++) {
      const from = entry & this.#mask;
      const to = entry & (length - 1);
      names[to] = this.#names[from] as HeaderName;
      values[to] = this.#values[from] as string;
      previous[to] = this.#previous[from] as number;
    }
    this.#names = names;
    this.#values = values;
    this.#previous = previous;
    this.#mask = length - 1;
  }
}
