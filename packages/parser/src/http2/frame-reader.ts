import { Carry } from './carry.ts';
import { CLIENT_PREFACE, ErrorCode, FRAME_HEADER_SIZE, Flag, FrameType } from './constants.ts';
import { FrameEvent } from './frame-event.ts';
import type { FrameReaderOptions } from './frame-event.ts';
import { FrameFields } from './frame-fields.ts';
import { isPreface, lengthAt, streamIdAt } from './frame-header.ts';
import { OK, STREAM_SCOPE, frameHeaderError, prefixSize } from './frame-rules.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/** Octets of GOAWAY debug data that are kept; the rest is skipped. */
const MAX_DEBUG_DATA = 256;

/** What the next octets are; exactly one of these holds. */
const State = { preface: 0, header: 1, payload: 2, data: 3, fragment: 4, skip: 5, dead: 6 } as const;
type State = (typeof State)[keyof typeof State];

/**
 * Reads frames (RFC 9113 §4) out of bytes in any pieces, without copying what need not be kept.
 *
 * Feed a chunk, then call `next` until it says `FrameEvent.none`:
 *
 *     reader.feed(chunk, 0, chunk.length);
 *     for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) { … }
 *
 * Nothing throws, whatever the bytes are. DATA comes in the pieces in which it was fed, straight from the
 * chunk. Stream states, flow control and the header block's inside are not this class's business.
 */
export class FrameReader extends FrameFields {
  #state: State;
  #chunk: Buffer = EMPTY;
  #position = 0;
  #limit = 0;
  #maxFrameSize: number;
  readonly #maxHeaderBlockSize: number;
  readonly #maxContinuations: number;
  readonly #maxSettings: number;
  /** RFC 9113 §3.4: the first frame of either side is SETTINGS. */
  #first = true;
  /** Octets of the preface seen; octets of the payload and of the padding behind it yet to come. */
  #prefaceSeen = 0;
  #remaining = 0;
  #padding = 0;
  #flow = 0;
  /** The stream whose header block is not complete; 0 if there is none. */
  #blockStream = 0;
  #blockFlags = 0;
  #continuations = 0;
  readonly #partial: Carry = new Carry();
  readonly #block: Carry = new Carry();

  constructor(options: FrameReaderOptions) {
    super();
    this.#state = options.role === 'server' ? State.preface : State.header;
    this.#maxFrameSize = options.maxFrameSize ?? 16_384;
    this.#maxHeaderBlockSize = options.maxHeaderBlockSize ?? 65_536;
    this.#maxContinuations = options.maxContinuations ?? 16;
    this.#maxSettings = options.maxSettings ?? 32;
  }

  /** Octets held because a frame or header block is incomplete. */
  get heldBytes(): number {
    return this.#partial.length + this.#block.length;
  }

  /** Call when SETTINGS with a new SETTINGS_MAX_FRAME_SIZE are sent (larger) or acknowledged (smaller). */
  setMaxFrameSize(size: number): void {
    this.#maxFrameSize = size;
  }

  /** Gives the reader `chunk[start, end)`. What was fed before must be used up (`next` said `none`). */
  feed(chunk: Buffer, start: number, end: number): void {
    this.#chunk = chunk;
    this.#position = start;
    this.#limit = end;
  }

  /** Goes on to the next event. */
  next(): FrameEvent {
    for (;;) {
      const event = this.#step();
      if (event !== FrameEvent.none) return event;
      if (this.#position >= this.#limit && !this.#isComplete()) return this.#starve();
    }
  }

  #step(): FrameEvent {
    switch (this.#state) {
      case State.header:
        return this.#header();
      case State.data:
        return this.#data();
      case State.payload:
        return this.#payload();
      case State.fragment:
        return this.#fragment();
      case State.skip:
        return this.#skip();
      case State.preface:
        return this.#preface();
      case State.dead:
        this.#position = this.#limit;
        return FrameEvent.none;
    }
  }

  /** Whether the state can be left without another octet. */
  #isComplete(): boolean {
    return this.#remaining === 0 && (this.#state === State.skip || this.#state === State.fragment);
  }

  #starve(): FrameEvent {
    // The chunk is the caller's: it may be a buffer that is about to be read into again.
    this.#chunk = EMPTY;
    this.buffer = EMPTY;
    this.#position = this.#limit = 0;
    return FrameEvent.none;
  }

  #fail(code: number, message: string): FrameEvent {
    this.#die();
    return this.connectionError(code, message);
  }

  #die(): void {
    this.#state = State.dead;
    this.#partial.release();
    this.#block.release();
  }

  #preface(): FrameEvent {
    const seen = this.#prefaceSeen;
    const count = Math.min(this.#limit - this.#position, CLIENT_PREFACE.length - seen);
    if (!isPreface(this.#chunk, this.#position, count, seen)) {
      return this.#fail(ErrorCode.PROTOCOL_ERROR, 'bad connection preface');
    }
    this.#position += count;
    this.#prefaceSeen += count;
    if (this.#prefaceSeen === CLIENT_PREFACE.length) this.#state = State.header;
    return FrameEvent.none;
  }

  #header(): FrameEvent {
    let source = this.#chunk;
    let at = this.#position;
    const partial = this.#partial;
    if (partial.length === 0 && this.#limit - at >= FRAME_HEADER_SIZE) {
      this.#position = at + FRAME_HEADER_SIZE;
    } else {
      this.#position = partial.fill(source, at, this.#limit, FRAME_HEADER_SIZE);
      if (partial.length < FRAME_HEADER_SIZE) return FrameEvent.none;
      source = partial.buffer;
      at = 0;
      partial.length = 0;
    }
    this.flags = source[at + 4] as number;
    this.streamId = streamIdAt(source, at + 5);
    return this.#begin(source[at + 3] as number, lengthAt(source, at), this.streamId);
  }

  /** Decides by the frame header what becomes of the payload. */
  #begin(type: number, length: number, streamId: number): FrameEvent {
    this.#remaining = length;
    this.#padding = 0;
    if (this.#first) {
      if (type !== FrameType.SETTINGS || (this.flags & Flag.ACK) !== 0) {
        return this.#fail(ErrorCode.PROTOCOL_ERROR, 'first frame is not SETTINGS');
      }
      this.#first = false;
    }
    if (length > this.#maxFrameSize) return this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'frame too large');
    if (this.#blockStream !== 0) return this.#continuation(type, length, streamId);
    const wrong = frameHeaderError(type, this.flags, streamId, length);
    if (wrong !== OK) {
      if ((wrong & STREAM_SCOPE) === 0) return this.#fail(wrong, 'frame breaks the rules of its type');
      this.#state = State.skip;
      return this.streamError(wrong & 0xff, 'frame has a wrong size');
    }
    this.frameType = type;
    switch (type) {
      case FrameType.DATA:
        this.#flow = length;
        this.#state = (this.flags & Flag.PADDED) === 0 ? State.data : State.payload;
        if (length === 0) return this.#data();
        break;
      case FrameType.HEADERS:
        this.#blockStream = streamId;
        this.#blockFlags = this.flags;
        this.#continuations = 0;
        this.selfDependent = false;
        if (length > this.#maxHeaderBlockSize) return this.#blockTooLarge();
        this.#state = prefixSize(type, this.flags) === 0 ? State.fragment : State.payload;
        break;
      case FrameType.SETTINGS:
        if (length > this.#maxSettings * 6)
          return this.#fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many settings');
        this.#state = State.payload;
        if (length === 0) return this.#payload();
        break;
      case FrameType.PRIORITY:
      case FrameType.RST_STREAM:
      case FrameType.PING:
      case FrameType.GOAWAY:
      case FrameType.WINDOW_UPDATE:
        this.#state = State.payload;
        break;
      default:
        this.#state = State.skip;
        return FrameEvent.unknown;
    }
    return FrameEvent.none;
  }

  /** RFC 9113 §6.10: nothing but CONTINUATION of the same stream until END_HEADERS. */
  #continuation(type: number, length: number, streamId: number): FrameEvent {
    if (type !== FrameType.CONTINUATION || streamId !== this.#blockStream) {
      return this.#fail(ErrorCode.PROTOCOL_ERROR, 'header block interrupted');
    }
    if (++this.#continuations > this.#maxContinuations) {
      return this.#fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many CONTINUATION frames');
    }
    this.#blockFlags |= this.flags & Flag.END_HEADERS;
    this.#state = State.fragment;
    return this.#block.length + length > this.#maxHeaderBlockSize ? this.#blockTooLarge() : FrameEvent.none;
  }

  #blockTooLarge(): FrameEvent {
    return this.#fail(ErrorCode.ENHANCE_YOUR_CALM, 'header block too large');
  }

  /** A piece of data, as much as there is. */
  #data(): FrameEvent {
    const start = this.#position;
    const end = Math.min(this.#limit, start + this.#remaining);
    // A frame that has data says nothing until some of it is there; one that has none speaks at once.
    if (start === end && this.#remaining > 0) return FrameEvent.none;
    this.buffer = this.#chunk;
    this.start = start;
    this.end = end;
    this.#remaining -= end - start;
    this.#position = end;
    this.flowLength = this.#flow;
    this.paddingLength = this.#flow === 0 || (this.flags & Flag.PADDED) === 0 ? 0 : this.#padding + 1;
    this.#flow = 0;
    this.endStream = false;
    if (this.#remaining === 0) {
      this.endStream = (this.flags & Flag.END_STREAM) !== 0;
      this.#afterPayload();
    }
    return FrameEvent.data;
  }

  /** Goes on behind the payload: over the padding, if there is any. */
  #afterPayload(): void {
    this.#remaining = this.#padding;
    this.#padding = 0;
    this.#state = this.#remaining === 0 ? State.header : State.skip;
  }

  #skip(): FrameEvent {
    const count = Math.min(this.#limit - this.#position, this.#remaining);
    this.#position += count;
    this.#remaining -= count;
    if (this.#remaining === 0) this.#state = State.header;
    return FrameEvent.none;
  }

  /** The fragment of a header block; straight from the chunk if all of it is there. */
  #fragment(): FrameEvent {
    const start = this.#position;
    const available = Math.min(this.#limit - start, this.#remaining);
    const block = this.#block;
    const last = (this.#blockFlags & Flag.END_HEADERS) !== 0;
    this.#position = start + available;
    this.#remaining -= available;
    if (this.#remaining === 0 && last && block.length === 0) {
      return this.#headers(this.#chunk, start, this.#position);
    }
    block.fill(this.#chunk, start, this.#position, block.length + available);
    if (this.#remaining > 0) return FrameEvent.none;
    if (last) return this.#headers(block.buffer, 0, block.length);
    this.#afterPayload();
    return FrameEvent.none;
  }

  #headers(buffer: Buffer, start: number, end: number): FrameEvent {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    this.streamId = this.#blockStream;
    this.flags = this.#blockFlags;
    this.endStream = (this.#blockFlags & Flag.END_STREAM) !== 0;
    this.#blockStream = 0;
    // The octets stay where the event points; only the memory is forgotten.
    this.#block.release();
    this.#afterPayload();
    return FrameEvent.headers;
  }

  /** Frames with a small payload of known shape, and what stands in front of data and header blocks. */
  #payload(): FrameEvent {
    const type = this.frameType;
    const prefix =
      type === FrameType.DATA || type === FrameType.HEADERS ? prefixSize(type, this.flags) : this.#remaining;
    const wanted = type === FrameType.GOAWAY ? Math.min(prefix, 8 + MAX_DEBUG_DATA) : prefix;
    const partial = this.#partial;
    let source = this.#chunk;
    let at = this.#position;
    if (partial.length === 0 && this.#limit - at >= wanted) {
      this.#position = at + wanted;
    } else {
      this.#position = partial.fill(source, at, this.#limit, wanted);
      if (partial.length < wanted) return FrameEvent.none;
      source = partial.buffer;
      at = 0;
      partial.release();
    }
    this.#remaining -= wanted;
    this.buffer = source;
    this.start = at;
    this.end = at + wanted;
    if (type === FrameType.DATA || type === FrameType.HEADERS) return this.#prefix(type, source, at);
    this.#state = this.#remaining === 0 ? State.header : State.skip;
    const event = this.control(type, source, at);
    if (event === FrameEvent.error && this.error?.scope === 'connection') this.#die();
    return event;
  }

  /** Pad length (RFC 9113 §6.1, §6.2) and priority (§6.2). */
  #prefix(type: number, source: Buffer, at: number): FrameEvent {
    if ((this.flags & Flag.PADDED) !== 0) {
      this.#padding = source[at++] as number;
      if (this.#padding > this.#remaining) {
        return this.#fail(ErrorCode.PROTOCOL_ERROR, 'padding exceeds the payload');
      }
      this.#remaining -= this.#padding;
    }
    if (type === FrameType.DATA) {
      this.#state = State.data;
      return this.#remaining === 0 ? this.#data() : FrameEvent.none;
    }
    if ((this.flags & Flag.PRIORITY) !== 0) {
      this.selfDependent = (source.readUInt32BE(at) & 0x7fffffff) === this.streamId;
    }
    this.#state = State.fragment;
    return FrameEvent.none;
  }
}
