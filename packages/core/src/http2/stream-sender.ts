import { FrameType, SendWindow, StreamState, afterSend, canSend, sendable } from '@rp/parser';
import type { ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';
import { BodyQueue } from './body-queue.ts';
import type { BlockedStream } from './output.ts';
import { trailersToSend } from './response-fields.ts';
import type { Http2Session } from './session.ts';
import { StallTimer } from './stall-timer.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/** The sending half of a stream: DATA and its end, under flow control (RFC 9113 §5.2). */
export abstract class StreamSender extends Timer implements BlockedStream {
  protected readonly runtime: Runtime;
  protected session: Http2Session = undefined as unknown as Http2Session;
  id = 0;
  state: StreamState = StreamState.idle;
  /** Towards the client. */
  readonly sendWindow: SendWindow = new SendWindow(0);
  protected readonly queue: BodyQueue = new BodyQueue();
  protected readonly stall: StallTimer;
  /** What is sent is complete but for what waits. */
  protected ending = false;
  protected trailers: string[] | undefined = undefined;

  constructor(runtime: Runtime) {
    super();
    this.runtime = runtime;
    this.stall = new StallTimer(runtime, () => this.stalled());
  }

  /** Nothing that waits is missed by anybody for long: tunnels have a timeout of their own. */
  protected abstract get unhurried(): boolean;
  /** What waited was sent: more may come. */
  protected abstract drained(): void;
  /** The client gives no window for what waits. */
  protected abstract stalled(): void;
  /** Closes the stream for good as soon as nobody needs it. */
  protected abstract settle(): void;

  sendEnd(trailers: readonly string[] | undefined): void {
    if (!canSend(this.state) || this.ending) return;
    this.ending = true;
    this.trailers = trailersToSend(trailers);
    if (this.queue.length === 0) this.#writeEnd();
  }

  /** Writes what the windows and the socket allow; the rest waits where it is, or as a copy if it cannot stay there. */
  protected put(chunk: Buffer, start: number, end: number, source: ChunkSource, last: boolean): void {
    const { output } = this.session;
    let at = start;
    if (this.queue.length === 0 && output.room > 0) {
      const octets = sendable(output.window, this.sendWindow, end - start);
      if (octets > 0) this.#writeData(chunk, start, (at = start + octets), last && at === end);
    }
    if (at === end) return;
    if (last) this.ending = true;
    const rest = chunk.subarray(at, end);
    this.queue.add(source.shared ? Buffer.from(rest) : rest);
    source.lend();
    output.block(this);
    if (!this.unhurried) this.stall.watch();
  }

  #writeData(chunk: Buffer, start: number, end: number, last: boolean): void {
    const { output } = this.session;
    output.window.consume(end - start);
    this.sendWindow.consume(end - start);
    output.writer.data(this.id, chunk, start, end, last);
    this.session.dataSent(end - start, Math.min(output.window.available, this.sendWindow.available));
    output.touch();
    if (last) this.sent(FrameType.DATA, true);
  }

  get waiting(): number {
    return this.queue.length;
  }

  sendWaiting(limit: number): number {
    const queue = this.queue;
    let sent = 0;
    while (queue.length > 0) {
      const from = queue.offset;
      const octets = Math.min(queue.first.length - from, limit - sent, this.sendWindow.available);
      if (octets <= 0) break;
      const last = octets === queue.length && this.ending && this.trailers === undefined;
      this.#writeData(queue.first, from, from + octets, last);
      queue.consume(octets);
      sent += octets;
    }
    if (sent > 0) this.stall.progressed();
    if (queue.length === 0) this.#emptied();
    return sent;
  }

  /** Nothing waits any more. */
  #emptied(): void {
    this.stall.stop();
    if (this.ending) {
      if (canSend(this.state)) this.#writeEnd();
      return this.settle();
    }
    this.drained();
  }

  #writeEnd(): void {
    const { writer } = this.session.output;
    if (this.trailers === undefined) writer.data(this.id, EMPTY, 0, 0, true);
    else writer.headers(this.id, this.trailers, true);
    this.session.output.touch();
    this.sent(this.trailers === undefined ? FrameType.DATA : FrameType.HEADERS, true);
    this.settle();
  }

  protected sent(type: number, endStream: boolean): void {
    const next = afterSend(this.state, type, endStream);
    if (next < 8) this.state = next as StreamState;
  }
}
