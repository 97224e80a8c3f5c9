import type { WireFailureCode } from './failure.ts';
import { isTokenCode } from './field-syntax.ts';

/** Bytes; no registered method has a third of them. */
const longestMethod = 64;

/** What comes before llhttp can be asked: empty lines. */
export class StartLine {
  readonly #emptyLineBytes: number;
  #emptyBytes: number;

  /** @param emptyLineBytes how many bytes of empty lines may precede a message */
  constructor(emptyLineBytes: number) {
    this.#emptyLineBytes = emptyLineBytes;
    this.#emptyBytes = 0;
  }

  /** A message begins, or the connection is a new one. */
  reset(): void {
    this.#emptyBytes = 0;
  }

  /** Where in `chunk[start..end)` a message begins; `end` if it does not yet; -1 if empty lines are malformed. */
  skipEmptyLines(chunk: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const code = chunk[at];
      const insideCrlf = (this.#emptyBytes & 1) === 1;
      if (!insideCrlf && code !== 0x0d && code !== 0x0a) return at;
      if (code !== (insideCrlf ? 0x0a : 0x0d) || ++this.#emptyBytes > this.#emptyLineBytes) return -1;
    }
    return end;
  }
}

/**
 * Where in `chunk[start..end)` a method ends, of which `before` bytes came already: at a space, or `end` if it goes on.
 * Or what is wrong with it: no token (400), or longer than we take (501, RFC 9112 §3).
 */
export function endOfMethod(
  chunk: Buffer,
  start: number,
  end: number,
  before: number,
): number | WireFailureCode {
  const first = start - before;
  for (let at = start; at < end; at++) {
    const code = chunk[at] as number;
    if (code === 0x20 && at > first) return at;
    if (!isTokenCode(code)) return 'ERR_BAD_METHOD';
    if (at - first >= longestMethod) return 'ERR_METHOD_UNKNOWN';
  }
  return end;
}
