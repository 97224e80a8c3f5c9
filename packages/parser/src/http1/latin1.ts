interface Latin1Buffer {
  latin1Slice(start: number, end: number): string;
}

/**
 * The bytes as characters U+0000 to U+00FF, one each. `toString('latin1')` comes to the same after deciding
 * by the name of the encoding, which a proxy pays for on every message.
 */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Latin1Buffer).latin1Slice(start, end);
}

/**
 * The same text in one piece. One that was put together is kept as a tree of its parts, and whoever writes it walks the
 * tree: worth a copy for a text that is written again and again.
 *
 * @param text of U+0000 to U+00FF only
 */
export function inOnePiece(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  return latin1(bytes, 0, bytes.length);
}
