/**
 * The Huffman code of HPACK (RFC 7541 Appendix B). It is canonical: codes of one length ascend with the
 * symbol, and shorter codes come first. So the lengths are the whole table, and the codes follow.
 */

/** Symbol that ends a string; it must never appear in one (RFC 7541 §5.2). */
export const EOS = 256;

/** Longest code in bits. */
export const MAX_CODE_LENGTH = 30;

/** Code length in bits of every octet, and of EOS. */
// prettier-ignore
export const CODE_LENGTHS: Uint8Array = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
  7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
  23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
  21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
);

/** Symbols in the order of their codes. */
export const SYMBOLS_BY_CODE: Uint16Array = new Uint16Array(257);

/** The code of every symbol, right-aligned. */
export const CODES: Uint32Array = new Uint32Array(257);

/** First code of each length, right-aligned; `FIRST_CODE[n + 1]` bounds the codes of length n from above. */
export const FIRST_CODE: Uint32Array = new Uint32Array(MAX_CODE_LENGTH + 2);

/** Position in `SYMBOLS_BY_CODE` of the first code of each length. */
export const FIRST_POSITION: Uint16Array = new Uint16Array(MAX_CODE_LENGTH + 2);

let code = 0;
let position = 0;
for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
  FIRST_CODE[length] = code;
  FIRST_POSITION[length] = position;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    if (CODE_LENGTHS[symbol] !== length) continue;
    SYMBOLS_BY_CODE[position++] = symbol;
    CODES[symbol] = code++;
  }
  code *= 2;
}
FIRST_POSITION[MAX_CODE_LENGTH + 1] = position;
