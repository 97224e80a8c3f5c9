/**
 * The memory that sockets read into (design.md, "Fast"). Reading allocates nothing as long as what was read is
 * used up within the turn; what is still being written when a callback returns has its buffer to itself.
 */

/** Bytes read at once. */
export const READ_SIZE = 65_536;
/**
 * Room in front of every backend's buffer: a rewritten head is put right before the body that was read, so that
 * both leave in one write without a copy.
 */
export const HEADROOM = 8_192;
/** Spare buffers kept per thread (72 KiB each). */
const MAX_SPARE = 16;

const spare: Buffer[] = [];

/** Memory for what one read brings, with room in front of it. */
export function takeRoom(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(HEADROOM + READ_SIZE);
}

/** Nobody reads from `room` or writes to it any more: it serves the next one. */
export function giveBack(room: Buffer): void {
  if (spare.length < MAX_SPARE) spare.push(room);
}

let sharedBuffer: Buffer | undefined;

/** The one buffer that all idle client connections of a thread read their heads into. */
function shared(): Buffer {
  return (sharedBuffer ??= Buffer.allocUnsafeSlow(READ_SIZE));
}

/** Where a chunk of bytes lives, as far as whoever writes it out needs to know. */
export interface ChunkSource {
  /** The bytes are reused for the next read of another socket: copy what must outlive this turn before writing it. */
  readonly shared: boolean;
  /**
   * Where the chunk begins in `room`; bytes of `room` in front of it may be overwritten. Undefined: no such room.
   */
  readonly room: Buffer | undefined;
  /**
   * A write of these bytes did not finish at once: they must not be read into again.
   *
   * @returns what to give back (see `giveBack`) when it has finished, if anything
   */
  lend(): Buffer | undefined;
}

/** Chunks that belong to whoever gets them: what `data` events deliver, and what was copied. */
export const ownedChunk: ChunkSource = { shared: false, room: undefined, lend: () => undefined };

/** A buffer of its own for one socket: bytes may be written out straight from it. */
export class OwnBuffer implements ChunkSource {
  readonly shared = false;
  room: Buffer | undefined = takeRoom();
  #installed: Buffer = this.room!.subarray(HEADROOM);
  #changed = true;

  lend(): Buffer | undefined {
    const { room } = this;
    this.room = undefined;
    return room;
  }

  /** For `onread.buffer`: what the next read goes into, or undefined where nothing changed. */
  next(): Buffer | undefined {
    if (this.room === undefined) {
      this.room = takeRoom();
      this.#installed = this.room.subarray(HEADROOM);
      this.#changed = true;
    }
    if (!this.#changed) return undefined;
    this.#changed = false;
    return this.#installed;
  }

  /** The socket is closed: the memory serves another one. */
  free(): void {
    if (this.room !== undefined) giveBack(this.room);
    this.room = undefined;
  }
}

/**
 * Reads into the thread's shared buffer while the connection is between or at the head of messages, and into one of
 * its own while a body streams: 10,000 idle connections then cost no buffer at all.
 */
export class SwitchingBuffer implements ChunkSource {
  #own: OwnBuffer | undefined = undefined;
  #wantOwn = false;
  #installedShared = false;

  get shared(): boolean {
    return this.#own === undefined;
  }

  get room(): Buffer | undefined {
    return this.#own?.room;
  }

  lend(): Buffer | undefined {
    return this.#own?.lend();
  }

  /** A body streams: from the next read on the socket has a buffer of its own. */
  streaming(on: boolean): void {
    this.#wantOwn = on;
  }

  next(): Buffer | undefined {
    if (this.#wantOwn) {
      this.#own ??= new OwnBuffer();
      this.#installedShared = false;
      return this.#own.next();
    }
    this.free();
    if (this.#installedShared) return undefined;
    this.#installedShared = true;
    return shared();
  }

  free(): void {
    this.#own?.free();
    this.#own = undefined;
  }
}
