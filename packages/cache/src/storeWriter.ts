import { copyText, latin1 } from './latin1.ts';
import { SMALL_BODY, type StoredResponse } from './storedResponse.ts';

/** Chunks below this are gathered in blocks, so that a body of tiny chunks costs little more than its bytes. */
const SMALL_CHUNK = 2048;
/** Size of such a block. */
const BLOCK_SIZE = 16 * 1024;

/** What a writer needs from the cache. */
export interface WriterTarget {
  /** Sets bytes aside; `false` when there is no room. */
  reserve(bytes: number): boolean;
  release(bytes: number): void;
  /** The body is whole and goes into the store. */
  commit(stored: StoredResponse): void;
  /** More can be read by those who follow. */
  written(writer: StoreWriter): void;
  /** The body goes on, but is not kept any more: it is too large. */
  stoppedKeeping(writer: StoreWriter): void;
  /** The body ended early, or its length was not the one announced: nothing was stored. */
  aborted(writer: StoreWriter): void;
}

/**
 * Takes a response body while it streams to the client. Feed it every chunk of content (without transfer coding),
 * then {@link end}, or {@link abort} on every other way out.
 */
export class StoreWriter {
  /** The response being written. Its chunks grow; see `Follower`. */
  readonly stored: StoredResponse;
  /** `keeping`: goes into the store; `streaming`: too large, only followers read it; then one of the ends. */
  state: 'keeping' | 'streaming' | 'stored' | 'aborted' = 'keeping';

  readonly #target: WriterTarget;
  readonly #limit: number;
  #block: Buffer | undefined = undefined;
  #blockUsed = 0;
  #reserved = 0;
  #pieces = 0;

  /** @param limit largest body that is kept, in bytes. */
  constructor(stored: StoredResponse, limit: number, target: WriterTarget) {
    this.stored = stored;
    this.#limit = limit;
    this.#target = target;
    if (stored.announcedLength > SMALL_BODY) stored.text = undefined;
  }

  /**
   * Takes the next chunk.
   *
   * @param owned `true`: the caller will never change the bytes again, they may be kept as they are. `false`: the
   * memory is used again after this call, so they are copied if they are needed.
   * @param start where in `chunk` the bytes begin, and `end` where they end.
   */
  write(chunk: Uint8Array, owned: boolean, start = 0, end: number = chunk.byteLength): void {
    const bytes = end - start;
    if (bytes === 0 || this.#isOver()) return;
    const stored = this.stored;
    stored.length += bytes;
    if (this.state === 'keeping' && !this.#mayKeep(bytes)) {
      this.#textToChunk();
      this.state = 'streaming';
      this.#giveBack();
      this.#target.stoppedKeeping(this);
    }
    if (this.#isOver()) return; // nobody reads on: see stoppedKeeping
    if (stored.text !== undefined && stored.length <= SMALL_BODY) this.#appendText(chunk, start, end);
    else this.#append(bytes === chunk.byteLength ? chunk : chunk.subarray(start, end), owned);
    this.#target.written(this);
  }

  /** The body ended as it should. A body of another length than announced is not stored (RFC 9112 §8). */
  end(): void {
    if (this.#isOver()) return;
    const stored = this.stored;
    if (stored.announcedLength >= 0 && stored.announcedLength !== stored.length) {
      this.abort();
      return;
    }
    this.#trimBlock();
    if (this.#pieces > 1 && stored.text !== undefined) stored.text = copyText(stored.text);
    const keeping = this.state === 'keeping';
    this.#giveBack();
    this.state = 'stored';
    stored.finish();
    if (keeping) this.#target.commit(stored);
    this.#target.written(this);
  }

  /** The body ended early; nothing is stored. Harmless after {@link end}. */
  abort(): void {
    if (this.#isOver()) return;
    this.state = 'aborted';
    this.stored.discarded = true;
    this.#giveBack();
    this.#target.aborted(this);
  }

  #isOver(): boolean {
    return this.state === 'stored' || this.state === 'aborted';
  }

  #mayKeep(bytes: number): boolean {
    if (this.stored.length > this.#limit) return false;
    if (!this.#target.reserve(bytes)) return false;
    this.#reserved += bytes;
    return true;
  }

  #giveBack(): void {
    this.#target.release(this.#reserved);
    this.#reserved = 0;
  }

  /** Small bodies are text from the beginning: they cost no buffer. */
  #appendText(chunk: Uint8Array, start: number, end: number): void {
    const piece = latin1(chunk, start, end);
    this.stored.text = this.#pieces++ === 0 ? piece : (this.stored.text as string) + piece;
  }

  /** The body is not small after all. Who reads along goes on at the same place of the first chunk. */
  #textToChunk(): void {
    const { stored } = this;
    if (stored.text === undefined) return;
    if (stored.text !== '') {
      const bytes = Buffer.allocUnsafeSlow(stored.text.length);
      bytes.write(stored.text, 0, 'latin1');
      stored.chunks.push(bytes);
    }
    stored.text = undefined;
  }

  #append(chunk: Uint8Array, owned: boolean): void {
    this.#textToChunk();
    if (chunk.byteLength < SMALL_CHUNK) {
      this.#appendSmall(chunk);
      return;
    }
    this.#trimBlock();
    // A small view keeps the whole buffer under it alive: then a copy is cheaper.
    const lean = chunk.byteLength * 2 >= chunk.buffer.byteLength;
    this.stored.chunks.push(owned && lean ? chunk : copyOf(chunk, 0, chunk.byteLength));
  }

  #appendSmall(chunk: Uint8Array): void {
    const chunks = this.stored.chunks;
    let from = 0;
    while (from < chunk.byteLength) {
      if (this.#block === undefined) {
        this.#block = Buffer.allocUnsafeSlow(this.#nextBlockSize(chunk.byteLength - from));
        this.#blockUsed = 0;
        chunks.push(this.#block.subarray(0, 0));
      }
      const room = this.#block.byteLength - this.#blockUsed;
      const take = Math.min(room, chunk.byteLength - from);
      this.#block.set(chunk.subarray(from, from + take), this.#blockUsed);
      this.#blockUsed += take;
      from += take;
      // Readers see a longer view of the same block: what they have read stays where it is.
      chunks[chunks.length - 1] = this.#block.subarray(0, this.#blockUsed);
      if (this.#blockUsed === this.#block.byteLength) this.#block = undefined;
    }
  }

  /** Exactly what is missing where the length is known and small, so that one-chunk bodies waste nothing. */
  #nextBlockSize(needed: number): number {
    const announced = this.stored.announcedLength;
    if (announced < 0) return BLOCK_SIZE;
    const missing = announced - (this.stored.length - needed);
    return Math.max(needed, Math.min(missing, BLOCK_SIZE));
  }

  /** Ends the current block; one that is mostly empty is copied to its size. */
  #trimBlock(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#block = undefined;
    if (this.#blockUsed * 4 > block.byteLength * 3) return;
    const chunks = this.stored.chunks;
    chunks[chunks.length - 1] = copyOf(block, 0, this.#blockUsed);
  }
}

function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(to - from);
  copy.set(from === 0 && to === bytes.byteLength ? bytes : bytes.subarray(from, to));
  return copy;
}
