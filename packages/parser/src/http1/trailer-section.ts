import type { WireFailureCode } from './failure.ts';
import { isFieldName, isFieldValue } from './field-syntax.ts';
import { latin1 } from './latin1.ts';
import type { WireLimits } from './limits.ts';

/**
 * Reads a trailer section (RFC 9112 §7.1.2) that llhttp refuses to, for a name in it that would frame a message if it
 * stood in its head. Here it frames nothing: whoever passes trailers on drops it (RFC 9110 §6.5.1).
 */
export class TrailerSection {
  /** Names and values in turn. */
  readonly fields: string[];
  complete: boolean;
  fault: WireFailureCode | undefined;
  readonly #limits: WireLimits;
  #rest: string;
  #bytes: number;

  constructor(limits: WireLimits) {
    this.fields = [];
    this.complete = false;
    this.fault = undefined;
    this.#limits = limits;
    this.#rest = '';
    this.#bytes = 0;
  }

  /** Takes `chunk[start..end)` up to the empty line, and returns where it stopped. */
  read(chunk: Buffer, start: number, end: number): number {
    for (let at = start; at < end;) {
      const feed = chunk.indexOf(0x0a, at);
      const stop = feed === -1 || feed >= end ? end : feed + 1;
      this.#rest += latin1(chunk, at, stop);
      this.#bytes += stop - at;
      at = stop;
      if (this.#rest === '\r\n') {
        this.complete = true;
        return at;
      }
      // The CR of the empty line does not count.
      const counted = this.#rest === '\r' ? this.#bytes - 1 : this.#bytes;
      if (counted > this.#limits.headerBytes) this.fault = 'ERR_FIELDS_TOO_LARGE';
      else if (stop === feed + 1) this.#line();
      if (this.fault !== undefined) return at;
    }
    return end;
  }

  #line(): void {
    const line = this.#rest;
    this.#rest = '';
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1, -2).replace(/^[ \t]+|[ \t]+$/g, '');
    const { headerCount, fieldBytes } = this.#limits;
    if (colon === -1 || !line.endsWith('\r\n') || !isFieldName(name) || !isFieldValue(value)) {
      this.fault = 'ERR_BAD_FIELD';
    } else if (this.fields.push(name, value) > headerCount * 2 || name.length + value.length > fieldBytes) {
      this.fault = 'ERR_FIELDS_TOO_LARGE';
    }
  }
}
