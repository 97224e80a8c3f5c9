import { latin1 } from './latin1.ts';
import { Span, type Llhttp } from './llhttp.ts';

/**
 * The bytes of a head, or of trailers, that came in pieces, and the spans noted in them so far. Grows by
 * doubling, so that a head sent byte by byte costs no more than in proportion to its length; the limits of
 * the parser bound it.
 */
export class HeadBuffer {
  /** The first `length` of these bytes are held. */
  bytes: Buffer;
  /** Triples of kind, offset and length. */
  readonly spans: number[];
  /** Field values begun. */
  values: number;
  /** Bytes held. */
  length: number;
  /** Offset of the first line feed, or -1. */
  lineEnd: number;

  constructor() {
    this.bytes = Buffer.allocUnsafe(1024);
    this.spans = [];
    this.values = 0;
    this.length = 0;
    this.lineEnd = -1;
  }

  /**
   * Takes `chunk[from..to)` and what the tape notes from entry `first` on.
   * @param origin address of the byte that `from` was loaded at
   */
  append(chunk: Buffer, from: number, to: number, machine: Llhttp, first: number, origin: number): void {
    this.#appendSpans(machine, first, origin - this.length);
    const needed = this.length + to - from;
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    chunk.copy(this.bytes, this.length, from, to);
    if (this.lineEnd === -1) {
      const found = this.bytes.subarray(this.length, needed).indexOf(0x0a);
      if (found !== -1) this.lineEnd = this.length + found;
    }
    this.length = needed;
  }

  #appendSpans(machine: Llhttp, first: number, origin: number): void {
    const { spans } = this;
    for (let i = first; i < machine.used; i += 3) {
      const kind = machine.tape[i] as number;
      const length = machine.tape[i + 2] as number;
      const last = spans.length - 3;
      if (last >= 0 && spans[last] === kind) {
        spans[last + 2] = (spans[last + 2] as number) + length;
        continue;
      }
      if (kind === Span.value) this.values++;
      spans.push(kind, (machine.tape[i + 1] as number) - origin, length);
    }
  }

  /** Puts the spans back on the tape, addresses counted from 0, as if the head had come in one piece. */
  restore(machine: Llhttp): void {
    machine.tape.set(this.spans);
    machine.used = this.spans.length;
  }

  /** Length of the longest field so far, name and value. */
  longestField(): number {
    return longestField(this.spans, this.spans.length);
  }

  /** A start line with its CRLF is there. */
  get hasStartLine(): boolean {
    return this.lineEnd > 0 && this.bytes[this.lineEnd - 1] === 0x0d;
  }

  text(): string {
    return latin1(this.bytes, 0, this.length);
  }
}

/** Length of the longest field, name and value, that the first `used` entries of these spans note. */
export function longestField(spans: ArrayLike<number>, used: number): number {
  let longest = 0;
  let nameLength = 0;
  for (let i = 0; i < used; i += 3) {
    const length = spans[i + 2] as number;
    if (spans[i] === Span.name) nameLength = length;
    if (spans[i] === Span.value) longest = Math.max(longest, nameLength + length);
  }
  return longest;
}
