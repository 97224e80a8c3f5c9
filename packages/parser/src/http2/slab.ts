/**
 * Output memory of one thread. A writer takes a slab when it has something to write and gives it back when
 * the bytes have gone out, so that idle connections hold none and busy ones reuse memory the cache knows.
 */
export class SlabPool {
  /** Octets of a slab. */
  readonly slabSize: number;
  readonly #maxIdle: number;
  readonly #idle: Buffer[] = [];

  /**
   * @param slabSize octets of a slab (default 64 KiB).
   * @param maxIdle slabs kept for reuse (default 32, that is 2 MiB).
   */
  constructor(slabSize: number = 65_536, maxIdle: number = 32) {
    this.slabSize = slabSize;
    this.#maxIdle = maxIdle;
  }

  /** A buffer of at least `size` octets, content undefined. */
  take(size: number): Buffer {
    if (size > this.slabSize) return Buffer.allocUnsafeSlow(size);
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.slabSize);
  }

  /** Gives a buffer back. Nobody may read or write it any more. */
  give(slab: Buffer): void {
    if (slab.length === this.slabSize && this.#idle.length < this.#maxIdle) this.#idle.push(slab);
  }
}

/** The pool that writers use unless told otherwise. */
export const sharedSlabs: SlabPool = new SlabPool();
