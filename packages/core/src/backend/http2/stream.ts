import {
  ErrorCode,
  ReceiveWindow,
  StreamState,
  canReceive,
  checkResponseFields,
  checkTrailerFields,
  errorName,
  fitsContentLength,
  isClosed,
} from '@rp/parser';
import { SingleRange } from '../../downstream.ts';
import { MovedAway, ProxyFailure } from '../../failure.ts';
import { STREAM_WINDOW } from '../../http2/bounds.ts';
import { ownedChunk, type ChunkSource } from '../../read-buffers.ts';
import { informationalLimit } from '../reuse.ts';
import type { BackendStream } from '../stream.ts';
import { COPY_BELOW } from './bounds.ts';
import { isBodiless, responseHeadOf } from './response-head.ts';
import { StreamUpgrade } from './stream-upgrade.ts';

/** For small pieces: whoever must keep one copies it, in place of the whole buffer that it was read into. */
const copiedChunk: ChunkSource = { shared: true, room: undefined, lend: () => undefined };

/** What came while a hook looked at the head. */
class Stash {
  readonly chunks: Buffer[] = [];
  ended = false;
  trailers: string[] | undefined = undefined;
}

/** One stream to a backend: one request and its response. */
export class Http2BackendStream extends StreamUpgrade implements BackendStream {
  readonly #receiveWindow: ReceiveWindow = new ReceiveWindow(STREAM_WINDOW);
  readonly #range: SingleRange = new SingleRange();

  readonly mayRefuse = true;
  #live = true;

  #headSeen = false;
  #bodiless = false;
  #declared = -1;
  #received = 0;
  #informational = 0;
  endsWithHead = false;
  /** Octets that the backend does not get back as long as the client is slow. */
  #withheld = 0;
  #stash: Stash | undefined = undefined;
  /** Something was handed on in this read. */
  fed = false;

  protected override open(): void {
    this.session.opened(this);
  }

  override expired(): void {
    const { response } = this.runtime.settings.timeouts;
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
    const exchange = this.exchange!;
    const head = responseHeadOf(fields, response, this.method, endStream);
    if (head.ids.length > this.runtime.settings.limits.headerCount) return this.invalid('too many fields');
    if (status < 200) {
      if (endStream) return this.invalid('an informational response that ends the stream');
      if (++this.#informational > informationalLimit) {
        return this.invalid(`more than ${informationalLimit} informational responses`);
      }
      if (status === 100) this.expecting = false;
      this.awaitBackend();
      return exchange.informational(head);
    }
    this.#headSeen = true;
    this.expecting = false;
    if (this.upgrading) {
      this.upgrading = false;
      if (status < 300) {
        if (endStream) this.#receivedEnd();
        return this.switchProtocols(head, endStream);
      }
    }
    this.#bodiless = isBodiless(status, this.method);
    this.#declared = this.#bodiless ? -1 : response.contentLength;
    if (!fitsContentLength(this.#declared, 0, endStream))
      return this.invalid('content-length without content');
    this.endsWithHead = endStream;
    if (endStream) this.#receivedEnd();
    this.awaitBackend();
    if (!exchange.responseHead(head, this.runtime.now) && this.exchange === exchange) {
      this.#stash = new Stash();
      this.pauseReading();
    }
    if (endStream) this.#end(undefined);
  }

  #responseTrailers(fields: string[], kinds: Uint8Array, endStream: boolean): void {
    if (this.tunnel !== undefined) return this.invalid('HEADERS in a tunnel');
    if (!endStream) return this.invalid('a second head');
    const wrong = checkTrailerFields(fields, kinds);
    if (wrong !== '') return this.invalid(wrong);
    if (!fitsContentLength(this.#declared, this.#received, true))
      return this.invalid('less than content-length');
    this.#receivedEnd();
    this.#end(fields.length === 0 ? undefined : fields.slice());
  }

  /** A piece of DATA, accounted for by the connection. `flow`: octets for the window, padding included. */
  data(
    chunk: Buffer,
    start: number,
    end: number,
    flow: number,
    endStream: boolean,
    source: ChunkSource,
  ): void {
    const length = end - start;
    this.#received += length;
    const wrong = this.#wrongData(flow, endStream);
    if (wrong !== '') {
      this.session.released(flow);
      return this.invalid(wrong);
    }
    if (endStream) this.#receivedEnd();
    this.awaitBackend();
    if (length > 0) this.#deliver(chunk, start, end, source);
    if (flow > 0) this.#giveBack(flow);
    if (!endStream) return;
    if (this.tunnel !== undefined) this.tunnel.backendEnded();
    else if (this.exchange !== undefined) this.#end(undefined);
  }

  #wrongData(flow: number, endStream: boolean): string {
    if (flow > 0 && !this.#receiveWindow.receive(flow)) return 'stream window exceeded';
    if (!this.#headSeen) return 'DATA before the head';
    if (this.#bodiless && this.#received > 0) return 'DATA where there is no body';
    return fitsContentLength(this.#declared, this.#received, endStream)
      ? ''
      : 'DATA does not fit content-length';
  }

  #deliver(chunk: Buffer, start: number, end: number, source: ChunkSource): void {
    // Bounded by the window, which nothing is given back of meanwhile.
    if (this.#stash !== undefined)
      return void this.#stash.chunks.push(Buffer.from(chunk.subarray(start, end)));
    const lent = end - start < COPY_BELOW ? copiedChunk : source;
    if (this.tunnel !== undefined)
      return this.tunnel.fromBackend(chunk.subarray(start, end), end - start, lent);
    this.exchange?.responseBody(chunk, this.#range.of(start, end), lent);
  }

  #giveBack(octets: number): void {
    if (this.paused) {
      this.#withheld += octets;
      return this.session.withheld(octets);
    }
    this.session.released(octets);
    this.#announce(octets);
  }

  #announce(octets: number): void {
    if (!canReceive(this.state)) return;
    const increment = octets === 0 ? 0 : this.#receiveWindow.release(octets);
    if (increment === 0) return;
    this.session.output.writer.windowUpdate(this.id, increment);
    this.session.output.touch();
  }

  #receivedEnd(): void {
    this.state = this.state === StreamState.open ? StreamState.halfClosedRemote : StreamState.closed;
  }

  #end(trailers: string[] | undefined): void {
    const exchange = this.exchange;
    if (exchange === undefined) return;
    if (this.#stash !== undefined) {
      this.#stash.ended = true;
      this.#stash.trailers = trailers;
      return;
    }
    this.exchange = undefined;
    // Whoever answers before all of the request is there does not want the rest (RFC 9113 §8.1).
    this.#reset(ErrorCode.CANCEL);
    this.#finish();
    exchange.responseEnd(trailers);
  }

  /** Nothing more came in this read. */
  flushed(): void {
    this.fed = false;
    if (this.#stash === undefined) this.exchange?.responseFlush();
  }

  proceed(): void {
    const stash = this.#stash;
    if (stash === undefined) return;
    this.#stash = undefined;
    this.resumeReading();
    for (const chunk of stash.chunks) {
      this.exchange?.responseBody(chunk, this.#range.of(0, chunk.length), ownedChunk);
    }
    if (stash.ended) this.#end(stash.trailers);
    else this.exchange?.responseFlush();
  }

  override pauseReading(): void {
    if (this.paused || !this.#live) return;
    this.paused = true;
    this.runtime.wheel.disarm(this);
  }

  override resumeReading(): void {
    if (!this.paused || this.#stash !== undefined) return;
    this.paused = false;
    const octets = this.#withheld;
    this.#withheld = 0;
    this.session.letGo(octets);
    this.#announce(octets);
    this.awaitBackend();
  }

  /** WINDOW_UPDATE on this stream. */
  grown(increment: number): void {
    if (!this.sendWindow.grow(increment))
      return this.invalid('window too large', ErrorCode.FLOW_CONTROL_ERROR);
    if (this.queue.length > 0) this.session.output.pump();
  }

  // ---- The end ----------------------------------------------------------------------------------------------

  abandon(): void {
    this.exchange = undefined;
    this.reset(ErrorCode.CANCEL);
  }

  override reset(code: ErrorCode): void {
    this.#reset(code);
    this.#finish();
  }

  /** What came breaks a rule of the message: it costs the stream (RFC 9113 §8.1.1). */
  override invalid(detail: string, code: ErrorCode = ErrorCode.PROTOCOL_ERROR): void {
    this.#fail(new ProxyFailure('BACKEND_INVALID', detail), code);
  }

  /** RST_STREAM arrived. */
  resetByPeer(code: number): void {
    this.state = StreamState.resetRemote;
    // Servers of Node.js that leave a request unread reset its stream when they have answered, and the reset overtakes
    // the frame that ends the response. Where a length was told, it decides.
    if (
      code === ErrorCode.NO_ERROR &&
      this.exchange !== undefined &&
      this.#headSeen &&
      fitsContentLength(this.#declared, this.#received, true)
    ) {
      return this.#end(undefined);
    }
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
    const exchange = this.exchange;
    this.exchange = undefined;
    this.#reset(code);
    this.#finish();
    exchange?.backendFailed(failure);
  }

  #reset(code: number): void {
    if (this.id === 0 || isClosed(this.state)) return;
    this.session.output.writer.rstStream(this.id, code);
    this.session.output.touch();
    this.state = StreamState.resetLocal;
  }

  /** Gives the stream's place in the session back. */
  #finish(): void {
    if (!this.#live) return;
    this.#live = false;
    this.runtime.wheel.remove(this);
    this.queue.clear();
    this.#stash = undefined;
    this.paused = false;
    const octets = this.#withheld;
    this.#withheld = 0;
    this.session.letGo(octets);
    this.session.finished(this);
    this.tunnelGone();
  }
}
