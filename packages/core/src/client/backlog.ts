/** Bytes of pipelined requests that wait until the request before them is done (RFC 9112 §9.3.2). */
export class Backlog {
  #bytes: Buffer | undefined = undefined;

  get length(): number {
    return this.#bytes === undefined ? 0 : this.#bytes.length;
  }

  /** Copies `chunk[from..to)` behind what is there. */
  add(chunk: Buffer, from: number, to: number): void {
    if (from >= to) return;
    const bytes = Buffer.from(chunk.subarray(from, to));
    this.#bytes = this.#bytes === undefined ? bytes : Buffer.concat([this.#bytes, bytes]);
  }

  take(): Buffer | undefined {
    const bytes = this.#bytes;
    this.#bytes = undefined;
    return bytes;
  }
}
