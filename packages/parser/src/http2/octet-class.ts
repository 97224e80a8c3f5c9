/**
 * Which octets may stand in field names and values (RFC 9110 §5.1, §5.5; RFC 9113 §8.2.1), as bits per
 * octet. The decoder ORs them over a string while it copies or unpacks it, so the check costs nothing.
 */

/** Not allowed in a field value: controls except HTAB, and DEL. Octets over 0x7f are allowed (obs-text). */
export const NOT_IN_VALUE = 0x1;

/** Not allowed in a field name: anything but token characters, and capital letters (RFC 9113 §8.2.1). */
export const NOT_IN_NAME = 0x2;

/** Not allowed in `:path`: controls, space, `#`, `\`, and anything outside ASCII. */
export const NOT_IN_PATH = 0x4;

/** Not allowed in `:authority` and `host`: what is neither unreserved, sub-delims, nor one of `:[]%`; no `@`. */
export const NOT_IN_AUTHORITY = 0x8;

/** Not allowed in a token (`:method`, `:protocol`); capital letters are. */
export const NOT_IN_TOKEN = 0x10;

const TOKEN_MARKS = "!#$%&'*+-.^_`|~";
const AUTHORITY_MARKS = "-._~!$&'()*+,;=:[]%";

/** Bits for every octet. */
export const OCTET_CLASS: Uint8Array = new Uint8Array(256);

for (let octet = 0; octet < 256; octet++) {
  const character = String.fromCharCode(octet);
  const capital = octet >= 0x41 && octet <= 0x5a;
  const alphanumeric = capital || (octet >= 0x61 && octet <= 0x7a) || (octet >= 0x30 && octet <= 0x39);
  const token = alphanumeric || TOKEN_MARKS.includes(character);
  const visible = octet > 0x20 && octet < 0x7f;
  let bits = 0;
  if ((octet < 0x20 && octet !== 0x09) || octet === 0x7f) bits |= NOT_IN_VALUE;
  if (!token || capital) bits |= NOT_IN_NAME;
  if (!visible || character === '#' || character === '\\') bits |= NOT_IN_PATH;
  if (!alphanumeric && !AUTHORITY_MARKS.includes(character)) bits |= NOT_IN_AUTHORITY;
  if (!token) bits |= NOT_IN_TOKEN;
  OCTET_CLASS[octet] = bits;
}

/** ORs the class bits of every character; characters over 0xff (not latin1) count as not allowed anywhere. */
export function classOf(text: string): number {
  let bits = 0;
  for (let index = 0; index < text.length; index++) bits |= OCTET_CLASS[text.charCodeAt(index)] ?? 0xff;
  return bits;
}
