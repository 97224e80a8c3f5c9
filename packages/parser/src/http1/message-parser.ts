import { BodyRanges } from './body-ranges.ts';
import { ChunkedBody } from './chunked-body.ts';
import { BodyFraming, ParserEvent } from './events.ts';
import { WireFailure, type WireFailureCode } from './failure.ts';
import { HeadBuffer, longestField } from './head-buffer.ts';
import type { MessageHead } from './heads.ts';
import { latin1 } from './latin1.ts';
import { resolveLimits, type WireLimits } from './limits.ts';
import { Errno, llhttp, sliceBytes, type Llhttp, type ParserType } from './llhttp.ts';
import { FieldReader } from './read-fields.ts';
import { endOfMethod, StartLine } from './start-line.ts';

const State = { start: 0, head: 1, method: 2, length: 3, close: 4, chunked: 5, done: 6, failed: 7 } as const;
type State = (typeof State)[keyof typeof State];

// What it holds is used up before the call returns: one is enough for all parsers of a thread.
const sharedReader = new FieldReader();

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
  readonly #startLine: StartLine;
  readonly #ranges: BodyRanges;
  /** Made for the first chunked body: most requests have none, and connections are many. */
  #chunks: ChunkedBody | undefined;
  #state: State;
  #used: boolean;
  #remaining: number;
  #partial: HeadBuffer | undefined;

  constructor(type: ParserType, source: 'client' | 'backend', limits: Partial<WireLimits> | undefined) {
    this.position = 0;
    this.failure = undefined;
    this.complete = false;
    this.trailers = undefined;
    this.limits = resolveLimits(limits);
    this.machine = llhttp();
    this.reader = sharedReader;
    this.parser = this.machine.open(type);
    this.#source = source;
    // Robustness (RFC 9112 §2.2) as far as old clients need it: one or two CRLFs before a request line.
    this.#startLine = new StartLine(source === 'client' ? 4 : 0);
    this.#ranges = new BodyRanges();
    this.#chunks = undefined;
    this.#state = State.start;
    this.#used = false;
    this.#remaining = 0;
    this.#partial = undefined;
  }

  /** May a message begin now? A reason to refuse it, or undefined. */
  protected abstract admit(): WireFailureCode | undefined;
  /**
   * Makes a head of the whole text and the tape, or says why not.
   * @param bytes what the addresses on the tape point into
   * @param origin address of the first character of `text`
   */
  protected abstract readHead(text: string, bytes: Uint8Array, origin: number): MessageHead | WireFailureCode;
  /** The head that `chunk[start..end)` begins with, if it is known already; sets `head` and `position`. */
  protected abstract recall(chunk: Buffer, start: number, end: number): MessageHead | undefined;
  /** `text` was parsed, whole and from one chunk, and is `head` now. */
  protected abstract remember(text: string): void;
  /** Why the first `length` bytes of a head that is not complete yet are to be refused already. */
  protected abstract earlyFault(head: HeadBuffer, length: number): WireFailureCode | undefined;
  /** What llhttp's error means; undefined if all that it does not take is the method. */
  protected abstract describe(errno: number, head: HeadBuffer): WireFailureCode | undefined;

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
    this.#ranges.clear();
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
    this.#ranges.clear();
    if (this.#state === State.start) return ParserEvent.needMore;
    if (this.#state === State.close || this.#state === State.done) return this.#end();
    if (this.#state === State.failed) return ParserEvent.failed;
    return this.#fail('ERR_MESSAGE_INCOMPLETE');
  }

  /** True between messages with no byte of a next one read. */
  get idle(): boolean {
    return this.#state === State.start;
  }

  /** After `body`: number of ranges of the chunk that hold body bytes; 1 unless the body is chunked. */
  get bodyRanges(): number {
    return this.#ranges.count;
  }

  /** After `body`: sum of the bytes in these ranges. */
  get bodyLength(): number {
    return this.#ranges.bytes;
  }

  /** Start in the chunk of body range `index`, 0 to `bodyRanges - 1`. */
  bodyRangeStart(index: number): number {
    return this.#ranges.start(index);
  }

  /** End in the chunk of body range `index`. */
  bodyRangeEnd(index: number): number {
    return this.#ranges.end(index);
  }

  /** Copies all body ranges of `chunk` to `target` from `at` on, and returns where they end there. */
  copyBody(chunk: Buffer, target: Buffer, at: number): number {
    return this.#ranges.copy(chunk, target, at);
  }

  /** Forgets everything, ready for a new connection. A closed parser stays closed. */
  reset(): void {
    if (this.parser === 0) return;
    this.position = 0;
    this.failure = undefined;
    this.#ranges.clear();
    this.complete = false;
    this.trailers = undefined;
    this.#partial = undefined;
    this.#startLine.reset();
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
    const at = this.#startLine.skipEmptyLines(chunk, start, end);
    if (at === -1)
      return this.#fail(this.#source === 'client' ? 'ERR_BAD_REQUEST_LINE' : 'ERR_BAD_STATUS_LINE');
    this.position = at;
    if (at === end) return ParserEvent.needMore;
    const refusal = this.admit();
    if (refusal !== undefined) return this.#fail(refusal);
    const known = this.recall(chunk, at, end);
    if (known !== undefined) {
      this.trailers = undefined;
      this.#expectBody(known);
      return ParserEvent.head;
    }
    if (this.#used) this.machine.exports.llhttp_reset(this.parser);
    this.#used = true;
    this.#startLine.reset();
    this.trailers = undefined;
    this.#state = State.head;
    return this.#readHead(chunk, at, end);
  }

  #readHead(chunk: Buffer, start: number, end: number): ParserEvent {
    const { machine } = this;
    for (let at = start; at < end;) {
      const length = Math.min(end - at, sliceBytes);
      const errno = machine.executeHead(this.parser, chunk, at, length);
      if (errno !== Errno.ok) {
        const stop = Math.min(machine.stoppedAt(this.parser), length);
        return machine.complete
          ? this.#headComplete(chunk, at, at + stop)
          : this.#refuse(chunk, at, stop, end, errno);
      }
      const partial = (this.#partial ??= new HeadBuffer());
      partial.append(chunk, at, at + length, machine, 0, machine.input);
      const fault = this.earlyFault(partial, partial.length);
      if (fault !== undefined) return this.#fail(fault);
      at += length;
    }
    this.position = end;
    return ParserEvent.needMore;
  }

  #headComplete(chunk: Buffer, start: number, end: number): ParserEvent {
    const { machine } = this;
    const partial = this.#partial;
    let head: MessageHead | WireFailureCode;
    if (partial === undefined) {
      const text = latin1(chunk, start, end);
      head = this.readHead(text, machine.memory, machine.input);
      if (typeof head !== 'string') this.remember(text);
    } else {
      partial.append(chunk, start, end, machine, 0, machine.input);
      // What is left of the head after its last field is one CRLF, which no limit counts.
      const fault = this.earlyFault(partial, partial.length - 2);
      if (fault !== undefined) return this.#fail(fault);
      partial.restore(machine);
      head = this.readHead(partial.text(), partial.bytes, 0);
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
      this.#chunks ??= new ChunkedBody(this.limits, this.machine, this.#ranges);
      this.#chunks.begin();
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
    const shown = Math.min(start + stop + 1, end);
    partial.append(chunk, start, shown, this.machine, 0, this.machine.input);
    // A head that was over a limit before it went wrong is over the limit however it was cut into chunks.
    const code = this.earlyFault(partial, length) ?? this.describe(errno, partial);
    if (code !== undefined) return this.#fail(code);
    // Any token is a method (RFC 9110 §9.1): what came is read again, from its first byte.
    this.#partial = new HeadBuffer();
    this.#state = State.method;
    this.#readMethod(partial.bytes, 0, partial.length);
    return this.execute(chunk, shown, end);
  }

  /** Keeps the method, and lets llhttp read on behind it. */
  #readMethod(chunk: Buffer, start: number, end: number): ParserEvent {
    const stop = endOfMethod(chunk, start, end, this.#partial!.length);
    if (typeof stop === 'string') return this.#fail(stop);
    this.#partial!.append(chunk, start, stop, this.machine, this.machine.used, 0);
    this.position = end;
    if (stop === end) return ParserEvent.needMore;
    this.machine.beginUnknownMethod(this.parser);
    this.#state = State.head;
    return this.#readHead(chunk, stop, end);
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
    this.#ranges.add(start, end);
    this.position = end;
    return ParserEvent.body;
  }

  #readChunks(chunk: Buffer, start: number, end: number): ParserEvent {
    const chunks = this.#chunks!;
    const stop = chunks.read(this.parser, chunk, start, end);
    // Nothing of a slice that is refused is reported: the less of a bad body travels on, the better.
    if (chunks.fault !== undefined) return this.#fail(chunks.fault);
    this.position = stop;
    if (chunks.complete) {
      this.complete = true;
      this.trailers = chunks.trailers(this.reader);
      this.#state = State.done;
    }
    if (this.bodyLength > 0) return ParserEvent.body;
    if (this.complete) return this.#end();
    return stop < end ? this.#readChunks(chunk, stop, end) : ParserEvent.needMore;
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
    this.#ranges.clear();
    this.#state = State.failed;
    return ParserEvent.failed;
  }
}
