import { FrameWriter, INITIAL_WINDOW_SIZE, SendWindow } from '@rp/parser';
import type { Socket } from 'node:net';
import { WriteWatch } from '../client/write-watch.ts';
import type { Runtime } from '../runtime.ts';
import { HIGH_WATER, MAX_OUTPUT, QUANTUM } from './bounds.ts';
import { flushQueue, type Flushable } from '../flush-queue.ts';
import { ResponseMemo } from './response-memo.ts';

/** A stream with a body that could not be sent yet. */
export interface BlockedStream {
  /** Octets that wait. */
  readonly waiting: number;
  /** Sends at most `limit` octets of them, as far as its own window goes; returns how many. */
  sendWaiting(limit: number): number;
}

/** What the session does at the end of a turn, and when the socket has taken what was written. */
export interface OutputOwner {
  turnEnding(): void;
  outputTaken(): void;
  outputStalled(): void;
}

/**
 * Everything a session writes: frames are collected during a turn of the event loop and leave in one write. Bodies
 * that must wait, wait in their streams, which take turns when there is room again.
 */
export class SessionOutput implements Flushable {
  readonly writer: FrameWriter = new FrameWriter();
  readonly responses: ResponseMemo = new ResponseMemo();
  /** The connection's flow-control window towards the client. */
  readonly window: SendWindow = new SendWindow(INITIAL_WINDOW_SIZE);
  readonly #socket: Socket;
  readonly #owner: OutputOwner;
  readonly #writes: WriteWatch;
  readonly #written = (): void => this.#taken();
  #blocked: BlockedStream[] = [];
  #dirty = false;
  #inFlight = 0;
  #pumping = false;
  #closed = false;

  constructor(runtime: Runtime, socket: Socket, owner: OutputOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#writes = new WriteWatch(runtime, () => owner.outputStalled());
  }

  /** Octets of body that may be written now without making too much of it wait in memory. */
  get room(): number {
    return HIGH_WATER - this.writer.pending - this.#socket.writableLength;
  }

  /** The client takes so little that it must not cause any more output. */
  get isFull(): boolean {
    return this.writer.pending + this.#socket.writableLength > MAX_OUTPUT;
  }

  /** A frame was written, or something else is to be done at the end of the turn. */
  touch(): void {
    if (this.#dirty || this.#closed) return;
    this.#dirty = true;
    flushQueue.add(this);
  }

  flushTurn(): void {
    this.#dirty = false;
    this.#owner.turnEnding();
    this.flushNow();
  }

  /** Writes what there is without waiting for the end of the turn. */
  flushNow(): void {
    if (this.#closed) return;
    const buffers = this.writer.take();
    const socket = this.#socket;
    this.#inFlight += buffers.length;
    if (buffers.length === 1) {
      socket.write(buffers[0]!, this.#written);
    } else if (buffers.length > 1) {
      // Over TLS each write of up to 64 KiB makes full records; corking would only add a copy.
      for (const buffer of buffers) socket.write(buffer, this.#written);
    } else {
      return;
    }
    this.#writes.wrote(socket);
  }

  /** `stream` has something that waits; it is asked again when there is room. */
  block(stream: BlockedStream): void {
    if (!this.#blocked.includes(stream)) this.#blocked.push(stream);
  }

  unblock(stream: BlockedStream): void {
    const at = this.#blocked.indexOf(stream);
    if (at !== -1) this.#blocked.splice(at, 1);
  }

  /** Lets waiting streams send in turns, as long as the connection's window and the socket allow it. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    let idle = 0;
    while (this.#blocked.length > idle && this.window.available > 0 && this.room > 0) {
      const stream = this.#blocked.shift()!;
      const sent = stream.sendWaiting(Math.min(QUANTUM, this.window.available));
      if (stream.waiting > 0) this.block(stream);
      idle = sent === 0 && stream.waiting > 0 ? idle + 1 : 0;
    }
    this.#pumping = false;
  }

  close(): void {
    this.#closed = true;
    this.#blocked = [];
    this.#writes.close();
  }

  /** One write is done: its memory may serve again. */
  #taken(): void {
    if (--this.#inFlight > 0 || this.#closed) return;
    this.writer.recycle();
    this.#writes.drained();
    if (this.#blocked.length > 0) this.pump();
    this.#owner.outputTaken();
  }
}
