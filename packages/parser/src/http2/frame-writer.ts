import { CLIENT_PREFACE, FRAME_HEADER_SIZE, Flag, FrameType, MIN_MAX_FRAME_SIZE } from './constants.ts';
import { HpackEncoder, MAX_FIELD_OVERHEAD, MAX_SIZE_UPDATES } from './hpack-encoder.ts';
import { sharedSlabs } from './slab.ts';
import type { SlabPool } from './slab.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/** Full slabs that a writer remembers until `recycle`. */
const MAX_TAKEN = 16;

/**
 * Writes frames (RFC 9113 §4, §6) one behind the other into reused memory; the session sends all of a turn
 * with one write. It checks nothing: stream states and flow control are the session's.
 *
 * Memory: `take` hands over what was written. If the socket has sent it all when its `write` returns, call
 * `recycle`, and the same memory serves the next turn. If not, do not: the writer then goes on behind the
 * bytes it handed over, and takes new memory when there is none left.
 */
export class FrameWriter {
  /** Encoder of the header blocks that this writer writes. */
  readonly hpack: HpackEncoder;
  /** SETTINGS_MAX_FRAME_SIZE of the peer: longer header blocks and data are split. */
  maxFrameSize: number = MIN_MAX_FRAME_SIZE;
  readonly #pool: SlabPool;
  #slab: Buffer = EMPTY;
  /** Where the part of the slab that was not handed over begins, and where it ends. */
  #from = 0;
  #offset = 0;
  /** Full slabs and buffers by reference, waiting in front of the slab. */
  #queue: Buffer[] = [];
  #queued = 0;
  /** Full slabs: with bytes that wait in the queue, and with all bytes handed over. */
  #waiting: Buffer[] = [];
  #taken: Buffer[] = [];
  /** Offset of the frame header of the block being written, and its stream. */
  #block = 0;
  #blockStream = 0;

  constructor(hpack: HpackEncoder = new HpackEncoder(), pool: SlabPool = sharedSlabs) {
    this.hpack = hpack;
    this.#pool = pool;
  }

  /** Octets written and not yet taken. */
  get pending(): number {
    return this.#queued + this.#offset - this.#from;
  }

  /** All octets written since the last call, in order; mostly one buffer. Empty if there are none. */
  take(): Buffer[] {
    const queue = this.#queue;
    if (this.#offset > this.#from) queue.push(this.#slab.subarray(this.#from, this.#offset));
    this.#from = this.#offset;
    this.#queued = 0;
    if (queue.length > 0) this.#queue = [];
    if (this.#waiting.length > 0) {
      // Without `recycle` they belong to whoever holds the buffers; only so many are worth remembering.
      this.#taken = this.#taken.length > MAX_TAKEN ? this.#waiting : this.#taken.concat(this.#waiting);
      this.#waiting = [];
    }
    return queue;
  }

  /** Says that everything `take` has handed over is sent and will not be read again. */
  recycle(): void {
    if (this.#taken.length > 0) {
      for (const slab of this.#taken) this.#pool.give(slab);
      this.#taken = [];
    }
    if (this.#from < this.#offset) return;
    // Nothing waits: idle connections hold no slab.
    if (this.#slab !== EMPTY) this.#pool.give(this.#slab);
    this.#slab = EMPTY;
    this.#from = 0;
    this.#offset = 0;
  }

  /** The client's preface (RFC 9113 §3.4). SETTINGS must follow. */
  preface(): void {
    this.#reserve(CLIENT_PREFACE.length);
    this.#offset += this.#slab.write(CLIENT_PREFACE, this.#offset, 'latin1');
  }

  /** SETTINGS (RFC 9113 §6.5) from a flat list: identifier, value, identifier, value, … */
  settings(entries: readonly number[]): void {
    const count = entries.length >>> 1;
    this.#header(count * 6, FrameType.SETTINGS, 0, 0);
    for (let index = 0; index < count; index++) {
      this.#offset = this.#slab.writeUInt16BE(entries[index * 2] as number, this.#offset);
      this.#offset = this.#slab.writeUInt32BE(entries[index * 2 + 1] as number, this.#offset);
    }
  }

  settingsAck(): void {
    this.#header(0, FrameType.SETTINGS, Flag.ACK, 0);
  }

  /** PING or, with `ack`, its answer (RFC 9113 §6.7), with the eight octets of `source` from `start` on. */
  ping(source: Uint8Array, start: number, ack: boolean): void {
    this.#header(8, FrameType.PING, ack ? Flag.ACK : 0, 0);
    for (let index = 0; index < 8; index++) this.#slab[this.#offset++] = source[start + index] as number;
  }

  /** GOAWAY (RFC 9113 §6.8). `debug` must be ASCII and hold no secrets; default none. */
  goaway(lastStreamId: number, code: number, debug: string = ''): void {
    this.#header(8 + debug.length, FrameType.GOAWAY, 0, 0);
    this.#word(lastStreamId);
    this.#word(code);
    this.#offset += this.#slab.write(debug, this.#offset, 'latin1');
  }

  /** RST_STREAM (RFC 9113 §6.4). */
  rstStream(streamId: number, code: number): void {
    this.#header(4, FrameType.RST_STREAM, 0, streamId);
    this.#word(code);
  }

  /** WINDOW_UPDATE (RFC 9113 §6.9); stream 0 is the connection. `increment`: 1 to 2^31-1 octets. */
  windowUpdate(streamId: number, increment: number): void {
    this.#header(4, FrameType.WINDOW_UPDATE, 0, streamId);
    this.#word(increment);
  }

  /**
   * DATA (RFC 9113 §6.1) with a copy of `source[start, end)`, in several frames if it is longer than the
   * peer's frames may be. For bytes whose memory the caller will use again.
   */
  data(streamId: number, source: Buffer, start: number, end: number, endStream: boolean): void {
    do {
      const length = Math.min(end - start, this.maxFrameSize);
      const last = start + length === end;
      this.#header(length, FrameType.DATA, last && endStream ? Flag.END_STREAM : 0, streamId);
      source.copy(this.#slab, this.#offset, start, start + length);
      this.#offset += length;
      start += length;
    } while (start < end);
  }

  /**
   * The same without a copy: `source` is queued itself and must not change until it is sent. Worth it from
   * a few KiB on, and only where the socket can write several buffers at once (not over TLS).
   */
  dataByReference(streamId: number, source: Buffer, start: number, end: number, endStream: boolean): void {
    do {
      const length = Math.min(end - start, this.maxFrameSize);
      const last = start + length === end;
      this.#header(length, FrameType.DATA, last && endStream ? Flag.END_STREAM : 0, streamId, 0);
      if (length > 0) {
        this.#flushPart();
        this.#queue.push(source.subarray(start, start + length));
        this.#queued += length;
      }
      start += length;
    } while (start < end);
  }

  /**
   * A whole header block from a flat list of fields, pseudo-fields first; trailers too. `sensitive` holds
   * positions of names whose fields must stay never-indexed, as `HpackDecoder.sensitive` gives them.
   */
  headers(
    streamId: number,
    fields: readonly string[],
    endStream: boolean,
    sensitive: readonly number[] | null = null,
  ): void {
    this.beginHeaders(streamId);
    for (let index = 0; index + 1 < fields.length; index += 2) {
      const secret = sensitive !== null && sensitive.includes(index);
      this.field(fields[index] as string, fields[index + 1] as string, secret);
    }
    this.endHeaders(endStream);
  }

  /** Begins a header block; no other frame may be written before `endHeaders`. */
  beginHeaders(streamId: number): void {
    this.#reserve(FRAME_HEADER_SIZE + MAX_SIZE_UPDATES);
    this.#block = this.#offset;
    this.#blockStream = streamId;
    this.#offset = this.hpack.begin(this.#slab, this.#offset + FRAME_HEADER_SIZE);
  }

  /** Writes `:status` into the block; it must come first. */
  status(status: number): void {
    this.#reserveInBlock(MAX_FIELD_OVERHEAD + 10);
    this.#offset = this.hpack.status(status, this.#slab, this.#offset);
  }

  /** Writes one field into the block; `sensitive` as in `HpackEncoder.field`. */
  field(name: string, value: string, sensitive: boolean = false): void {
    this.#reserveInBlock(MAX_FIELD_OVERHEAD + name.length + value.length);
    this.#offset = this.hpack.field(name, value, this.#slab, this.#offset, sensitive);
  }

  /** Ends the block: HEADERS, and CONTINUATIONs if it is longer than the peer's frames may be (§4.3). */
  endHeaders(endStream: boolean): void {
    const flags = endStream ? Flag.END_STREAM : 0;
    const start = this.#block + FRAME_HEADER_SIZE;
    const length = this.#offset - start;
    if (length <= this.maxFrameSize) {
      this.#headerAt(this.#block, length, FrameType.HEADERS, flags | Flag.END_HEADERS, this.#blockStream);
      return;
    }
    const block = Buffer.from(this.#slab.subarray(start, this.#offset));
    this.#offset = this.#block;
    for (let from = 0; from < length; from += this.maxFrameSize) {
      const to = Math.min(length, from + this.maxFrameSize);
      const type = from === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
      const end = to === length ? Flag.END_HEADERS : 0;
      this.#header(to - from, type, (from === 0 ? flags : 0) | end, this.#blockStream);
      this.#offset += block.copy(this.#slab, this.#offset, from, to);
    }
  }

  /**
   * A copy of the block that {@link endHeaders} has just ended, to write it again; undefined if it is longer than
   * `limit` octets or than one frame.
   */
  lastBlock(limit: number): Buffer | undefined {
    const start = this.#block + FRAME_HEADER_SIZE;
    const length = this.#offset - start;
    if (length > limit || length > this.maxFrameSize) return undefined;
    return Buffer.from(this.#slab.subarray(start, this.#offset));
  }

  /** HEADERS with a block that `lastBlock` gave; see `HpackEncoder.version` for when that is allowed. */
  headerBlock(streamId: number, block: Buffer, endStream: boolean): void {
    const flags = Flag.END_HEADERS | (endStream ? Flag.END_STREAM : 0);
    this.#header(block.length, FrameType.HEADERS, flags, streamId);
    this.#slab.set(block, this.#offset);
    this.#offset += block.length;
  }

  /** Writes a frame header, and sees to the space for `room` octets of payload. */
  #header(length: number, type: number, flags: number, streamId: number, room: number = length): void {
    this.#reserve(FRAME_HEADER_SIZE + room);
    this.#headerAt(this.#offset, length, type, flags, streamId);
    this.#offset += FRAME_HEADER_SIZE;
  }

  #headerAt(offset: number, length: number, type: number, flags: number, streamId: number): void {
    const slab = this.#slab;
    slab[offset] = length >>> 16;
    slab[offset + 1] = length >>> 8;
    slab[offset + 2] = length;
    slab[offset + 3] = type;
    slab[offset + 4] = flags;
    slab[offset + 5] = streamId >>> 24;
    slab[offset + 6] = streamId >>> 16;
    slab[offset + 7] = streamId >>> 8;
    slab[offset + 8] = streamId;
  }

  #word(value: number): void {
    this.#offset = this.#slab.writeUInt32BE(value, this.#offset);
  }

  #reserve(size: number): void {
    if (this.#slab.length - this.#offset < size) this.#newSlab(size, this.#offset);
  }

  /** A block must stay in one piece, so what there is of it moves along. */
  #reserveInBlock(size: number): void {
    if (this.#slab.length - this.#offset >= size) return;
    const written = this.#offset - this.#block;
    this.#newSlab(Math.max((written + size) * 2, this.#pool.slabSize), this.#block);
    this.#block = this.#offset - written;
  }

  /** Puts what was written up to `keepFrom` into the queue, and moves the rest into a new slab. */
  #newSlab(size: number, keepFrom: number): void {
    const old = this.#slab;
    const end = this.#offset;
    this.#offset = keepFrom;
    this.#flushPart();
    if (old !== EMPTY) this.#waiting.push(old);
    this.#slab = this.#pool.take(size);
    this.#from = 0;
    this.#offset = old.copy(this.#slab, 0, keepFrom, end);
  }

  #flushPart(): void {
    if (this.#offset === this.#from) return;
    this.#queue.push(this.#slab.subarray(this.#from, this.#offset));
    this.#queued += this.#offset - this.#from;
    this.#from = this.#offset;
  }
}
