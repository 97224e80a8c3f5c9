import { BodyFraming, type RequestHead, type ResponseHead } from '@rp/parser';
import { ConnectionState } from '../connection-state.ts';
import type { BodyView } from '../downstream.ts';
import type { Exchange } from '../exchange.ts';
import type { ExchangeOutcome } from '../exchange-outcome.ts';
import { ProxyFailure } from '../failure.ts';
import { ownedChunk, type ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Tunnel, type TunnelEnd } from '../tunnel.ts';
import { MAX_UNSENT } from './bounds.ts';
import type { ExchangePool } from './exchange-pool.ts';
import { isAskedFor } from './asked-upgrade.ts';
import type { ClientConnection } from '../listener.ts';
import { Http1Life } from './http1-life.ts';
import { Http1Response, type ResponseTurn } from './http1-response.ts';
import type { ClientPeer } from './peer.ts';
import { refusedRequest } from './refused-request.ts';
import { RequestReader, type RequestSink } from './request-reader.ts';

const { idle, readingRequest, forwarding, readingResponse, writingResponse, tunnelling, closing } =
  ConnectionState;

/**
 * One HTTP/1 client connection: reads one request after the other and hands each to its exchange, which answers
 * through an `Http1Response`. The state machine has the only say on what happens next.
 */
export class Http1Connection extends Http1Life implements RequestSink, ResponseTurn, TunnelEnd {
  readonly #reader: RequestReader;
  protected readonly response: Http1Response;
  readonly #exchanges: ExchangePool;
  /** Of the current request. */
  #exchange: Exchange | undefined = undefined;
  #tunnel: Tunnel | undefined = undefined;

  request: RequestHead | undefined = undefined;
  /** Version of a request that could not be read. */
  #refusedVersion = '';
  /** Monotonic milliseconds when the head that is being read began. */
  #headSince = 0;
  #keepAlive = true;

  constructor(
    runtime: Runtime,
    peer: ClientPeer,
    exchanges: ExchangePool,
    onClose: (connection: ClientConnection) => void,
  ) {
    super(runtime, onClose);
    this.#exchanges = exchanges;
    this.#reader = new RequestReader(this, runtime.settings.limits);
    this.response = new Http1Response(runtime, peer, this);
  }

  /** An exchange whose client this still is: one that others read along with goes on alone when the client leaves. */
  get #exchanging(): boolean {
    return this.#exchange?.active === true && this.state.current !== closing;
  }

  // ---- Requests ---------------------------------------------------------------------------------------------

  protected override received(chunk: Buffer, length: number, source: ChunkSource): void {
    if (this.#tunnel !== undefined) this.#tunnel.fromClient(chunk, length, source);
    else this.#reader.read(chunk, length, source);
  }

  get readiness(): 'read' | 'wait' | 'drop' {
    if (this.state.current === closing) return 'drop';
    return this.requestRead && (this.#exchange?.active === true || this.#behind) ? 'wait' : 'read';
  }

  /** The client asks faster than it reads: its next requests wait, or their responses would pile up in memory. */
  get #behind(): boolean {
    return this.socket.writableLength > MAX_UNSENT;
  }

  get parsing(): boolean {
    return this.#reader.parsing;
  }

  readingPauses(): void {
    const state = this.state.current;
    if (this.#exchanging) {
      if (!this.requestRead) {
        if (this.halfClosed) return this.gone('end of stream within a request');
        this.streaming(true);
      }
      this.#exchange!.flushRequest();
    } else if (state === writingResponse) {
      // Answered before the request was read: what follows cannot be told from a next request (RFC 9112 §9.3).
      if (!this.requestRead) this.close();
    } else if (this.halfClosed) {
      if (state !== closing && !this.#waitsForDrain) this.close();
    } else if (state === idle && !this.#reader.idle) {
      this.state.go(readingRequest);
      this.#headSince = this.runtime.now;
      this.deadline.head();
    }
  }

  requestHead(head: RequestHead): void {
    if (this.state.current === idle) this.state.go(readingRequest);
    this.state.go(forwarding);
    this.request = head;
    this.requestRead = false;
    this.#keepAlive = head.keepAlive;
    // A client that expects a 100 waits for the backend, so its body is not late before that came.
    if (head.framing === BodyFraming.none || head.expectContinue) this.#waitForResponse();
    else this.deadline.body();
    this.#exchange ??= this.#exchanges.take(this.response);
    this.#exchange.start(head, this.runtime.now);
  }

  requestBody(chunk: Buffer, view: BodyView, source: ChunkSource): void {
    if (this.deadline.progress(view.bodyLength)) this.continued();
    this.#exchange!.requestBody(chunk, view, source);
  }

  requestEnd(trailers: string[] | undefined): void {
    this.requestRead = true;
    this.streaming(false);
    if (this.deadline.awaitsBody) this.#waitForResponse();
    // Nothing more has to be held back; and only a socket that is read tells that its client has left.
    this.resumeRequest();
    if (this.#exchange?.active === true) {
      if (this.state.current === forwarding) this.state.go(readingResponse);
      this.#exchange.requestEnd(trailers);
    } else if (this.state.current === writingResponse) {
      this.#next();
    }
  }

  backlogFull(): void {
    this.pauseRequest();
  }

  /** A request that cannot be understood: what follows it cannot be either. */
  requestRefused(failure: ProxyFailure, begun: string): void {
    const exchange = (this.#exchange ??= this.#exchanges.take(this.response));
    if (exchange.active) return exchange.fail(failure);
    // The rest of a request that is answered already.
    if (this.state.current === writingResponse) return;
    let since = this.#headSince;
    if (this.state.current === idle) {
      this.state.go(readingRequest);
      since = this.runtime.now;
    }
    this.requestRead = false;
    const { head, version } = refusedRequest(begun);
    this.#refusedVersion = version;
    exchange.refuse(head, failure, since);
    const { code, detail } = failure;
    const { requestId } = exchange;
    this.runtime.log.info({ client: this.address, requestId, code, detail }, 'a request was refused');
    this.close();
  }

  get version(): string {
    const { request } = this;
    if (request === undefined) return this.#refusedVersion;
    return request.minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  // ---- From one exchange to the next -------------------------------------------------------------------------

  get beginning(): boolean {
    return this.state.current !== writingResponse;
  }

  beginResponse(): void {
    if (this.state.current !== writingResponse) this.state.go(writingResponse);
  }

  keepsAlive(wanted: boolean): boolean {
    if (!wanted || this.#isLast() || !this.#willBeRead()) this.#keepAlive = false;
    return this.#keepAlive;
  }

  /** No request is taken after this one: the client or we are about to leave. What was sent already is served. */
  #isLast(): boolean {
    return (this.halfClosed || this.runtime.draining) && !this.#reader.hasMore;
  }

  /** Whether the rest of the request is at hand, so that the connection can go on after an early answer. */
  #willBeRead(): boolean {
    if (this.requestRead) return true;
    const head = this.request;
    if (head === undefined || !this.parsing) return false;
    if (head.framing === BodyFraming.none) return true;
    return head.framing === BodyFraming.length && head.contentLength <= this.#reader.unparsed;
  }

  exchangeDone(outcome: ExchangeOutcome): void {
    if (outcome === 'clientGone') return this.abort();
    if (this.state.current === closing || this.#tunnel !== undefined) return;
    // The rest of this chunk may hold the rest of the request: decided when it has been parsed.
    if (!this.requestRead && this.parsing) return;
    if (this.requestRead) this.#next();
    else this.close();
  }

  #next(): void {
    if (!this.#keepAlive || this.#isLast()) return this.close();
    this.state.go(idle);
    this.request = undefined;
    this.#releaseExchange();
    // A client that is behind is not idle; that it takes nothing is noticed elsewhere.
    if (this.#behind) return this.deadline.nothing();
    this.#goOn();
  }

  #releaseExchange(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange !== undefined) this.#exchanges.give(exchange);
  }

  #goOn(): void {
    if (this.state.current === idle) this.deadline.idle(this.runtime.settings.timeouts.idle);
    this.resumeRequest();
    this.#reader.resume();
  }

  /** Requests are there that are taken when the client has read the responses before them. */
  get #waitsForDrain(): boolean {
    return this.#behind && this.#reader.hasMore;
  }

  // ---- Tunnels ------------------------------------------------------------------------------------------------

  mayTunnel(head: ResponseHead): boolean {
    return this.state.current === readingResponse && isAskedFor(head.upgrade, this.request!.upgrade);
  }

  openTunnel(backend: TunnelEnd): Tunnel {
    this.state.go(tunnelling);
    this.deadline.nothing();
    const tunnel = new Tunnel(this.runtime, this, backend);
    this.#tunnel = tunnel;
    this.streaming(true);
    this.resumeRequest();
    const early = this.#reader.takeBacklog();
    if (early !== undefined) tunnel.fromClient(early, early.length, ownedChunk);
    if (this.halfClosed) tunnel.clientEnded();
    return tunnel;
  }

  // ---- The end -------------------------------------------------------------------------------------------------

  /** Ends now, whatever is under way. */
  terminate(failure: ProxyFailure): void {
    if (this.#exchanging) this.#exchange!.clientGone(failure);
    else this.abort();
  }

  writeStalled(): void {
    const failure = new ProxyFailure('CLIENT_STALLED', 'nothing of the response was taken');
    this.runtime.counters.failed(failure.code);
    this.terminate(failure);
  }

  override headLate(): void {
    const failure = new ProxyFailure('REQUEST_TIMEOUT', 'head not complete in time');
    this.requestRefused(failure, this.#reader.begun);
  }

  override bodyLate(): void {
    this.#exchange!.fail(new ProxyFailure('REQUEST_TIMEOUT', 'body stalled'));
  }

  /** The client's end of stream. It may have gone, or only have nothing more to say. */
  protected override ended(): void {
    if (this.#tunnel !== undefined) return this.#tunnel.clientEnded();
    if (this.#exchange?.active !== true) return this.#waitsForDrain ? undefined : this.close();
    if (!this.requestRead) return this.gone('end of stream within a request');
    this.#waitForResponse();
  }

  #waitForResponse(): void {
    if (this.halfClosed) this.deadline.gone(this.#exchange?.bytesOut ?? 0);
    else this.deadline.nothing();
  }

  /**
   * A client that half-closed and waits for its answer cannot be told from one that closed until something is written
   * to it: what closed answers with a reset, which the write after that one brings to light. Who is still there is
   * asked again, ever less often. Where nothing can be written, no progress means gone.
   */
  override perhapsGone(): void {
    if (!this.#exchanging) return;
    const written = this.deadline.tookSomething(this.#exchange!.bytesOut) || this.socket.writableLength > 0;
    if (written) return this.#waitForResponse();
    if (!this.deadline.lookAgain(this.response.probe())) this.gone('end of stream');
  }

  protected override gone(detail: string, cause?: Error): void {
    if (this.#exchanging) this.#exchange!.clientGone(new ProxyFailure('CLIENT_GONE', detail, cause));
  }

  protected override drained(): void {
    this.response.drained();
    if (this.#tunnel !== undefined) this.#tunnel.clientDrained();
    else if (this.#exchange?.active === true) this.#exchange.clientDrained();
    else if (this.state.current !== closing && this.requestRead) this.#goOn();
  }

  protected override closed(): void {
    try {
      this.#tunnel?.clientClosed();
      this.gone('connection closed');
    } finally {
      this.#reader.close();
      this.#releaseExchange();
    }
  }
}
