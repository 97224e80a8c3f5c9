// A chunk size of 2^64-1 has 16 digits; llhttp refuses larger ones but takes any number of leading zeros.
const usualDigits = 16;

/**
 * Counts what a chunked body carries beside its data: extensions (RFC 9112 §7.1.1) and needless zeros.
 * Both are legal, ignored, never forwarded, and would otherwise be an unbounded way to keep a proxy busy.
 */
export class ChunkOverhead {
  /** Bytes counted since {@link reset}. */
  bytes: number;
  /** The line of the last chunk, the one of size 0, was seen to its end. */
  last: boolean;
  #inExtension: boolean;
  #digits: number;
  #zero: boolean;

  constructor() {
    this.bytes = 0;
    this.last = false;
    this.#inExtension = false;
    this.#digits = 0;
    this.#zero = true;
  }

  reset(): void {
    this.bytes = 0;
    this.last = false;
    this.#inExtension = false;
    this.#digits = 0;
    this.#zero = true;
  }

  /** Looks at bytes between chunk data: sizes, extensions, line ends. Stops, and says where, behind the last chunk. */
  count(chunk: Buffer, from: number, to: number): number {
    if (this.last) return from;
    for (let at = from; at < to; at++) {
      const code = chunk[at];
      if (code === 0x0a) {
        this.last = this.#zero && this.#digits > 0;
        if (this.last) return at + 1;
        this.#inExtension = false;
        this.#digits = 0;
        this.#zero = true;
      } else if (this.#inExtension) {
        if (code !== 0x0d) this.bytes++;
      } else if (code === 0x3b) {
        this.#inExtension = true;
        this.bytes++;
      } else if (code !== 0x0d) {
        if (code !== 0x30) this.#zero = false;
        if (++this.#digits > usualDigits) this.bytes++;
      }
    }
    return to;
  }
}
