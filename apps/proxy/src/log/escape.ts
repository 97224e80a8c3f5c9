/**
 * Text of clients and backends on its way into a log line. Everything beyond printable ASCII is escaped: a line
 * break would forge a line, an escape sequence would reach the terminal of whoever reads the log, and pure
 * ASCII makes the length of a line its size in bytes.
 */
const unsafe = /[^\u0020\u0021\u0023-\u005b\u005d-\u007e]/u;
const allUnsafe = /[^\u0020\u0021\u0023-\u005b\u005d-\u007e]/gsu;
const SLOTS = 16;

const jsonEscape = (character: string): string => {
  if (character === '"' || character === '\\') return `\\${character}`;
  let text = '';
  // Code units, not code points: JSON writes what is beyond U+FFFF as two escapes.
  for (let index = 0; index < character.length; index++) {
    text += `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
  }
  return text;
};

const logEscape = (character: string): string => {
  if (character === '"' || character === '\\') return `\\${character}`;
  const code = character.codePointAt(0) ?? 0;
  // Bytes of the wire are read as latin1, so that up to U+00FF a character is a byte.
  const bytes = code <= 0xff ? [code] : Buffer.from(character, 'utf8');
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('');
};

/** `text` as a JSON string, quotes included. */
export function jsonString(text: string): string {
  return unsafe.test(text) ? `"${text.replaceAll(allUnsafe, jsonEscape)}"` : `"${text}"`;
}

/** `text` as it may stand between the quotes of a common or combined log line; `-` if it is empty. */
export function quotedText(text: string): string {
  if (text === '') return '-';
  return unsafe.test(text) ? text.replaceAll(allUnsafe, logEscape) : text;
}

/** `text` as it may stand without quotes in a common or combined log line; `-` if it is empty. */
export function bareText(text: string): string {
  if (text === '') return '-';
  return /^[0-9A-Za-z.:%_-]+$/u.test(text) ? text : quotedText(text).replaceAll(' ', '\\x20');
}

/**
 * Remembers what texts of one field became, since clients repeat themselves. Found by length: comparing with one
 * remembered text is cheaper than hashing a new one. Holds at most 16 texts, each for as long as no other of
 * its length (modulo 16) comes.
 */
export class EscapeCache {
  readonly #raw: string[] = Array.from({ length: SLOTS }, () => '');
  readonly #escaped: string[] = Array.from({ length: SLOTS }, () => '""');

  /** {@link jsonString}, remembered. */
  json(text: string): string {
    const slot = text.length % SLOTS;
    if (this.#raw[slot] === text) return this.#escaped[slot] ?? '""';
    const escaped = jsonString(text);
    // Long texts would keep the message that they were cut from in memory.
    if (text.length <= 512) {
      this.#raw[slot] = text;
      this.#escaped[slot] = escaped;
    }
    return escaped;
  }
}
