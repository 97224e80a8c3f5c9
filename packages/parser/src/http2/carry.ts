const EMPTY: Buffer = Buffer.alloc(0);

/** Octets carried over from one chunk to the next. Holds no memory while there are none. */
export class Carry {
  buffer: Buffer = EMPTY;
  length: number = 0;

  /**
   * Takes octets of `chunk[start, end)` until there are `wanted`.
   * @returns the position behind the last octet taken.
   */
  fill(chunk: Buffer, start: number, end: number, wanted: number): number {
    const count = Math.min(end - start, wanted - this.length);
    if (this.length + count > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(64, (this.length + count) * 2));
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    if (count > 0) chunk.copy(this.buffer, this.length, start, start + count);
    this.length += count;
    return start + count;
  }

  /** Forgets octets and memory; whoever still refers to `buffer` may go on reading it. */
  release(): void {
    this.buffer = EMPTY;
    this.length = 0;
  }
}
