import { BodyFraming, type RequestHead, type ResponseHead } from '@rp/parser';
import type { Socket } from 'node:net';
import { answerFor } from '../answers.ts';
import type { ReadableClient } from '../client-socket.ts';
import { ConnectionState, ConnectionStateMachine } from '../connection-state.ts';
import type { BodyView } from '../downstream.ts';
import { Exchange } from '../exchange.ts';
import type { ExchangeOutcome } from '../exchange-outcome.ts';
import { ProxyFailure } from '../failure.ts';
import { ownedChunk, type ChunkSource, type SwitchingBuffer } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';
import { Tunnel, type TunnelEnd } from '../tunnel.ts';
import { BODY_PROGRESS, GONE_GRACE, MAX_UNSENT } from './bounds.ts';
import { Http1Response, type ResponseTurn } from './http1-response.ts';
import { LingeringClose } from './lingering-close.ts';
import type { ClientPeer } from './peer.ts';
import { RequestReader, type RequestSink } from './request-reader.ts';

const { idle, readingRequest, forwarding, readingResponse, writingResponse, tunnelling, closing } =
  ConnectionState;

/** What the connection's one timer is waiting for. */
type Waiting = 'nothing' | 'head' | 'body' | 'idle' | 'gone';

/**
 * One HTTP/1 client connection: reads one request after the other and hands each to its exchange, which answers
 * through an `Http1Response`. The state machine has the only say on what happens next.
 */
export class Http1Connection extends Timer implements RequestSink, ResponseTurn, TunnelEnd {
  readonly #runtime: Runtime;
  readonly #state: ConnectionStateMachine;
  readonly #reader: RequestReader;
  readonly #response: Http1Response;
  readonly #exchange: Exchange;
  readonly #onClose: (connection: Http1Connection) => void;
  #socket: Socket = undefined as unknown as Socket;
  #buffer: SwitchingBuffer | undefined = undefined;
  #tunnel: Tunnel | undefined = undefined;
  #linger: LingeringClose | undefined = undefined;

  #waiting: Waiting = 'nothing';
  request: RequestHead | undefined = undefined;
  /** Everything of the current request was read. */
  #requestRead = true;
  #keepAlive = true;
  #readingPaused = false;
  #halfClosed = false;
  #bodyCredit = 0;
  /** Bytes of the response at the last look at a half-closed client. */
  #goneMark = 0;

  constructor(runtime: Runtime, peer: ClientPeer, onClose: (connection: Http1Connection) => void) {
    super();
    this.#runtime = runtime;
    this.#onClose = onClose;
    this.#state = new ConnectionStateMachine(runtime.counters);
    this.#reader = new RequestReader(this, runtime.settings.limits);
    this.#response = new Http1Response(runtime, peer, this);
    this.#exchange = new Exchange(runtime, this.#response);
  }

  /** The socket to write to, once reading is set up on it. */
  open(client: ReadableClient): void {
    this.#runtime.touch();
    const { socket } = client;
    this.#socket = socket;
    this.#buffer = client.buffer;
    this.#response.open(socket);
    socket.on('error', (error) => this.#contained('error', error));
    socket.on('end', () => this.#contained('end'));
    socket.on('drain', () => this.#contained('drain'));
    socket.on('close', () => this.#contained('close'));
    this.#wait('idle', this.#runtime.settings.timeouts.header);
  }

  get socket(): Socket {
    return this.#socket;
  }

  get address(): string {
    return this.#response.address;
  }

  get isIdle(): boolean {
    return this.#state.current === idle;
  }

  /** An exchange whose client this still is: one that others read along with goes on alone when the client leaves. */
  get #exchanging(): boolean {
    return this.#exchange.active && this.#state.current !== closing;
  }

  #contained(event: 'error' | 'end' | 'drain' | 'close', cause?: Error): void {
    try {
      if (event === 'drain') this.#drained();
      else if (event === 'end') this.#ended();
      else if (event === 'close') this.#closed();
      else this.#gone(cause!.message, cause);
    } catch (error) {
      this.#runtime.internalError(error, this.#socket);
    }
  }

  // ---- Requests ---------------------------------------------------------------------------------------------

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    this.#runtime.touch();
    try {
      if (this.#tunnel !== undefined) this.#tunnel.fromClient(chunk, length, source);
      else if (this.#linger !== undefined) this.#linger.discard(length);
      else this.#reader.read(chunk, length, source);
    } catch (error) {
      this.#runtime.internalError(error, this.#socket);
    }
  }

  get readiness(): 'read' | 'wait' | 'drop' {
    if (this.#state.current === closing) return 'drop';
    return this.#requestRead && (this.#exchange.active || this.#behind) ? 'wait' : 'read';
  }

  /** The client asks faster than it reads: its next requests wait, or their responses would pile up in memory. */
  get #behind(): boolean {
    return this.#socket.writableLength > MAX_UNSENT;
  }

  get parsing(): boolean {
    return this.#reader.parsing;
  }

  readingPauses(): void {
    const state = this.#state.current;
    if (this.#exchanging) {
      if (!this.#requestRead) {
        if (this.#halfClosed) return this.#gone('end of stream within a request');
        this.#buffer?.streaming(true);
      }
      this.#exchange.flushRequest();
    } else if (state === writingResponse) {
      // Answered before the request was read: what follows cannot be told from a next request (RFC 9112 §9.3).
      if (!this.#requestRead) this.#close();
    } else if (this.#halfClosed) {
      if (state !== closing && !this.#waitsForDrain) this.#close();
    } else if (state === idle && !this.#reader.idle) {
      this.#state.go(readingRequest);
      this.#wait('head', this.#runtime.settings.timeouts.header);
    }
  }

  requestHead(head: RequestHead): void {
    if (this.#state.current === idle) this.#state.go(readingRequest);
    this.#state.go(forwarding);
    this.request = head;
    this.#requestRead = false;
    this.#keepAlive = head.keepAlive;
    this.#bodyCredit = 0;
    // A client that expects a 100 waits for the backend, so its body is not late before that came.
    if (head.framing === BodyFraming.none || head.expectContinue) this.#waitForResponse();
    else this.#wait('body', this.#runtime.settings.timeouts.body);
    this.#exchange.start(head, this.#runtime.now);
  }

  requestBody(chunk: Buffer, view: BodyView, source: ChunkSource): void {
    this.#bodyCredit += view.bodyLength;
    if (this.#bodyCredit >= BODY_PROGRESS) {
      this.#bodyCredit = 0;
      this.continued();
    }
    this.#exchange.requestBody(chunk, view, source);
  }

  requestEnd(trailers: string[] | undefined): void {
    this.#requestRead = true;
    this.#buffer?.streaming(false);
    if (this.#waiting === 'body') this.#waitForResponse();
    // Nothing more has to be held back; and only a socket that is read tells that its client has left.
    this.resumeRequest();
    if (this.#exchange.active) {
      if (this.#state.current === forwarding) this.#state.go(readingResponse);
      this.#exchange.requestEnd(trailers);
    } else if (this.#state.current === writingResponse) {
      this.#next();
    }
  }

  backlogFull(): void {
    this.pauseRequest();
  }

  /** A request that cannot be understood: what follows it cannot be either. */
  requestRefused(failure: ProxyFailure): void {
    if (this.#exchange.active) return this.#exchange.fail(failure);
    // The rest of a request that is answered already.
    if (this.#state.current === writingResponse) return;
    if (this.#state.current === idle) this.#state.go(readingRequest);
    this.#requestRead = false;
    const { counters, log, newRequestId } = this.#runtime;
    const requestId = newRequestId();
    counters.failed(failure.code);
    log.info(
      { client: this.address, requestId, code: failure.code, detail: failure.detail },
      'a request was refused',
    );
    this.#response.sendAnswer(answerFor(failure, requestId, undefined), true);
    this.#close();
  }

  /** The body makes progress, or is due from now on. */
  continued(): void {
    const due = this.#waiting === 'body' || (this.#waiting === 'nothing' && !this.#readingPaused);
    if (due && !this.#requestRead) this.#wait('body', this.#runtime.settings.timeouts.body);
  }

  pauseRequest(): void {
    if (this.#readingPaused) return;
    this.#readingPaused = true;
    this.#socket.pause();
    // While the backend is the slow one, the client is not to blame.
    if (this.#waiting === 'body') this.#wait('nothing', Infinity);
  }

  resumeRequest(): void {
    if (!this.#readingPaused) return;
    this.#readingPaused = false;
    this.#socket.resume();
    this.continued();
  }

  // ---- From one exchange to the next -------------------------------------------------------------------------

  beginResponse(): void {
    if (this.#state.current !== writingResponse) this.#state.go(writingResponse);
  }

  keepsAlive(wanted: boolean): boolean {
    if (!wanted || this.#isLast() || !this.#willBeRead()) this.#keepAlive = false;
    return this.#keepAlive;
  }

  /** No request is taken after this one: the client or we are about to leave. What was sent already is served. */
  #isLast(): boolean {
    return (this.#halfClosed || this.#runtime.draining) && !this.#reader.hasMore;
  }

  /** Whether the rest of the request is at hand, so that the connection can go on after an early answer. */
  #willBeRead(): boolean {
    if (this.#requestRead) return true;
    const head = this.request;
    if (head === undefined || !this.parsing) return false;
    if (head.framing === BodyFraming.none) return true;
    return head.framing === BodyFraming.length && head.contentLength <= this.#reader.unparsed;
  }

  exchangeDone(outcome: ExchangeOutcome): void {
    if (outcome === 'clientGone') return this.#abort();
    if (this.#state.current === closing || this.#tunnel !== undefined) return;
    // The rest of this chunk may hold the rest of the request: decided when it has been parsed.
    if (!this.#requestRead && this.parsing) return;
    if (this.#requestRead) this.#next();
    else this.#close();
  }

  #next(): void {
    if (!this.#keepAlive || this.#isLast()) return this.#close();
    this.#state.go(idle);
    this.request = undefined;
    // A client that is behind is not idle; that it takes nothing is noticed elsewhere.
    if (this.#behind) return this.#wait('nothing', Infinity);
    this.#goOn();
  }

  #goOn(): void {
    if (this.#state.current === idle) this.#wait('idle', this.#runtime.settings.timeouts.idle);
    this.resumeRequest();
    this.#reader.resume();
  }

  /** Requests are there that are taken when the client has read the responses before them. */
  get #waitsForDrain(): boolean {
    return this.#behind && this.#reader.hasMore;
  }

  // ---- Tunnels ------------------------------------------------------------------------------------------------

  mayTunnel(head: ResponseHead): boolean {
    return this.#state.current === readingResponse && this.request!.upgrade !== '' && head.upgrade !== '';
  }

  openTunnel(backend: TunnelEnd): Tunnel {
    this.#state.go(tunnelling);
    this.#wait('nothing', Infinity);
    const tunnel = new Tunnel(this.#runtime, this, backend);
    this.#tunnel = tunnel;
    this.#buffer?.streaming(true);
    this.resumeRequest();
    const early = this.#reader.takeBacklog();
    if (early !== undefined) tunnel.fromClient(early, early.length, ownedChunk);
    if (this.#halfClosed) tunnel.clientEnded();
    return tunnel;
  }

  pauseReading(): void {
    this.pauseRequest();
  }

  resumeReading(): void {
    this.resumeRequest();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // ---- The end -------------------------------------------------------------------------------------------------

  /** Shutting down: an idle connection ends after a moment in which a request under way still arrives. */
  drain(grace: number): void {
    if (this.#state.current === idle) this.#wait('idle', grace);
  }

  /** Ends now, whatever is under way. */
  terminate(failure: ProxyFailure): void {
    if (this.#exchanging) this.#exchange.clientGone(failure);
    else this.#abort();
  }

  cutOff(failure: ProxyFailure, reset: boolean): void {
    this.#runtime.log.info({ client: this.address, code: failure.code }, 'a response was cut');
    this.#state.go(closing);
    // What TLS ends without its own goodbye is known to be cut (RFC 8446 §6.1), and it knows no reset.
    if (reset && !this.#response.secure) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  writeStalled(): void {
    const failure = new ProxyFailure('CLIENT_STALLED', 'nothing of the response was taken');
    this.#runtime.counters.failed(failure.code);
    this.terminate(failure);
  }

  #abort(): void {
    if (this.#state.current !== closing) this.#state.go(closing);
    this.#socket.destroy();
  }

  override expired(): void {
    switch (this.#waiting) {
      case 'head':
        return this.requestRefused(new ProxyFailure('REQUEST_TIMEOUT', 'head not complete in time'));
      case 'body':
        return this.#exchange.fail(new ProxyFailure('REQUEST_TIMEOUT', 'body stalled'));
      case 'gone':
        return this.#goneAfterHalfClose();
      case 'idle':
        return this.#close();
      case 'nothing':
    }
  }

  #close(): void {
    if (this.#state.current === closing) return;
    this.#state.go(closing);
    this.#response.writeNow();
    this.#wait('nothing', Infinity);
    this.#linger = new LingeringClose(this.#runtime, this.#socket);
  }

  /** The client's end of stream. It may have gone, or only have nothing more to say. */
  #ended(): void {
    this.#runtime.touch();
    this.#halfClosed = true;
    if (this.#tunnel !== undefined) return this.#tunnel.clientEnded();
    if (this.#state.current === closing) return this.#socket.destroySoon();
    if (!this.#exchange.active) return this.#waitsForDrain ? undefined : this.#close();
    if (!this.#requestRead) return this.#gone('end of stream within a request');
    this.#waitForResponse();
  }

  #waitForResponse(): void {
    this.#goneMark = this.#exchange.bytesOut;
    if (this.#halfClosed) this.#wait('gone', GONE_GRACE);
    else this.#wait('nothing', Infinity);
  }

  /**
   * A client that half-closed and waits for its answer cannot be told from one that is gone until something is
   * written to it. It gets its answer as long as that makes progress; otherwise the backend's work is cancelled.
   */
  #goneAfterHalfClose(): void {
    if (!this.#exchanging) return;
    if (this.#exchange.bytesOut > this.#goneMark) return this.#waitForResponse();
    this.#gone('end of stream');
  }

  #gone(detail: string, cause?: Error): void {
    if (this.#exchanging) this.#exchange.clientGone(new ProxyFailure('CLIENT_GONE', detail, cause));
  }

  #drained(): void {
    this.#runtime.touch();
    this.#response.drained();
    if (this.#tunnel !== undefined) this.#tunnel.clientDrained();
    else if (this.#exchange.active) this.#exchange.clientDrained();
    else if (this.#state.current !== closing && this.#requestRead) this.#goOn();
  }

  #closed(): void {
    this.#runtime.touch();
    try {
      this.#tunnel?.clientClosed();
      this.#gone('connection closed');
    } finally {
      this.#runtime.wheel.remove(this);
      this.#response.close();
      this.#linger?.close();
      this.#reader.close();
      this.#buffer?.free();
      this.#state.gone();
      this.#onClose(this);
    }
  }

  #wait(what: Waiting, delay: number): void {
    this.#waiting = what;
    this.#runtime.wheel.arm(this, delay, this.#runtime.now);
  }
}
