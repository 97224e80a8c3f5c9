import {
  BodyFraming,
  FrameType,
  SendWindow,
  StreamState,
  afterSend,
  canSend,
  sendable,
  type ForwardRequest,
  type RequestHead,
} from '@rp/parser';
import { Counter } from '../../counters.ts';
import type { BodyView } from '../../downstream.ts';
import { BodyQueue } from '../../http2/body-queue.ts';
import type { BlockedStream } from '../../http2/output.ts';
import { trailersToSend } from '../../http2/response-fields.ts';
import { ownedChunk, type ChunkSource } from '../../read-buffers.ts';
import type { Runtime } from '../../runtime.ts';
import { Timer } from '../../timer-wheel.ts';
import { writeRequestHead } from './request-block.ts';
import type { BackendReader } from '../stream.ts';
import type { SessionLife } from './session-life.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/** The sending half of a stream to a backend: a request under flow control (RFC 9113 §5.2). */
export abstract class StreamRequest extends Timer implements BlockedStream {
  protected readonly runtime: Runtime;
  protected readonly session: SessionLife;
  id = 0;
  state: StreamState = StreamState.idle;
  /** Towards the backend. */
  readonly sendWindow: SendWindow = new SendWindow(0);
  protected exchange: BackendReader | undefined = undefined;
  protected method = '';
  protected readonly queue: BodyQueue = new BodyQueue();
  /** The request is complete but for what waits. */
  protected ending = false;
  protected trailers: string[] | undefined = undefined;
  /** The client sends its body only after a 100. */
  protected expecting = false;
  /** An extended CONNECT that was not answered yet: its stream stays open. */
  protected upgrading = false;
  /** The client takes no more of the response for now. */
  protected paused = false;

  constructor(runtime: Runtime, session: SessionLife) {
    super();
    this.runtime = runtime;
    this.session = session;
  }

  /** Gives the stream its identifier and its window. */
  protected abstract open(): void;
  /** What waited was sent. */
  protected abstract drained(): void;

  begin(exchange: BackendReader, request: RequestHead, rules: ForwardRequest): void {
    const session = this.session;
    this.exchange = exchange;
    this.method = request.method;
    this.expecting = request.expectContinue;
    this.open();
    const { framing, contentLength } = request;
    this.upgrading = request.upgrade !== '';
    const empty = framing === BodyFraming.none || (framing === BodyFraming.length && contentLength === 0);
    const none = empty && !this.upgrading;
    const { writer } = session.output;
    const before = writer.pending;
    writeRequestHead(writer, this.id, request, rules, session.scheme, none);
    this.runtime.counters.cells[Counter.bytesToBackends]! += writer.pending - before;
    session.output.touch();
    this.state = none ? StreamState.halfClosedLocal : StreamState.open;
    this.ending = none;
    this.awaitBackend();
  }

  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean {
    if (!canSend(this.state)) return true;
    const ranges = view.bodyRanges;
    if (ranges === 1) {
      this.put(chunk, view.bodyRangeStart(0), view.bodyRangeEnd(0), source);
    } else if (ranges > 1) {
      // Chunks may be as small as one octet: as frames of their own they would cost nine octets each.
      const copy = Buffer.allocUnsafe(view.bodyLength);
      view.copyBody(chunk, copy, 0);
      this.put(copy, 0, copy.length, ownedChunk);
    }
    this.awaitBackend();
    return this.queue.length === 0;
  }

  sendEnd(trailers: string[] | undefined): void {
    this.expecting = false;
    if (!canSend(this.state) || this.ending || this.upgrading) return;
    this.ending = true;
    this.trailers = trailersToSend(trailers);
    if (this.queue.length === 0) this.#writeEnd();
    this.awaitBackend();
  }

  /** Everything that is written in a turn leaves together at its end, so there is nothing to hurry. */
  flush(): void {}

  /** Writes what the windows and the socket allow; the rest waits where it is, or as a copy if it cannot stay there. */
  protected put(chunk: Buffer, start: number, end: number, source: ChunkSource): void {
    const { output } = this.session;
    let at = start;
    if (this.queue.length === 0 && output.room > 0) {
      const octets = sendable(output.window, this.sendWindow, end - start);
      if (octets > 0) this.#writeData(chunk, start, (at = start + octets), false);
    }
    if (at === end) return;
    const rest = chunk.subarray(at, end);
    this.queue.add(source.shared ? Buffer.from(rest) : rest);
    source.lend();
    output.block(this);
  }

  #writeData(chunk: Buffer, start: number, end: number, last: boolean): void {
    const { output } = this.session;
    output.window.consume(end - start);
    this.sendWindow.consume(end - start);
    output.writer.data(this.id, chunk, start, end, last);
    this.session.dataSent(end - start, Math.min(output.window.available, this.sendWindow.available));
    output.touch();
    if (last) this.#sentEnd(FrameType.DATA);
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
    if (sent > 0) this.awaitBackend();
    if (queue.length === 0) this.#emptied();
    return sent;
  }

  #emptied(): void {
    if (this.ending && canSend(this.state)) this.#writeEnd();
    this.drained();
  }

  #writeEnd(): void {
    const { output } = this.session;
    if (this.trailers === undefined) output.writer.data(this.id, EMPTY, 0, 0, true);
    else output.writer.headers(this.id, this.trailers, true);
    output.touch();
    this.#sentEnd(this.trailers === undefined ? FrameType.DATA : FrameType.HEADERS);
  }

  #sentEnd(type: number): void {
    const next = afterSend(this.state, type, true);
    if (next < 8) this.state = next as StreamState;
  }

  /** As with HTTP/1: the backend's time runs only while it is its turn. */
  protected awaitBackend(): void {
    const { wheel, settings, now } = this.runtime;
    if (this.exchange === undefined) return;
    const due = this.expecting || this.queue.length > 0 || this.ending || this.upgrading;
    if (due && !this.paused) wheel.arm(this, settings.timeouts.response, now);
    else wheel.disarm(this);
  }
}
