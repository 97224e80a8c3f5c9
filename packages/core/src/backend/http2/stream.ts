import {
  BodyFraming,
  ErrorCode,
  FrameType,
  ReceiveWindow,
  SendWindow,
  StreamState,
  afterSend,
  canReceive,
  canSend,
  checkResponseFields,
  checkTrailerFields,
  errorName,
  fitsContentLength,
  isClosed,
  sendable,
  type ForwardRequest,
  type RequestHead,
} from '@rp/parser';
import { SingleRange, type BodyView } from '../../downstream.ts';
import type { Exchange } from '../../exchange.ts';
import { MovedAway, ProxyFailure } from '../../failure.ts';
import { BodyQueue } from '../../http2/body-queue.ts';
import { STREAM_WINDOW } from '../../http2/bounds.ts';
import type { BlockedStream } from '../../http2/output.ts';
import { trailersToSend } from '../../http2/response-fields.ts';
import { ownedChunk, type ChunkSource } from '../../read-buffers.ts';
import type { Runtime } from '../../runtime.ts';
import { Timer } from '../../timer-wheel.ts';
import { informationalLimit } from '../reuse.ts';
import type { BackendStream } from '../stream.ts';
import { COPY_BELOW } from './bounds.ts';
import { writeRequestHead } from './request-block.ts';
import { isBodiless, responseHeadOf } from './response-head.ts';
import type { Http2BackendSession } from './session.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/** For small pieces: whoever must keep one copies it, in place of the whole buffer that it was read into. */
const copiedChunk: ChunkSource = { shared: true, room: undefined, lend: () => {} };

/** What came while a hook looked at the head. */
class Stash {
  readonly chunks: Buffer[] = [];
  ended = false;
  trailers: string[] | undefined = undefined;
}

/** One stream to a backend: one request and its response. */
export class Http2BackendStream extends Timer implements BackendStream, BlockedStream {
  readonly #runtime: Runtime;
  readonly #session: Http2BackendSession;
  id = 0;
  state: StreamState = StreamState.idle;
  /** Towards the backend. */
  readonly sendWindow: SendWindow = new SendWindow(0);
  readonly #receiveWindow: ReceiveWindow = new ReceiveWindow(STREAM_WINDOW);
  readonly #range: SingleRange = new SingleRange();

  #exchange: Exchange | undefined = undefined;
  #method = '';
  #live = true;

  readonly #queue: BodyQueue = new BodyQueue();
  /** The request is complete but for what waits. */
  #ending = false;
  #trailers: string[] | undefined = undefined;
  /** The client sends its body only after a 100. */
  #expecting = false;

  #headSeen = false;
  #bodiless = false;
  #declared = -1;
  #received = 0;
  #informational = 0;
  endsWithHead = false;
  #paused = false;
  /** Octets that the backend does not get back as long as the client is slow. */
  #withheld = 0;
  #stash: Stash | undefined = undefined;
  /** Something was handed on in this read. */
  fed = false;

  constructor(runtime: Runtime, session: Http2BackendSession) {
    super();
    this.#runtime = runtime;
    this.#session = session;
  }

  // ---- The request ------------------------------------------------------------------------------------------

  begin(exchange: Exchange, request: RequestHead, rules: ForwardRequest): void {
    const session = this.#session;
    this.#exchange = exchange;
    this.#method = request.method;
    this.#expecting = request.expectContinue;
    session.opened(this);
    const { framing, contentLength } = request;
    const none = framing === BodyFraming.none || (framing === BodyFraming.length && contentLength === 0);
    writeRequestHead(session.output.writer, this.id, request, rules, session.scheme, none);
    session.output.touch();
    this.state = none ? StreamState.halfClosedLocal : StreamState.open;
    this.#ending = none;
    this.#await();
  }

  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean {
    if (!canSend(this.state)) return true;
    const ranges = view.bodyRanges;
    if (ranges === 1) {
      this.#put(chunk, view.bodyRangeStart(0), view.bodyRangeEnd(0), source);
    } else if (ranges > 1) {
      // Chunks may be as small as one octet: as frames of their own they would cost nine octets each.
      const copy = Buffer.allocUnsafe(view.bodyLength);
      view.copyBody(chunk, copy, 0);
      this.#put(copy, 0, copy.length, ownedChunk);
    }
    this.#await();
    return this.#queue.length === 0;
  }

  sendEnd(trailers: string[] | undefined): void {
    this.#expecting = false;
    if (!canSend(this.state) || this.#ending) return;
    this.#ending = true;
    this.#trailers = trailersToSend(trailers);
    if (this.#queue.length === 0) this.#writeEnd();
    this.#await();
  }

  /** Everything that is written in a turn leaves together at its end, so there is nothing to hurry. */
  flush(): void {}

  /** Writes what the windows and the socket allow; the rest waits where it is, or as a copy if it cannot stay there. */
  #put(chunk: Buffer, start: number, end: number, source: ChunkSource): void {
    const { output } = this.#session;
    let at = start;
    if (this.#queue.length === 0 && output.room > 0) {
      const octets = sendable(output.window, this.sendWindow, end - start);
      if (octets > 0) this.#writeData(chunk, start, (at = start + octets), false);
    }
    if (at === end) return;
    const rest = chunk.subarray(at, end);
    this.#queue.add(source.shared ? Buffer.from(rest) : rest);
    source.lend();
    output.block(this);
  }

  #writeData(chunk: Buffer, start: number, end: number, last: boolean): void {
    const { output } = this.#session;
    output.window.consume(end - start);
    this.sendWindow.consume(end - start);
    output.writer.data(this.id, chunk, start, end, last);
    this.#session.dataSent(end - start);
    output.touch();
    if (last) this.#sentEnd(FrameType.DATA);
  }

  get waiting(): number {
    return this.#queue.length;
  }

  sendWaiting(limit: number): number {
    const queue = this.#queue;
    let sent = 0;
    while (queue.length > 0) {
      const from = queue.offset;
      const octets = Math.min(queue.first.length - from, limit - sent, this.sendWindow.available);
      if (octets <= 0) break;
      const last = octets === queue.length && this.#ending && this.#trailers === undefined;
      this.#writeData(queue.first, from, from + octets, last);
      queue.consume(octets);
      sent += octets;
    }
    if (sent > 0) this.#await();
    if (queue.length === 0) this.#emptied();
    return sent;
  }

  #emptied(): void {
    if (!this.#ending) this.#exchange?.backendDrained();
    else if (canSend(this.state)) this.#writeEnd();
  }

  #writeEnd(): void {
    const { output } = this.#session;
    if (this.#trailers === undefined) output.writer.data(this.id, EMPTY, 0, 0, true);
    else output.writer.headers(this.id, this.#trailers, true);
    output.touch();
    this.#sentEnd(this.#trailers === undefined ? FrameType.DATA : FrameType.HEADERS);
  }

  #sentEnd(type: number): void {
    const next = afterSend(this.state, type, true);
    if (next < 8) this.state = next as StreamState;
  }

  /** As with HTTP/1: the backend's time runs only while it is its turn. */
  #await(): void {
    const { wheel, settings, now } = this.#runtime;
    if (this.#exchange === undefined) return;
    const due = this.#expecting || this.#queue.length > 0 || this.#ending;
    if (due && !this.#paused) wheel.arm(this, settings.timeouts.response, now);
    else wheel.disarm(this);
  }

  override expired(): void {
    const { response } = this.#runtime.settings.timeouts;
    this.#fail(new ProxyFailure('BACKEND_TIMEOUT', `nothing for ${response} ms`), ErrorCode.CANCEL);
  }

  // ---- The response -----------------------------------------------------------------------------------------

  /** HEADERS arrived. `complete`: the list was within its limit. */
  headers(fields: string[], kinds: Uint8Array, complete: boolean, endStream: boolean): void {
    if (!complete) return this.invalid('header list too large');
    if (this.#headSeen) return this.#responseTrailers(fields, kinds, endStream);
    const response = checkResponseFields(fields, kinds);
    if (response.malformed !== '') return this.invalid(response.malformed);
    const { status } = response;
    const exchange = this.#exchange!;
    const head = responseHeadOf(fields, response, this.#method, endStream);
    if (head.ids.length > this.#runtime.settings.limits.headerCount) return this.invalid('too many fields');
    if (status < 200) {
      if (endStream) return this.invalid('an informational response that ends the stream');
      if (++this.#informational > informationalLimit) {
        return this.invalid(`more than ${informationalLimit} informational responses`);
      }
      if (status === 100) this.#expecting = false;
      this.#await();
      return exchange.informational(head);
    }
    this.#headSeen = true;
    this.#expecting = false;
    this.#bodiless = isBodiless(status, this.#method);
    this.#declared = this.#bodiless ? -1 : response.contentLength;
    if (!fitsContentLength(this.#declared, 0, endStream)) return this.invalid('content-length without content');
    this.endsWithHead = endStream;
    if (endStream) this.#receivedEnd();
    this.#await();
    if (!exchange.responseHead(head, this.#runtime.now) && this.#exchange === exchange) {
      this.#stash = new Stash();
      this.pauseReading();
    }
    if (endStream) this.#end(undefined);
  }

  #responseTrailers(fields: string[], kinds: Uint8Array, endStream: boolean): void {
    if (!endStream) return this.invalid('a second head');
    const wrong = checkTrailerFields(fields, kinds);
    if (wrong !== '') return this.invalid(wrong);
    if (!fitsContentLength(this.#declared, this.#received, true)) return this.invalid('less than content-length');
    this.#receivedEnd();
    this.#end(fields.length === 0 ? undefined : fields.slice());
  }

  /** A piece of DATA, accounted for by the connection. `flow`: octets for the window, padding included. */
  data(chunk: Buffer, start: number, end: number, flow: number, endStream: boolean, source: ChunkSource): void {
    const length = end - start;
    this.#received += length;
    const wrong = this.#wrongData(flow, endStream);
    if (wrong !== '') {
      this.#session.released(flow);
      return this.invalid(wrong);
    }
    if (endStream) this.#receivedEnd();
    this.#await();
    if (length > 0) this.#deliver(chunk, start, end, source);
    if (flow > 0) this.#giveBack(flow);
    if (endStream && this.#exchange !== undefined) this.#end(undefined);
  }

  #wrongData(flow: number, endStream: boolean): string {
    if (flow > 0 && !this.#receiveWindow.receive(flow)) return 'stream window exceeded';
    if (!this.#headSeen) return 'DATA before the head';
    if (this.#bodiless && this.#received > 0) return 'DATA where there is no body';
    return fitsContentLength(this.#declared, this.#received, endStream) ? '' : 'DATA does not fit content-length';
  }

  #deliver(chunk: Buffer, start: number, end: number, source: ChunkSource): void {
    // Bounded by the window, which nothing is given back of meanwhile.
    if (this.#stash !== undefined) return void this.#stash.chunks.push(Buffer.from(chunk.subarray(start, end)));
    const lent = end - start < COPY_BELOW ? copiedChunk : source;
    this.#exchange!.responseBody(chunk, this.#range.of(start, end), lent);
  }

  #giveBack(octets: number): void {
    if (this.#paused) {
      this.#withheld += octets;
      return this.#session.withheld(octets);
    }
    this.#session.released(octets);
    this.#announce(octets);
  }

  #announce(octets: number): void {
    if (!canReceive(this.state)) return;
    const increment = octets === 0 ? 0 : this.#receiveWindow.release(octets);
    if (increment === 0) return;
    this.#session.output.writer.windowUpdate(this.id, increment);
    this.#session.output.touch();
  }

  #receivedEnd(): void {
    this.state = this.state === StreamState.open ? StreamState.halfClosedRemote : StreamState.closed;
  }

  #end(trailers: string[] | undefined): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (this.#stash !== undefined) {
      this.#stash.ended = true;
      this.#stash.trailers = trailers;
      return;
    }
    this.#exchange = undefined;
    // Whoever answers before all of the request is there does not want the rest (RFC 9113 §8.1).
    this.#reset(ErrorCode.CANCEL);
    this.#finish();
    exchange.responseEnd(trailers);
  }

  /** Nothing more came in this read. */
  flushed(): void {
    this.fed = false;
    if (this.#stash === undefined) this.#exchange?.responseFlush();
  }

  proceed(): void {
    const stash = this.#stash;
    if (stash === undefined) return;
    this.#stash = undefined;
    this.resumeReading();
    for (const chunk of stash.chunks) {
      this.#exchange?.responseBody(chunk, this.#range.of(0, chunk.length), ownedChunk);
    }
    if (stash.ended) this.#end(stash.trailers);
    else this.#exchange?.responseFlush();
  }

  pauseReading(): void {
    if (this.#paused || !this.#live) return;
    this.#paused = true;
    this.#runtime.wheel.disarm(this);
  }

  resumeReading(): void {
    if (!this.#paused || this.#stash !== undefined) return;
    this.#paused = false;
    const octets = this.#withheld;
    this.#withheld = 0;
    this.#session.letGo(octets);
    this.#announce(octets);
    this.#await();
  }

  /** WINDOW_UPDATE on this stream. */
  grown(increment: number): void {
    if (!this.sendWindow.grow(increment)) return this.invalid('window too large', ErrorCode.FLOW_CONTROL_ERROR);
    if (this.#queue.length > 0) this.#session.output.pump();
  }

  // ---- The end ----------------------------------------------------------------------------------------------

  abandon(): void {
    this.#exchange = undefined;
    this.#reset(ErrorCode.CANCEL);
    this.#finish();
  }

  /** What came breaks a rule of the message: it costs the stream (RFC 9113 §8.1.1). */
  invalid(detail: string, code: ErrorCode = ErrorCode.PROTOCOL_ERROR): void {
    this.#fail(new ProxyFailure('BACKEND_INVALID', detail), code);
  }

  /** RST_STREAM arrived. */
  resetByPeer(code: number): void {
    this.state = StreamState.resetRemote;
    const detail = `stream reset: ${errorName(code)}`;
    // Nothing of the request was looked at (RFC 9113 §8.7).
    const refused = code === ErrorCode.REFUSED_STREAM && !this.#headSeen;
    this.#fail(new ProxyFailure(refused ? 'BACKEND_REFUSED' : 'BACKEND_INVALID', detail), code);
  }

  /** The connection ends, or will not serve this stream any more. `unprocessed`: GOAWAY promised that it never did. */
  lost(detail: string, unprocessed: boolean): void {
    this.state = StreamState.resetLocal;
    let failure: ProxyFailure;
    if (unprocessed && !this.#headSeen) failure = new MovedAway(detail);
    // After a head the backend has acted on the request: nobody else may.
    else if (this.#headSeen) failure = new ProxyFailure('BACKEND_INVALID', `response cut short: ${detail}`);
    else failure = new ProxyFailure('BACKEND_CLOSED', detail);
    this.#fail(failure, ErrorCode.CANCEL);
  }

  #fail(failure: ProxyFailure, code: number): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#reset(code);
    this.#finish();
    exchange?.backendFailed(failure);
  }

  #reset(code: number): void {
    if (this.id === 0 || isClosed(this.state)) return;
    this.#session.output.writer.rstStream(this.id, code);
    this.#session.output.touch();
    this.state = StreamState.resetLocal;
  }

  /** Gives the stream's place in the session back. */
  #finish(): void {
    if (!this.#live) return;
    this.#live = false;
    this.#runtime.wheel.remove(this);
    this.#queue.clear();
    this.#stash = undefined;
    this.#paused = false;
    const octets = this.#withheld;
    this.#withheld = 0;
    this.#session.letGo(octets);
    this.#session.finished(this);
  }
}
