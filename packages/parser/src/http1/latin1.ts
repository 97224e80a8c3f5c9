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
