import type { BodyRanges } from './body-ranges.ts';
import { ChunkOverhead } from './chunk-overhead.ts';
import type { WireFailureCode } from './failure.ts';
import { HeadBuffer } from './head-buffer.ts';
import { fieldExcess, type WireLimits } from './limits.ts';
import { Errno, sliceBytes, Span, type Llhttp } from './llhttp.ts';
import type { FieldReader } from './read-fields.ts';
import { TrailerSection } from './trailer-section.ts';

/** Reads a chunked body: sorts what llhttp notes into data, overhead and trailers, and holds it to the limits. */
export class ChunkedBody {
  /** After {@link read}: the body is read to its end. */
  complete: boolean;
  /** After {@link read}: why it is refused, or undefined. */
  fault: WireFailureCode | undefined;
  readonly #limits: WireLimits;
  readonly #machine: Llhttp;
  readonly #ranges: BodyRanges;
  readonly #overhead: ChunkOverhead;
  #trailers: HeadBuffer | undefined;
  /** Reads the trailers where llhttp has given up. */
  #section: TrailerSection | undefined;
  /** Entries of the tape that note data, and where the last data ends in the chunk. */
  #dataUsed: number;
  #dataEnd: number;

  constructor(limits: WireLimits, machine: Llhttp, ranges: BodyRanges) {
    this.complete = false;
    this.fault = undefined;
    this.#limits = limits;
    this.#machine = machine;
    this.#ranges = ranges;
    this.#overhead = new ChunkOverhead();
    this.#trailers = undefined;
    this.#section = undefined;
    this.#dataUsed = 0;
    this.#dataEnd = 0;
  }

  /** A body begins. */
  begin(): void {
    this.complete = false;
    this.fault = undefined;
    this.#overhead.reset();
    this.#trailers = undefined;
    this.#section = undefined;
  }

  /** Takes from `chunk[start..end)` as much as fits into llhttp's input at once; returns where it stopped. */
  read(parser: number, chunk: Buffer, start: number, end: number): number {
    if (this.#section !== undefined) return this.#readSection(this.#section, chunk, start, end);
    const machine = this.#machine;
    const length = Math.min(end - start, sliceBytes);
    const errno = machine.executeBody(parser, chunk, start, length);
    let stop = start + length;
    if (errno !== Errno.ok) {
      stop = start + machine.stoppedAt(parser);
      if (!machine.complete) return this.#refused(errno, chunk, start, stop, end);
      this.complete = true;
    }
    this.fault = this.#note(chunk, start, stop);
    return stop;
  }

  /** Takes what llhttp just noted in `chunk[start..stop)`; says which limit that exceeds. */
  #note(chunk: Buffer, start: number, stop: number): WireFailureCode | undefined {
    const { tape, used, input } = this.#machine;
    const shift = start - input;
    this.#noteData(chunk, start);
    const dataUsed = this.#dataUsed;
    let trailersAt = stop;
    if (this.#trailers !== undefined) trailersAt = start;
    else if (dataUsed < used) {
      trailersAt = (tape[dataUsed + 1] as number) + shift;
      this.#trailers = new HeadBuffer();
    }
    this.#overhead.count(chunk, this.#dataEnd, trailersAt);
    if (this.#overhead.bytes > this.#limits.chunkOverhead) return 'ERR_CHUNK_OVERHEAD';
    const trailers = this.#trailers;
    if (trailers === undefined) return undefined;
    trailers.append(chunk, trailersAt, stop, this.#machine, dataUsed, trailersAt - shift);
    // The CRLF of the empty line, or the CR of it, may be there already and does not count.
    return fieldExcess(this.#limits, trailers, trailers.length - (this.complete ? 2 : 1));
  }

  /** Takes the data that llhttp just noted in a chunk from `start` on, and counts what is between. */
  #noteData(chunk: Buffer, start: number): void {
    const { tape, used, input } = this.#machine;
    const shift = start - input;
    let i = 0;
    let framingAt = start;
    for (; i < used && tape[i] === Span.body; i += 3) {
      const at = (tape[i + 1] as number) + shift;
      this.#overhead.count(chunk, framingAt, at);
      framingAt = at + (tape[i + 2] as number);
      this.#ranges.add(at, framingAt);
    }
    this.#dataUsed = i;
    this.#dataEnd = framingAt;
  }

  /** llhttp refused what begins at `start` and goes on at `stop`. */
  #refused(errno: number, chunk: Buffer, start: number, stop: number, end: number): number {
    this.fault = this.#faultOf(errno);
    if (!framesNothing(errno)) return stop;
    const section = new TrailerSection(this.#limits);
    const begun = this.#trailers;
    this.#noteData(chunk, start);
    let at = start;
    if (begun !== undefined) section.read(begun.bytes, 0, begun.length);
    else at = this.#overhead.count(chunk, this.#dataEnd, stop);
    if (begun === undefined && !this.#overhead.last) return stop;
    if (this.#overhead.bytes > this.#limits.chunkOverhead) {
      this.fault = 'ERR_CHUNK_OVERHEAD';
      return stop;
    }
    this.#section = section;
    return this.#readSection(section, chunk, at, end);
  }

  #readSection(section: TrailerSection, chunk: Buffer, start: number, end: number): number {
    const stop = section.read(chunk, start, end);
    this.complete = section.complete;
    this.fault = section.fault;
    return stop;
  }

  /** What llhttp's error means. */
  #faultOf(errno: number): WireFailureCode {
    if (errno === Errno.user) return 'ERR_FIELDS_TOO_LARGE';
    const { tape, used } = this.#machine;
    // llhttp does not note a name that it refuses.
    if (errno === Errno.invalidHeaderToken) return 'ERR_BAD_FIELD';
    const inTrailers = this.#trailers !== undefined || (used > 0 && tape[used - 3] !== Span.body);
    return inTrailers ? 'ERR_BAD_FIELD' : 'ERR_BAD_CHUNK';
  }

  /** The trailers of a body that is complete, names and values in turn; undefined if there are none. */
  trailers(reader: FieldReader): string[] | undefined {
    const trailers = this.#trailers;
    if (this.#section !== undefined) return this.#section.fields;
    if (trailers === undefined) return undefined;
    this.#trailers = undefined;
    trailers.restore(this.#machine);
    reader.read(trailers.text(), trailers.bytes, 0, this.#machine.tape, 0, this.#machine.used);
    return reader.lines.cut();
  }
}

/** True where llhttp takes issue with `Content-Length` or `Transfer-Encoding`, which mean nothing in trailers. */
function framesNothing(errno: number): boolean {
  return (
    errno === Errno.unexpectedContentLength ||
    errno === Errno.invalidContentLength ||
    errno === Errno.invalidTransferEncoding
  );
}
