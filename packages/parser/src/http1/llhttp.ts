import { createRequire } from 'node:module';

/** What this package needs of the llhttp WebAssembly build. A test checks that all of it is there. */
interface LlhttpExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  malloc(bytes: number): number;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_reset(parser: number): void;
  llhttp_resume(parser: number): void;
  llhttp_execute(parser: number, at: number, length: number): number;
  llhttp_get_error_pos(parser: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_get_status_code(parser: number): number;
}

/** `llhttp_type`. */
export const ParserType = { request: 1, response: 2 } as const;
export type ParserType = (typeof ParserType)[keyof typeof ParserType];

/** The `llhttp_errno` values that are told apart. */
export const Errno = {
  ok: 0,
  unexpectedContentLength: 4,
  invalidMethod: 6,
  invalidUrl: 7,
  invalidConstant: 8,
  invalidVersion: 9,
  invalidHeaderToken: 10,
  invalidContentLength: 11,
  invalidStatus: 13,
  invalidTransferEncoding: 15,
  paused: 21,
  user: 24,
} as const;

/** Kinds of spans on the tape. */
export const Span = { none: 0, url: 1, status: 2, name: 3, value: 4, body: 5 } as const;

/** Bytes given to llhttp at once. */
export const sliceBytes = 65_536;

// Most heads are smaller than this; a larger slice would copy body bytes that llhttp never sees.
const headSlice = 4096;

/**
 * A method that llhttp takes in HTTP/1.x as it takes `POST`, and that we have no use for: when llhttp says that it read
 * this one, the method is whatever stands in the head. Nothing else has to be remembered about it.
 */
const standIn = Buffer.from('SOURCE');

/** llhttp's number of the method that stands for all that it does not know. */
export const standInMethod = 33;

// A slice can hold at most 10,922 chunks (six bytes each), or 16,384 fields of two spans (four bytes each),
// of which the limits allow 5,000.
const tapeEntries = 3 * 12_288;

/**
 * The llhttp instance of this thread. Its callbacks only note kind, address and length of what they are
 * told on a tape, since a callback that throws would leave the parser in the middle of a call.
 */
export class Llhttp {
  readonly exports: LlhttpExports;
  /** Triples of kind ({@link Span}), address and length; neighbours of one kind are joined (except body). */
  readonly tape: Int32Array;
  /** Entries of the tape in use. */
  used: number;
  /** The head, or the message, was complete when execution stopped. */
  complete: boolean;
  /** Where input goes: {@link sliceBytes} bytes. */
  readonly input: number;
  /** What addresses point into. Made anew when the memory grows. */
  memory: Buffer;
  /** Parsers allocated and not freed. */
  live: number;

  constructor() {
    this.tape = new Int32Array(tapeEntries);
    this.used = 0;
    this.complete = false;
    this.live = 0;
    this.exports = instantiate({
      wasm_on_message_begin: () => 0,
      wasm_on_url: (_parser, at, length) => this.#note(Span.url, at, length),
      wasm_on_status: (_parser, at, length) => this.#note(Span.status, at, length),
      wasm_on_header_field: (_parser, at, length) => this.#note(Span.name, at, length),
      wasm_on_header_value: (_parser, at, length) => this.#note(Span.value, at, length),
      wasm_on_body: (_parser, at, length) => this.#note(Span.body, at, length),
      wasm_on_headers_complete: () => this.#stop(),
      wasm_on_message_complete: () => this.#stop(),
    });
    this.exports._initialize();
    this.input = this.exports.malloc(sliceBytes);
    if (this.input === 0) throw new Error('No memory for the input of llhttp');
    this.memory = Buffer.from(this.exports.memory.buffer);
  }

  /** Allocates a parser. @throws Error without memory. */
  open(type: ParserType): number {
    const parser = this.exports.llhttp_alloc(type);
    if (parser === 0) throw new Error('No memory for another llhttp parser');
    // Allocation may have grown the memory, which detaches every view of it.
    if (this.memory.buffer !== this.exports.memory.buffer) {
      this.memory = Buffer.from(this.exports.memory.buffer);
    }
    this.live++;
    return parser;
  }

  /** Frees a parser. */
  close(parser: number): void {
    this.exports.llhttp_free(parser);
    this.live--;
  }

  /**
   * Runs a parser over a part of a head, at most {@link sliceBytes} long, in small slices that lie side by
   * side in its memory, so that spans stay whole. @returns errno
   */
  executeHead(parser: number, chunk: Buffer, start: number, length: number): number {
    this.used = 0;
    this.complete = false;
    for (let done = 0; done < length;) {
      const slice = Math.min(length - done, headSlice);
      this.#load(chunk, start + done, slice, done);
      const errno = this.exports.llhttp_execute(parser, this.input + done, slice);
      if (errno !== Errno.ok) return errno;
      done += slice;
    }
    return Errno.ok;
  }

  /** Begins a message anew, as if a method had come that this parser takes; a space is next. */
  beginUnknownMethod(parser: number): void {
    this.exports.llhttp_reset(parser);
    this.executeHead(parser, standIn, 0, standIn.length);
  }

  /** Runs a parser over a part of a chunked body, at most {@link sliceBytes} long. @returns errno */
  executeBody(parser: number, chunk: Buffer, start: number, length: number): number {
    this.used = 0;
    this.complete = false;
    this.#load(chunk, start, length, 0);
    return this.exports.llhttp_execute(parser, this.input, length);
  }

  /** Bytes that were consumed before execution stopped. */
  stoppedAt(parser: number): number {
    return this.exports.llhttp_get_error_pos(parser) - this.input;
  }

  #load(chunk: Buffer, start: number, length: number, offset: number): void {
    chunk.copy(this.memory, this.input + offset, start, start + length);
  }

  #note(kind: number, at: number, length: number): number {
    const { tape, used } = this;
    if (used !== 0 && tape[used - 3] === kind && kind !== Span.body) {
      tape[used - 1] = (tape[used - 1] as number) + length;
      return 0;
    }
    if (used + 3 > tapeEntries) return Errno.user;
    tape[used] = kind;
    tape[used + 1] = at;
    tape[used + 2] = length;
    this.used = used + 3;
    return 0;
  }

  #stop(): number {
    this.complete = true;
    return Errno.paused;
  }
}

type SpanCallback = (parser: number, at: number, length: number) => number;

/** The part of the WebAssembly interface that is used here; the types of Node.js have none of it. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Buffer) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
  validate(bytes: Buffer): boolean;
}

function instantiate(callbacks: Record<string, SpanCallback>): LlhttpExports {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyApi };
  const require = createRequire(import.meta.url);
  const simd = require('undici/lib/llhttp/llhttp_simd-wasm.js') as Buffer;
  const bytes = WebAssembly.validate(simd) ? simd : (require('undici/lib/llhttp/llhttp-wasm.js') as Buffer);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: callbacks });
  return instance.exports as LlhttpExports;
}

let shared: Llhttp | undefined;

/** The instance of this thread, made on first use. */
export function llhttp(): Llhttp {
  return (shared ??= new Llhttp());
}

/** Parsers of this thread that are not closed yet; 0 when nothing leaks. */
export function liveParsers(): number {
  return shared === undefined ? 0 : shared.live;
}
