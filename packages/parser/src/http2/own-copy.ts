/** Shorter pieces of strings are copies anyway: V8 refers to the whole only from this length on. */
const MIN_SLICE = 13;

let scratch: Buffer = Buffer.allocUnsafeSlow(4096);

/**
 * The same latin1 text in memory of its own. A piece of a head's text keeps all of that text alive, which
 * must not happen to what is remembered for long: 60 octets in a table would hold 32 KiB each.
 */
export function ownCopy(text: string): string {
  const length = text.length;
  if (length < MIN_SLICE) return text;
  if (length > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2);
  scratch.write(text, 0, 'latin1');
  return scratch.toString('latin1', 0, length);
}
