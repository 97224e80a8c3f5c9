// A chunk size of 2^64-1 has 16 digits; llhttp refuses larger ones but takes any number of leading zeros.
const usualDigits = 16;

/**
 * Counts what a chunked body carries beside its data: extensions (RFC 9112 §7.1.1) and needless zeros.
 * Both are legal, ignored, never forwarded, and would otherwise be an unbounded way to keep a proxy busy.
 */
export class ChunkOverhead {
  /** Bytes counted since {@link reset}. */
  bytes: number;
  #inExtension: boolean;
  #digits: number;

  constructor() {
    this.bytes = 0;
    this.#inExtension = false;
    this.#digits = 0;
  }

  reset(): void {
    this.bytes = 0;
    this.#inExtension = false;
    this.#digits = 0;
  }

  /** Looks at bytes between chunk data: sizes, extensions, line ends. */
  count(chunk: Buffer, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const code = chunk[at];
      if (code === 0x0a) {
        this.#inExtension = false;
        this.#digits = 0;
      } else if (this.#inExtension) {
        if (code !== 0x0d) this.bytes++;
      } else if (code === 0x3b) {
        this.#inExtension = true;
        this.bytes++;
      } else if (code !== 0x0d && ++this.#digits > usualDigits) this.bytes++;
    }
  }
}
