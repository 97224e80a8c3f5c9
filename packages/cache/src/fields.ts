/** Field lines of a message as they came: `[name, value, name, value, …]`. */
export type Fields = readonly string[];

/**
 * ASCII case-insensitive equality with a name that is already lower case (RFC 9110 §5.1: field names are
 * case-insensitive). Lengths are compared first, because that decides almost every look-up.
 */
export function equalsIgnoreCase(value: string, lower: string): boolean {
  const length = lower.length;
  if (value.length !== length) return false;
  if (value === lower) return true;
  for (let i = 0; i < length; i++) {
    let code = value.charCodeAt(i);
    if (code >= 65 && code <= 90) code |= 0x20;
    if (code !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** Position of the first line called `lower` at or after `from`, or -1. Positions are those of the name. */
export function fieldIndex(fields: Fields, lower: string, from = 0): number {
  for (let i = from; i + 1 < fields.length; i += 2) {
    if (equalsIgnoreCase(fields[i] as string, lower)) return i;
  }
  return -1;
}

/** Value of the first line called `lower`, or `undefined`. */
export function firstValue(fields: Fields, lower: string): string | undefined {
  const index = fieldIndex(fields, lower);
  return index < 0 ? undefined : fields[index + 1];
}

/** Values of all lines called `lower`, combined with `, ` in order (RFC 9110 §5.2), or `undefined`. */
export function combinedValue(fields: Fields, lower: string): string | undefined {
  let index = fieldIndex(fields, lower);
  if (index < 0) return undefined;
  let value = fields[index + 1] as string;
  while ((index = fieldIndex(fields, lower, index + 2)) >= 0) value += `, ${fields[index + 1] as string}`;
  return value;
}

/** Characters of a token (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** True when `value` is a token (RFC 9110 §5.6.2). */
export function isToken(value: string): boolean {
  return TOKEN.test(value);
}

/** Removes optional whitespace (SP, HTAB) on both sides (RFC 9110 §5.6.3). */
export function trimOws(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isOws(value.charCodeAt(start))) start++;
  while (end > start && isOws(value.charCodeAt(end - 1))) end--;
  return start === 0 && end === value.length ? value : value.slice(start, end);
}

/** True for SP and HTAB. */
export function isOws(code: number): boolean {
  return code === 32 || code === 9;
}

/** Members of a list of tokens in lower case; empty members are dropped (RFC 9110 §5.6.1.2). */
export function lowerCaseList(value: string): string[] {
  const members: string[] = [];
  for (const part of value.split(',')) {
    const member = trimOws(part);
    if (member !== '') members.push(member.toLowerCase());
  }
  return members;
}

/**
 * End of the quoted-string that opens at `start`: the position after the closing quote, or -1 when it never
 * closes (RFC 9110 §5.6.4).
 */
export function quotedStringEnd(value: string, start: number): number {
  for (let i = start + 1; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === 92) i++;
    else if (code === 34) return i + 1;
  }
  return -1;
}
