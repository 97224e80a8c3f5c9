import type { BodyRanges } from './body-ranges.ts';
import { ChunkOverhead } from './chunk-overhead.ts';
import type { WireFailureCode } from './failure.ts';
import { HeadBuffer } from './head-buffer.ts';
import { fieldExcess, type WireLimits } from './limits.ts';
import { Errno, Span, type Llhttp } from './llhttp.ts';
import type { FieldReader } from './read-fields.ts';

/** Sorts what llhttp notes in a chunked body into data, overhead and trailers, and holds it to the limits. */
export class ChunkedBody {
  readonly #limits: WireLimits;
  readonly #machine: Llhttp;
  readonly #ranges: BodyRanges;
  readonly #overhead: ChunkOverhead;
  #trailers: HeadBuffer | undefined;

  constructor(limits: WireLimits, machine: Llhttp, ranges: BodyRanges) {
    this.#limits = limits;
    this.#machine = machine;
    this.#ranges = ranges;
    this.#overhead = new ChunkOverhead();
    this.#trailers = undefined;
  }

  /** A body begins. */
  begin(): void {
    this.#overhead.reset();
    this.#trailers = undefined;
  }

  /** Takes what llhttp just noted in `chunk[start..stop)`; says which limit that exceeds. */
  note(chunk: Buffer, start: number, stop: number): WireFailureCode | undefined {
    const { tape, used, input, complete } = this.#machine;
    const shift = start - input;
    let i = 0;
    let framingAt = start;
    for (; i < used && tape[i] === Span.body; i += 3) {
      const at = (tape[i + 1] as number) + shift;
      this.#overhead.count(chunk, framingAt, at);
      framingAt = at + (tape[i + 2] as number);
      this.#ranges.add(at, framingAt);
    }
    let trailersAt = stop;
    if (this.#trailers !== undefined) trailersAt = start;
    else if (i < used) {
      trailersAt = (tape[i + 1] as number) + shift;
      this.#trailers = new HeadBuffer();
    }
    this.#overhead.count(chunk, framingAt, trailersAt);
    if (this.#overhead.bytes > this.#limits.chunkOverhead) return 'ERR_CHUNK_OVERHEAD';
    const trailers = this.#trailers;
    if (trailers === undefined) return undefined;
    trailers.append(chunk, trailersAt, stop, this.#machine, i, trailersAt - shift);
    // The CRLF of the empty line, or the CR of it, may be there already and does not count.
    return fieldExcess(this.#limits, trailers, trailers.length - (complete ? 2 : 1));
  }

  /** What llhttp's error means. */
  fault(errno: number): WireFailureCode {
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
    if (trailers === undefined) return undefined;
    this.#trailers = undefined;
    trailers.restore(this.#machine);
    reader.read(trailers.text(), trailers.bytes, 0, this.#machine.tape, 0, this.#machine.used);
    return reader.lines.cut();
  }
}
