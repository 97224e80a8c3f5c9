import type { WireFailureCode } from './failure.ts';
import { isTokenCode } from './field-syntax.ts';

const longestMethod = 64;

/**
 * What comes before llhttp can be asked: empty lines; and after it has given up: the rest of a method that
 * it does not know.
 */
export class StartLine {
  readonly #emptyLineBytes: number;
  #emptyBytes: number;
  #methodLength: number;

  /** @param emptyLineBytes how many bytes of empty lines may precede a message */
  constructor(emptyLineBytes: number) {
    this.#emptyLineBytes = emptyLineBytes;
    this.#emptyBytes = 0;
    this.#methodLength = 0;
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

  /** An unknown method begins with `length` bytes that are a token. */
  beginMethod(length: number): void {
    this.#methodLength = length;
  }

  /** What is wrong with it: unknown (501) if it is a token, else malformed (400); undefined if it goes on. */
  scanMethod(chunk: Buffer, start: number, end: number): WireFailureCode | undefined {
    for (let at = start; at < end; at++) {
      const code = chunk[at] as number;
      if (code === 0x20 && this.#methodLength > 0) return 'ERR_METHOD_UNKNOWN';
      if (!isTokenCode(code)) return 'ERR_BAD_METHOD';
      if (++this.#methodLength > longestMethod) return 'ERR_METHOD_UNKNOWN';
    }
    return undefined;
  }
}
