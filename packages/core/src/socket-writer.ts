import { chunkHead } from '@rp/parser';
import type { Socket } from 'node:net';
import { writeDirectly } from './direct-write.ts';
import type { BodyView } from './downstream.ts';
import { flushQueue, type Flushable } from './flush-queue.ts';
import { HEADROOM, giveBack, takeRoom, type ChunkSource } from './read-buffers.ts';

/** Bodies up to this many bytes wait, with their head, for the end of the turn. */
const SMALL = 4_096;
/** Bodies up to this many bytes are copied behind their head, so that both leave in one write. */
const COPY_BELOW = 32_768;
/** Text that waits; more is written at once. */
const MAX_PENDING = 65_536;

/**
 * Where a message is put together that leaves in one write. One for the thread: the kernel nearly always takes a
 * message whole, and then the memory serves the next one; a new buffer for each would keep the garbage collector busy.
 * What one read brings fits in with the head of a chunk around it.
 */
let workspace = takeRoom();

/** Told of every write, to notice a peer that takes nothing. */
export interface WriteListener {
  wrote(socket: Socket): void;
}

/**
 * Writes the messages of one socket in as few system calls as possible. What is small waits for the end of the turn
 * of the event loop: messages of one turn leave together, and the writes of all sockets happen side by side, so that
 * a peer who is woken by the first finds the others there too (a tenth of the processor time of a small exchange).
 */
export class SocketWriter implements Flushable {
  readonly #socket: Socket;
  /** TLS takes what is written some time later, and only one write at a time: the stream sees to both. */
  readonly #encrypted: boolean;
  readonly #listener: WriteListener | undefined;
  #pending = '';
  #queued = false;
  /** Memory that the kernel has not taken all of, and that nobody else may write to until then. */
  #kept: Buffer[] | undefined = undefined;
  /** A direct write is not through yet: everything goes by the stream, which keeps the order. */
  #busy = false;
  readonly #written = (): void => {
    this.#busy = false;
  };

  constructor(socket: Socket, listener?: WriteListener) {
    this.#socket = socket;
    this.#encrypted = 'encrypted' in socket;
    this.#listener = listener;
  }

  /** Latin1 text, at the end of the turn. */
  text(text: string): void {
    this.#pending += text;
    if (this.#pending.length > MAX_PENDING) return this.flush();
    if (this.#queued) return;
    this.#queued = true;
    flushQueue.add(this);
  }

  /** Bytes that nobody changes any more, at once. False: wait for `drain`. */
  bytes(bytes: Buffer): boolean {
    this.flush();
    return this.#write(bytes);
  }

  /**
   * A piece of a body, with the head in front of it if one waits.
   *
   * @param head latin1 text, '' for none
   * @param chunked frame the piece as one chunk (RFC 9112 §7.1)
   * @returns false: wait for `drain`
   */
  body(head: string, chunk: Buffer, view: BodyView, source: ChunkSource, chunked: boolean): boolean {
    const length = view.bodyLength;
    if (this.#kept !== undefined && this.#socket.writableLength === 0) this.#returnKept(this.#kept);
    if (length <= SMALL) {
      this.text(smallPiece(head, chunk, view, chunked));
      return !this.#socket.writableNeedDrain;
    }
    const before = this.#take() + head;
    if (chunked) return this.#compose(before + chunkHead(length), chunk, view, '\r\n');
    const start = view.bodyRangeStart(0);
    const end = view.bodyRangeEnd(0);
    if (before !== '') {
      const { room } = source;
      if (room !== undefined && before.length <= HEADROOM + start) {
        const at = HEADROOM + start - before.length;
        room.write(before, at, 'latin1');
        return this.#writeLent(room.subarray(at, HEADROOM + end), source);
      }
      if (source.shared || length <= COPY_BELOW) return this.#compose(before, chunk, view, '');
      this.#socket.write(before, 'latin1');
    } else if (source.shared) {
      return this.#compose('', chunk, view, '');
    }
    return this.#writeLent(chunk.subarray(start, end), source);
  }

  /** A head and chunks that nobody changes any more, at once and in one system call. */
  list(head: string, chunks: readonly Uint8Array[], length: number): void {
    const before = this.#take() + head;
    if (length > COPY_BELOW) return this.#gather(before, chunks);
    const message = this.#room(before.length + length);
    let at = message.write(before, 0, 'latin1');
    for (const chunk of chunks) {
      message.set(chunk, at);
      at += chunk.length;
    }
    this.#send(message);
  }

  #gather(head: string, chunks: readonly Uint8Array[]): void {
    const socket = this.#socket;
    socket.cork();
    socket.write(head, 'latin1');
    for (const chunk of chunks) socket.write(chunk);
    socket.uncork();
    this.#listener?.wrote(socket);
  }

  /** Writes what waits, now: before the socket is written to by somebody else, or ended. */
  flush(): void {
    const text = this.#take();
    const socket = this.#socket;
    if (text === '' || socket.destroyed) return;
    const result = this.#busy || this.#encrypted ? 'unavailable' : writeDirectly(socket, text, this.#written);
    if (result === 'written') return;
    if (result === 'pending') {
      this.#busy = true;
      return;
    }
    socket.write(text, 'latin1');
    this.#listener?.wrote(socket);
  }

  flushTurn(): void {
    this.#queued = false;
    this.flush();
  }

  #take(): string {
    const text = this.#pending;
    this.#pending = '';
    return text;
  }

  #compose(head: string, chunk: Buffer, view: BodyView, tail: string): boolean {
    const message = this.#room(head.length + view.bodyLength + tail.length);
    const at = message.write(head, 0, 'latin1');
    const end = view.copyBody(chunk, message, at);
    if (tail !== '') message.write(tail, end, 'latin1');
    return this.#send(message);
  }

  #room(length: number): Buffer {
    if (this.#encrypted || length > workspace.length) return Buffer.allocUnsafe(length);
    return workspace.subarray(0, length);
  }

  #send(message: Buffer): boolean {
    const more = this.#write(message);
    // Still being written: the memory is not ours any more.
    if (this.#socket.writableLength > 0 && message.buffer === workspace.buffer) {
      (this.#kept ??= []).push(workspace);
      workspace = takeRoom();
    }
    return more;
  }

  #write(bytes: Buffer): boolean {
    const more = this.#socket.write(bytes);
    this.#listener?.wrote(this.#socket);
    return more;
  }

  #writeLent(bytes: Buffer, source: ChunkSource): boolean {
    const more = this.#write(bytes);
    if (this.#socket.writableLength > 0) {
      const room = source.lend();
      if (room !== undefined) (this.#kept ??= []).push(room);
    }
    return more;
  }

  /** All that was written is through: its memory serves again, in place of new memory for each slow write. */
  #returnKept(kept: readonly Buffer[]): void {
    this.#kept = undefined;
    for (const room of kept) giveBack(room);
  }
}

/** Copied into the text: whoever read the bytes may read the next ones over them before the turn ends. */
function smallPiece(head: string, chunk: Buffer, view: BodyView, chunked: boolean): string {
  let text = '';
  for (let i = 0; i < view.bodyRanges; i++) {
    text += chunk.toString('latin1', view.bodyRangeStart(i), view.bodyRangeEnd(i));
  }
  if (!chunked || text === '') return head + text;
  return `${head}${chunkHead(text.length)}${text}\r\n`;
}
