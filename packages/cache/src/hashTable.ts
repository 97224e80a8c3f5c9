/** Cells per entry that the table grows to: at most half of it is in use, so that a search is short. */
const SPARSENESS = 2;
const SMALLEST = 64;

/**
 * Hash of `text` that goes on from `state`: that of `a + b` is that of `b` gone on from that of `a`. The right shift
 * brings the state, which begins with a secret seed, into every following step, so that nobody can choose texts that
 * collide without knowing it.
 */
export function hashText(text: string, state: number): number {
  let hash = state;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

/**
 * From hashes to small numbers (slots), open addressing. Both stand side by side in one typed array: a search touches
 * one cache line, where a `Map` of strings touches four, and removing leaves no holes that a `Map` has to be rebuilt
 * for. Hashes may collide: the caller compares what is behind the slot.
 */
export class HashTable {
  #cells: Int32Array = new Int32Array(SMALLEST * 2);
  #mask: number = SMALLEST - 1;
  #count = 0;
  #at = 0;

  /** The first slot with this hash, or -1. */
  first(hash: number): number {
    this.#at = hash & this.#mask;
    return this.#search(hash);
  }

  /** After {@link first}: the next one, or -1. */
  next(hash: number): number {
    this.#at = (this.#at + 1) & this.#mask;
    return this.#search(hash);
  }

  add(hash: number, slot: number): void {
    if (++this.#count * SPARSENESS > this.#mask) this.#grow();
    this.#place(hash, slot);
  }

  remove(hash: number, slot: number): void {
    let found = this.first(hash);
    while (found !== slot && found >= 0) found = this.next(hash);
    if (found < 0) return;
    this.#count--;
    this.#close(this.#at);
  }

  clear(): void {
    this.#cells = new Int32Array(SMALLEST * 2);
    this.#mask = SMALLEST - 1;
    this.#count = 0;
  }

  #search(hash: number): number {
    const cells = this.#cells;
    const mask = this.#mask;
    let at = this.#at;
    for (;;) {
      const slot = cells[2 * at + 1] as number;
      // Cells hold the slot plus one: zero is an empty cell.
      if (slot === 0 || cells[2 * at] === hash) {
        this.#at = at;
        return slot - 1;
      }
      at = (at + 1) & mask;
    }
  }

  #place(hash: number, slot: number): void {
    const cells = this.#cells;
    const mask = this.#mask;
    let at = hash & mask;
    while (cells[2 * at + 1] !== 0) at = (at + 1) & mask;
    cells[2 * at] = hash;
    cells[2 * at + 1] = slot + 1;
  }

  /** Empties a cell and moves up those behind it that would not be found across the gap. */
  #close(emptied: number): void {
    const cells = this.#cells;
    const mask = this.#mask;
    let gap = emptied;
    let at = (gap + 1) & mask;
    while (cells[2 * at + 1] !== 0) {
      const home = (cells[2 * at] as number) & mask;
      if (((at - home) & mask) >= ((at - gap) & mask)) {
        cells[2 * gap] = cells[2 * at] as number;
        cells[2 * gap + 1] = cells[2 * at + 1] as number;
        gap = at;
      }
      at = (at + 1) & mask;
    }
    cells[2 * gap + 1] = 0;
  }

  #grow(): void {
    const before = this.#cells;
    this.#cells = new Int32Array(before.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let i = 0; i < before.length; i += 2) {
      if (before[i + 1] !== 0) this.#place(before[i] as number, (before[i + 1] as number) - 1);
    }
  }
}
