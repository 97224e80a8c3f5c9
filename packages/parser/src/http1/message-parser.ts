import { ChunkOverhead } from './chunk-overhead.ts';
import { BodyFraming, ParserEvent } from './events.ts';
import { WireFailure, type WireFailureCode } from './failure.ts';
import type { FieldId } from './field-id.ts';
import { isTokenCode } from './field-syntax.ts';
import { HeadBuffer, longestField } from './head-buffer.ts';
import type { MessageHead } from './heads.ts';
import { latin1 } from './latin1.ts';
import { resolveLimits, type WireLimits } from './limits.ts';
import { Errno, llhttp, sliceBytes, Span, type Llhttp, type ParserType } from './llhttp.ts';
import { FieldReader } from './read-fields.ts';

const State = { start: 0, head: 1, method: 2, length: 3, close: 4, chunked: 5, done: 6, failed: 7 } as const;
type State = (typeof State)[keyof typeof State];

// Most heads are smaller than this; a larger slice would copy body bytes that llhttp never sees.
const headSlice = 4096;

/**
 * An incremental HTTP/1 parser for the messages of one connection in one direction. llhttp reads heads and
 * chunked bodies; bodies with a length, or up to the end of the connection, are only counted.
 *
 * Feed it with {@link execute}, again from {@link position} until it says `needMore`.
 */
export abstract class MessageParser {
  /** Where in the chunk the last {@link execute} stopped. */
  position: number;
  /** Why the message was refused, after `failed`. */
  failure: WireFailure | undefined;
  /** After `body`: number of ranges of the chunk that hold body bytes; 1 unless the body is chunked. */
  bodyRanges: number;
  /** After `body`: sum of the bytes in these ranges. */
  bodyLength: number;
  /**
   * True when the message is complete with what has been reported: the next {@link execute} returns `end`
   * at once and consumes nothing.
   */
  complete: boolean;
  /** Names and values in turn of the trailer fields; valid at `end` of a chunked message; else undefined. */
  trailers: string[] | undefined;

  protected readonly limits: WireLimits;
  protected readonly machine: Llhttp;
  protected readonly reader: FieldReader;
  /** Address of the llhttp parser; 0 when closed. */
  protected parser: number;
  readonly #source: 'client' | 'backend';
  readonly #overhead: ChunkOverhead;
  #state: State;
  #used: boolean;
  #emptyLineBytes: number;
  #methodLength: number;
  #remaining: number;
  #partial: HeadBuffer | undefined;
  #ranges: Int32Array;

  constructor(type: ParserType, source: 'client' | 'backend', limits: Partial<WireLimits> | undefined) {
    this.position = 0;
    this.failure = undefined;
    this.bodyRanges = 0;
    this.bodyLength = 0;
    this.complete = false;
    this.trailers = undefined;
    this.limits = resolveLimits(limits);
    this.machine = llhttp();
    this.reader = new FieldReader();
    this.parser = this.machine.open(type);
    this.#source = source;
    this.#overhead = new ChunkOverhead();
    this.#state = State.start;
    this.#used = false;
    this.#emptyLineBytes = 0;
    this.#methodLength = 0;
    this.#remaining = 0;
    this.#partial = undefined;
    this.#ranges = new Int32Array(2);
  }

  /** May a message begin now? A reason to refuse it, or undefined. */
  protected abstract admit(): WireFailureCode | undefined;
  /** Bytes of empty lines that may precede a message. */
  protected abstract readonly emptyLineBytes: number;
  /** Makes a head of the whole text and the tape, or says why not. `origin` is the address of the text. */
  protected abstract readHead(text: string, origin: number): MessageHead | WireFailureCode;
  /** Which limit an incomplete head exceeds already; `length` counts its bytes. */
  protected abstract excess(head: HeadBuffer, length: number): WireFailureCode | undefined;
  /** What llhttp's error means; undefined if the bytes that follow decide (an unknown method). */
  protected abstract describe(errno: number, head: HeadBuffer): WireFailureCode | undefined;

  /** Which limit on fields a head in pieces exceeds; `length` counts their bytes so far. */
  protected fieldExcess(head: HeadBuffer, length: number): WireFailureCode | undefined {
    const { headerBytes, headerCount, fieldBytes } = this.limits;
    const tooLarge =
      length > headerBytes ||
      head.values > headerCount ||
      (fieldBytes < headerBytes && head.longestField() > fieldBytes);
    return tooLarge ? 'ERR_FIELDS_TOO_LARGE' : undefined;
  }

  /** Length of the longest field on the tape, name and value. */
  protected longestField(): number {
    return longestField(this.machine.tape, this.machine.used);
  }

  /**
   * Consumes `chunk[start..end)` up to the next event; {@link position} says how far. `needMore` means all
   * of it. After `end` the parser is ready for the next message. Never throws, and keeps no reference to
   * `chunk`.
   */
  execute(chunk: Buffer, start: number, end: number): ParserEvent {
    this.bodyRanges = 0;
    this.bodyLength = 0;
    this.position = start;
    switch (this.#state) {
      case State.start:
        return this.#begin(chunk, start, end);
      case State.head:
        return this.#readHead(chunk, start, end);
      case State.method:
        return this.#readMethod(chunk, start, end);
      case State.length:
        return this.#countLength(start, end);
      case State.close:
        return this.#countToClose(start, end);
      case State.chunked:
        return this.#readChunks(chunk, start, end);
      case State.done:
        return this.#end();
      case State.failed:
        return ParserEvent.failed;
    }
  }

  /**
   * The peer closed the connection. `end` if that completes a close-delimited response, `needMore` between
   * messages, else `failed`.
   */
  finish(): ParserEvent {
    this.bodyRanges = 0;
    this.bodyLength = 0;
    if (this.#state === State.start) return ParserEvent.needMore;
    if (this.#state === State.close || this.#state === State.done) return this.#end();
    if (this.#state === State.failed) return ParserEvent.failed;
    return this.#fail('ERR_MESSAGE_INCOMPLETE');
  }

  /** True between messages with no byte of a next one read. */
  get idle(): boolean {
    return this.#state === State.start;
  }

  /** Start in `chunk` of body range `index`, 0 to `bodyRanges - 1`. */
  bodyRangeStart(index: number): number {
    return this.#ranges[index * 2] as number;
  }

  /** End in `chunk` of body range `index`. */
  bodyRangeEnd(index: number): number {
    return this.#ranges[index * 2 + 1] as number;
  }

  /** Copies all body ranges of `chunk` to `target` from `at` on, and returns where they end there. */
  copyBody(chunk: Buffer, target: Buffer, at: number): number {
    let to = at;
    for (let i = 0; i < this.bodyRanges * 2; i += 2) {
      to += chunk.copy(target, to, this.#ranges[i], this.#ranges[i + 1]);
    }
    return to;
  }

  /** Forgets everything, ready for a new connection. A closed parser stays closed. */
  reset(): void {
    if (this.parser === 0) return;
    this.position = 0;
    this.failure = undefined;
    this.bodyRanges = 0;
    this.bodyLength = 0;
    this.complete = false;
    this.trailers = undefined;
    this.#partial = undefined;
    this.#emptyLineBytes = 0;
    this.#state = State.start;
  }

  /** Frees the llhttp parser; every later {@link execute} fails. May be called again. */
  close(): void {
    if (this.parser === 0) return;
    this.machine.close(this.parser);
    this.parser = 0;
    this.#fail('ERR_PARSER_CLOSED');
  }

  #begin(chunk: Buffer, start: number, end: number): ParserEvent {
    let at = start;
    for (; at < end; at++) {
      const code = chunk[at];
      // Robustness (RFC 9112 §2.2) as far as old clients need it: one or two CRLFs before a request line.
      const inside = (this.#emptyLineBytes & 1) === 1;
      if (!inside && code !== 0x0d && code !== 0x0a) break;
      if (code !== (inside ? 0x0a : 0x0d) || ++this.#emptyLineBytes > this.emptyLineBytes) {
        return this.#fail(this.#startLineFault());
      }
    }
    this.position = at;
    if (at === end) return ParserEvent.needMore;
    const refusal = this.admit();
    if (refusal !== undefined) return this.#fail(refusal);
    if (this.#used) this.machine.exports.llhttp_reset(this.parser);
    this.#used = true;
    this.#emptyLineBytes = 0;
    this.trailers = undefined;
    this.#state = State.head;
    return this.#readHead(chunk, at, end);
  }

  #startLineFault(): WireFailureCode {
    return this.#source === 'client' ? 'ERR_BAD_REQUEST_LINE' : 'ERR_BAD_STATUS_LINE';
  }

  #readHead(chunk: Buffer, start: number, end: number): ParserEvent {
    const { machine } = this;
    for (let at = start; at < end;) {
      const length = Math.min(end - at, sliceBytes);
      machine.used = 0;
      machine.complete = false;
      const errno = this.#executeHead(chunk, at, length);
      if (errno !== Errno.ok) {
        const stop = Math.min(machine.exports.llhttp_get_error_pos(this.parser) - machine.input, length);
        return machine.complete
          ? this.#headComplete(chunk, at, at + stop)
          : this.#refuse(chunk, at, stop, end, errno);
      }
      const partial = (this.#partial ??= new HeadBuffer());
      partial.append(chunk, at, at + length, machine, 0, machine.input);
      const excess = this.excess(partial, partial.length);
      if (excess !== undefined) return this.#fail(excess);
      at += length;
    }
    this.position = end;
    return ParserEvent.needMore;
  }

  /** Runs llhttp over small slices that lie side by side in its memory, so that spans stay whole. */
  #executeHead(chunk: Buffer, start: number, length: number): number {
    const { machine } = this;
    for (let done = 0; done < length;) {
      const slice = Math.min(length - done, headSlice);
      machine.load(chunk, start + done, start + done + slice, done);
      const errno = machine.exports.llhttp_execute(this.parser, machine.input + done, slice);
      if (errno !== Errno.ok) return errno;
      done += slice;
    }
    return Errno.ok;
  }

  #headComplete(chunk: Buffer, start: number, end: number): ParserEvent {
    const { machine } = this;
    const partial = this.#partial;
    let head: MessageHead | WireFailureCode;
    if (partial === undefined) head = this.readHead(latin1(chunk, start, end), machine.input);
    else {
      partial.append(chunk, start, end, machine, 0, machine.input);
      // What is left of the head after its last field is one CRLF, which no limit counts.
      const excess = this.excess(partial, partial.length - 2);
      if (excess !== undefined) return this.#fail(excess);
      partial.restore(machine);
      head = this.readHead(partial.text(), 0);
      this.#partial = undefined;
    }
    if (typeof head === 'string') return this.#fail(head);
    this.position = end;
    this.#expectBody(head);
    return ParserEvent.head;
  }

  #expectBody(head: MessageHead): void {
    if (head.framing === BodyFraming.chunked) {
      this.machine.exports.llhttp_resume(this.parser);
      this.#overhead.reset();
      this.#state = State.chunked;
    } else if (head.framing === BodyFraming.close) this.#state = State.close;
    else if (head.contentLength > 0) {
      this.#remaining = head.contentLength;
      this.#state = State.length;
    } else {
      this.complete = true;
      this.#state = State.done;
    }
  }

  #refuse(chunk: Buffer, start: number, stop: number, end: number, errno: number): ParserEvent {
    const partial = (this.#partial ??= new HeadBuffer());
    const length = partial.length + stop;
    const { machine } = this;
    const shown = Math.min(start + stop + 1, end);
    partial.append(chunk, start, shown, machine, 0, machine.input);
    // A head that was over a limit before it went wrong is over the limit however it was cut into chunks.
    const code = this.excess(partial, length) ?? this.describe(errno, partial);
    if (code !== undefined) return this.#fail(code);
    this.#methodLength = length;
    this.#state = State.method;
    return this.#readMethod(chunk, start + stop, end);
  }

  /** The rest of a method that llhttp does not know: 501 if it is a token, else 400. */
  #readMethod(chunk: Buffer, start: number, end: number): ParserEvent {
    for (let at = start; at < end; at++) {
      const code = chunk[at] as number;
      if (code === 0x20 && this.#methodLength > 0) return this.#fail('ERR_METHOD_UNKNOWN');
      if (!isTokenCode(code)) return this.#fail('ERR_BAD_METHOD');
      if (++this.#methodLength > 64) return this.#fail('ERR_METHOD_UNKNOWN');
    }
    this.position = end;
    return ParserEvent.needMore;
  }

  #countLength(start: number, end: number): ParserEvent {
    const length = Math.min(end - start, this.#remaining);
    if (length === 0) return ParserEvent.needMore;
    this.#remaining -= length;
    if (this.#remaining === 0) {
      this.complete = true;
      this.#state = State.done;
    }
    return this.#bodyEvent(start, start + length);
  }

  #countToClose(start: number, end: number): ParserEvent {
    return start === end ? ParserEvent.needMore : this.#bodyEvent(start, end);
  }

  #bodyEvent(start: number, end: number): ParserEvent {
    this.#ranges[0] = start;
    this.#ranges[1] = end;
    this.bodyRanges = 1;
    this.bodyLength = end - start;
    this.position = end;
    return ParserEvent.body;
  }

  #readChunks(chunk: Buffer, start: number, end: number): ParserEvent {
    const { machine } = this;
    const length = Math.min(end - start, sliceBytes);
    machine.load(chunk, start, start + length, 0);
    machine.used = 0;
    machine.complete = false;
    const errno = machine.exports.llhttp_execute(this.parser, machine.input, length);
    let consumed = length;
    if (errno !== Errno.ok) {
      // Nothing of a slice that is refused is reported: the less of a bad body travels on, the better.
      if (!machine.complete) return this.#fail(this.#chunkFault(errno));
      consumed = machine.exports.llhttp_get_error_pos(this.parser) - machine.input;
    }
    const stop = start + consumed;
    const excess = this.#noteBody(chunk, start, stop);
    if (excess !== undefined) return this.#fail(excess);
    this.position = stop;
    if (machine.complete) this.#bodyComplete();
    if (this.bodyLength > 0) return ParserEvent.body;
    if (this.complete) return this.#end();
    return stop < end ? this.#readChunks(chunk, stop, end) : ParserEvent.needMore;
  }

  #chunkFault(errno: number): WireFailureCode {
    if (errno === Errno.user) return 'ERR_FIELDS_TOO_LARGE';
    const { tape, used } = this.machine;
    const inTrailers = this.#partial !== undefined || (used > 0 && tape[used - 3] !== Span.body);
    return inTrailers ? 'ERR_BAD_FIELD' : 'ERR_BAD_CHUNK';
  }

  /** Notes ranges and trailers of what llhttp just read from `chunk[start..stop)`; says which limit it exceeds. */
  #noteBody(chunk: Buffer, start: number, stop: number): WireFailureCode | undefined {
    const { machine } = this;
    const { tape, used } = machine;
    const shift = start - machine.input;
    let i = 0;
    let framingAt = start;
    for (; i < used && tape[i] === Span.body; i += 3) {
      const at = (tape[i + 1] as number) + shift;
      this.#overhead.count(chunk, framingAt, at);
      framingAt = at + (tape[i + 2] as number);
      this.#addRange(at, framingAt);
    }
    let trailersAt = stop;
    if (this.#partial !== undefined) trailersAt = start;
    else if (i < used) {
      trailersAt = (tape[i + 1] as number) + shift;
      this.#partial = new HeadBuffer();
    }
    if (trailersAt > framingAt) this.#overhead.count(chunk, framingAt, trailersAt);
    if (this.#overhead.bytes > this.limits.chunkOverhead) return 'ERR_CHUNK_OVERHEAD';
    const trailers = this.#partial;
    if (trailers === undefined) return undefined;
    trailers.append(chunk, trailersAt, stop, machine, i, trailersAt - shift);
    // The CRLF of the empty line, or the CR of it, may be there already and does not count.
    return this.fieldExcess(trailers, trailers.length - (machine.complete ? 2 : 1));
  }

  #addRange(start: number, end: number): void {
    const at = this.bodyRanges * 2;
    if (at === this.#ranges.length) {
      const larger = new Int32Array(at * 2);
      larger.set(this.#ranges);
      this.#ranges = larger;
    }
    this.#ranges[at] = start;
    this.#ranges[at + 1] = end;
    this.bodyRanges++;
    this.bodyLength += end - start;
  }

  #bodyComplete(): void {
    this.complete = true;
    this.#state = State.done;
    const partial = this.#partial;
    if (partial === undefined) return;
    this.#partial = undefined;
    const { machine } = this;
    partial.restore(machine);
    const trailers: string[] = [];
    const ids: FieldId[] = [];
    this.reader.read(partial.text(), 0, machine.tape, 0, machine.used, trailers, ids);
    this.trailers = trailers;
  }

  #end(): ParserEvent {
    this.complete = false;
    this.#state = State.start;
    this.messageEnded();
    return ParserEvent.end;
  }

  /** A message was reported whole. */
  protected abstract messageEnded(): void;

  #fail(code: WireFailureCode): ParserEvent {
    this.failure = new WireFailure(code, this.#source);
    this.#partial = undefined;
    this.complete = false;
    this.bodyRanges = 0;
    this.bodyLength = 0;
    this.#state = State.failed;
    return ParserEvent.failed;
  }
}
