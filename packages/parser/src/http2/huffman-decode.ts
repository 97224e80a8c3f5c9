import {
  CODE_LENGTHS,
  CODES,
  EOS,
  FIRST_CODE,
  FIRST_POSITION,
  MAX_CODE_LENGTH,
  SYMBOLS_BY_CODE,
} from './huffman-code.ts';
import { OCTET_CLASS } from './octet-class.ts';

/**
 * Table look-up on 12 bits at a time: header text is mostly codes of 5 to 7 bits, so one look-up usually
 * yields two octets. 16 KiB, which stays in the first-level cache; a byte-wise state machine needs 256 KiB.
 *
 * An entry: bits 0–7 first octet, 8–15 second octet, 16–19 length of the first code (0: longer than 12
 * bits), 20–23 length of all codes in it, 24 whether there is a second octet.
 */
const LOOKUP_BITS = 12;
const LOOKUP_MASK = 0xfff;
const LOOKUP: Uint32Array = new Uint32Array(1 << LOOKUP_BITS);

/** What octet-class bits the octets of an entry have together. */
const LOOKUP_CLASS: Uint8Array = new Uint8Array(1 << LOOKUP_BITS);

function symbolAt(bits: number, available: number): number {
  for (let symbol = 0; symbol < EOS; symbol++) {
    const length = CODE_LENGTHS[symbol] as number;
    if (length <= available && bits >>> (available - length) === CODES[symbol]) return symbol;
  }
  return -1;
}

function fillLookup(): void {
  // Symbols of a prefix of n bits, found once per prefix length: 2^13 searches instead of 2^12 pairs of them.
  const second: Int16Array[] = [];
  for (let available = 0; available <= LOOKUP_BITS; available++) {
    const table = new Int16Array(1 << available);
    for (let bits = 0; bits < table.length; bits++) table[bits] = symbolAt(bits, available);
    second.push(table);
  }
  for (let bits = 0; bits < LOOKUP.length; bits++) {
    const symbol = (second[LOOKUP_BITS] as Int16Array)[bits] as number;
    if (symbol < 0) continue;
    const length = CODE_LENGTHS[symbol] as number;
    const rest = LOOKUP_BITS - length;
    const next = (second[rest] as Int16Array)[bits & ((1 << rest) - 1)] as number;
    const total = next < 0 ? length : length + (CODE_LENGTHS[next] as number);
    LOOKUP[bits] =
      symbol | (next < 0 ? 0 : next << 8) | (length << 16) | (total << 20) | (next < 0 ? 0 : 1 << 24);
    LOOKUP_CLASS[bits] = (OCTET_CLASS[symbol] as number) | (next < 0 ? 0 : (OCTET_CLASS[next] as number));
  }
}
fillLookup();

/**
 * Unpacks one Huffman-coded string (RFC 7541 §5.2). One instance is shared by everything on a thread: the
 * output buffer is only valid until the next call.
 */
export class HuffmanDecoder {
  /** The octets unpacked last; only the first `length` count. */
  output: Buffer = Buffer.allocUnsafeSlow(4096);
  /** Octet-class bits (see `octet-class.ts`) of all octets unpacked last, ORed. */
  classBits: number = 0;
  #accumulator = 0;
  #available = 0;
  #position = 0;
  #length = 0;

  /**
   * Unpacks `input[start, end)` into `output`.
   * @returns the number of octets, or -1 if the string holds EOS or its padding is longer than 7 bits or
   *   not a prefix of EOS: a COMPRESSION_ERROR.
   */
  decode(input: Uint8Array, start: number, end: number): number {
    // The shortest code has 5 bits; one octet of slack because two are stored per look-up.
    const most = (((end - start) * 8) / 5 + 2) >>> 0;
    if (this.output.length < most) this.output = Buffer.allocUnsafeSlow(most * 2);
    const output = this.output;
    let accumulator = 0;
    let available = 0;
    let position = start;
    let length = 0;
    let classBits = 0;
    for (;;) {
      while (available <= 24 && position < end) {
        accumulator = (accumulator << 8) | (input[position++] as number);
        available += 8;
      }
      if (available < LOOKUP_BITS) break;
      const bits = (accumulator >>> (available - LOOKUP_BITS)) & LOOKUP_MASK;
      const entry = LOOKUP[bits] as number;
      if (entry === 0) {
        this.#accumulator = accumulator;
        this.#available = available;
        this.#position = position;
        const symbol = this.#longCode(input, end);
        if (symbol < 0) return -1;
        accumulator = this.#accumulator;
        available = this.#available;
        position = this.#position;
        output[length++] = symbol;
        classBits |= OCTET_CLASS[symbol] as number;
        continue;
      }
      output[length] = entry & 0xff;
      output[length + 1] = (entry >>> 8) & 0xff;
      length += 1 + (entry >>> 24);
      available -= (entry >>> 20) & 0xf;
      classBits |= LOOKUP_CLASS[bits] as number;
    }
    this.classBits = classBits;
    this.#length = length;
    return this.#tail(accumulator, available);
  }

  /** The last, fewer than 12 bits: whole codes, then padding. */
  #tail(accumulator: number, available: number): number {
    const output = this.output;
    while (available > 0) {
      // Fill up with ones, which is what padding consists of.
      const missing = LOOKUP_BITS - available;
      const bits = ((accumulator << missing) | ((1 << missing) - 1)) & LOOKUP_MASK;
      const entry = LOOKUP[bits] as number;
      const length = (entry >>> 16) & 0xf;
      if (length === 0 || length > available) {
        const ones = (1 << available) - 1;
        return available <= 7 && (accumulator & ones) === ones ? this.#length : -1;
      }
      output[this.#length++] = entry & 0xff;
      this.classBits |= OCTET_CLASS[entry & 0xff] as number;
      available -= length;
    }
    return this.#length;
  }

  /** A code of 13 to 30 bits; all of them begin with eight ones. */
  #longCode(input: Uint8Array, end: number): number {
    let available = this.#available - 8;
    let accumulator = this.#accumulator;
    let position = this.#position;
    while (available <= 24 && position < end) {
      accumulator = (accumulator << 8) | (input[position++] as number);
      available += 8;
    }
    for (let length = LOOKUP_BITS + 1; length <= MAX_CODE_LENGTH; length++) {
      const rest = length - 8;
      // Too few bits for a code, and more than padding may have.
      if (rest > available) return -1;
      const code = ((0xff << rest) | ((accumulator >>> (available - rest)) & ((1 << rest) - 1))) >>> 0;
      const offset = code - (FIRST_CODE[length] as number);
      const count = (FIRST_POSITION[length + 1] as number) - (FIRST_POSITION[length] as number);
      if (offset < 0 || offset >= count) continue;
      const symbol = SYMBOLS_BY_CODE[(FIRST_POSITION[length] as number) + offset] as number;
      if (symbol === EOS) return -1;
      this.#accumulator = accumulator;
      this.#available = available - rest;
      this.#position = position;
      return symbol;
    }
    return -1;
  }
}

/** The decoder of this thread. */
export const huffmanDecoder: HuffmanDecoder = new HuffmanDecoder();
