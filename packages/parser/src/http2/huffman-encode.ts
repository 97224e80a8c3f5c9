import { CODE_LENGTHS, CODES } from './huffman-code.ts';

/** Codes of up to 24 bits with their length in the low five bits; 0 for longer ones. One load per octet. */
const SHORT: Uint32Array = Uint32Array.from(CODES, (code, symbol) =>
  (CODE_LENGTHS[symbol] as number) <= 24 ? (code << 5) | (CODE_LENGTHS[symbol] as number) : 0,
);

/** Length in octets of `input[start, end)` after Huffman coding (RFC 7541 §5.2). */
export function huffmanLength(input: Uint8Array, start: number, end: number): number {
  let bits = 0;
  for (let index = start; index < end; index++) bits += CODE_LENGTHS[input[index] as number] as number;
  return (bits + 7) >>> 3;
}

/**
 * Huffman-codes `input[start, end)` into `output` at `offset`, padded with ones (RFC 7541 §5.2).
 * @returns the offset behind the last octet written.
 */
export function huffmanEncode(
  input: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  offset: number,
): number {
  let accumulator = 0;
  let pending = 0;
  for (let index = start; index < end; index++) {
    const symbol = input[index] as number;
    const short = SHORT[symbol] as number;
    if (short !== 0) {
      const length = short & 0x1f;
      accumulator = (accumulator << length) | (short >>> 5);
      pending += length;
    } else {
      // Up to seven bits wait already: more than 24 would not fit into 32, so such a code goes in two parts.
      const code = CODES[symbol] as number;
      const low = (CODE_LENGTHS[symbol] as number) - 15;
      accumulator = (accumulator << 15) | (code >>> low);
      pending += 15;
      while (pending >= 8) output[offset++] = accumulator >>> (pending -= 8);
      accumulator = (accumulator << low) | (code & ((1 << low) - 1));
      pending += low;
    }
    while (pending >= 8) output[offset++] = accumulator >>> (pending -= 8);
  }
  if (pending > 0) output[offset++] = (accumulator << (8 - pending)) | (0xff >>> pending);
  return offset;
}
