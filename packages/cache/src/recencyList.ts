const SMALLEST = 64;
const NONE = -1;

/** Slots (small numbers) in the order of their last use, as links in typed arrays. */
export class RecencyList {
  #newer: Int32Array = new Int32Array(SMALLEST);
  #older: Int32Array = new Int32Array(SMALLEST);
  #newest: number = NONE;
  #oldest: number = NONE;

  /** The slot that was used least recently, or -1. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Adds a slot that is not in the list, as the newest. */
  add(slot: number): void {
    if (slot >= this.#newer.length) this.#grow(slot);
    this.#older[slot] = this.#newest;
    this.#newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
  }

  remove(slot: number): void {
    const newer = this.#newer[slot] as number;
    const older = this.#older[slot] as number;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
  }

  /** Makes a slot of the list the newest. */
  touch(slot: number): void {
    if (slot === this.#newest) return;
    this.remove(slot);
    this.add(slot);
  }

  clear(): void {
    this.#newest = this.#oldest = NONE;
    this.#newer = new Int32Array(SMALLEST);
    this.#older = new Int32Array(SMALLEST);
  }

  #grow(slot: number): void {
    const length = Math.max(slot + 1, this.#newer.length * 2);
    const newer = new Int32Array(length);
    const older = new Int32Array(length);
    newer.set(this.#newer);
    older.set(this.#older);
    this.#newer = newer;
    this.#older = older;
  }
}
