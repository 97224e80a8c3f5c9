interface Latin1Bytes {
  latin1Slice(start: number, end: number): string;
}

/** The bytes from `start` to `end` as characters U+0000 to U+00FF, one each. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // `toString('latin1')` comes to the same after deciding by the name of the encoding, for every response.
  return (buffer as unknown as Latin1Bytes).latin1Slice(start, end);
}

let scratch = Buffer.allocUnsafeSlow(4096);

/**
 * The same text with memory of its own, in one piece. Concatenation makes a tree of pieces, and pieces cut from a network
 * read keep that whole read alive: neither is wanted in what is stored for long.
 */
export function copyText(text: string): string {
  if (text.length > scratch.length) scratch = Buffer.allocUnsafeSlow(text.length * 2);
  const copy = latin1(scratch, 0, scratch.write(text, 0, 'latin1'));
  // Not latin1, against all promises: then nothing may fall together that differs.
  return copy === text ? copy : text;
}

const NEVER = /^\0/;

/**
 * The same text, put together from its pieces in one without another copy of it: regular expressions are only matched
 * against text that is. What stays in pieces takes five times the memory.
 */
export function flatText(text: string): string {
  return NEVER.test(text) ? '' : text;
}
