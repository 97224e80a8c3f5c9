import {
  BodyFraming,
  ParserEvent,
  RequestParser,
  encodeTrailers,
  forwardResponseHead,
  type ForwardRequest,
  type RequestHead,
  type ResponseHead,
} from '@rp/parser';
import type { Socket } from 'node:net';
import { answerFor, type LocalAnswer } from '../answers.ts';
import { writeBody } from '../body-writer.ts';
import type { StoredAnswer } from '../cache-contract.ts';
import type { ReadableClient } from '../client-socket.ts';
import { ConnectionState, ConnectionStateMachine } from '../connection-state.ts';
import type { BodyView, Downstream } from '../downstream.ts';
import { Exchange } from '../exchange.ts';
import type { ExchangeOutcome } from '../exchange-outcome.ts';
import { ProxyFailure, requestFailure } from '../failure.ts';
import { ownedChunk, type ChunkSource, type SwitchingBuffer } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';
import { Tunnel, type TunnelEnd } from '../tunnel.ts';
import { serializeAnswer } from './answer-writer.ts';
import { BODY_PROGRESS, GONE_GRACE, LINGER, MAX_BACKLOG, MAX_LINGER_BYTES } from './bounds.ts';
import type { ClientPeer } from './peer.ts';
import { connectionLine, writeStored } from './stored-writer.ts';
import { responseFraming } from './response-framing.ts';
import { WriteWatch } from './write-watch.ts';

/** What the connection's one timer is waiting for. */
type Waiting = 'nothing' | 'head' | 'body' | 'idle' | 'linger' | 'gone';

/**
 * One HTTP/1 client connection: reads one request after the other, hands each to its exchange, and writes the
 * response. The state machine has the only say on what happens next.
 */
export class Http1Connection extends Timer implements Downstream, TunnelEnd {
  readonly #runtime: Runtime;
  readonly #peer: ClientPeer;
  readonly #state: ConnectionStateMachine;
  readonly #parser: RequestParser;
  readonly #exchange: Exchange;
  readonly #writes: WriteWatch;
  readonly #onClose: (connection: Http1Connection) => void;
  #socket: Socket = undefined as unknown as Socket;
  #buffer: SwitchingBuffer | undefined = undefined;

  #waiting: Waiting = 'nothing';
  #request: RequestHead | undefined = undefined;
  /** Everything of the current request was read. */
  #requestRead = true;
  /** Bytes of the current chunk that are not parsed yet, while it is parsed. */
  #unparsed = 0;
  #keepAlive = true;
  #chunked = false;
  #bodyAllowed = true;
  #staged = '';
  #corked = false;
  #consuming = false;
  #readingPaused = false;
  #halfClosed = false;
  #bodyCredit = 0;
  #lingered = 0;
  /** Bytes of the response at the last look at a half-closed client. */
  #goneMark = 0;
  #served = 0;
  /** Bytes of pipelined requests that wait for their turn. */
  #backlog: Buffer | undefined = undefined;
  #tunnel: Tunnel | undefined = undefined;

  constructor(runtime: Runtime, peer: ClientPeer, onClose: (connection: Http1Connection) => void) {
    super();
    this.#runtime = runtime;
    this.#peer = peer;
    this.#onClose = onClose;
    this.#state = new ConnectionStateMachine(runtime.counters);
    const { limits } = runtime.settings;
    this.#parser = new RequestParser({
      requestLine: limits.requestLine,
      headerBytes: limits.headers,
      headerCount: limits.headerCount,
    });
    this.#exchange = new Exchange(runtime, this);
    this.#writes = new WriteWatch(runtime, () => this.#writeStalled());
  }

  /** The socket to write to, once reading is set up on it. */
  open(client: ReadableClient): void {
    this.#runtime.touch();
    const { socket } = client;
    this.#socket = socket;
    this.#buffer = client.buffer;
    socket.on('error', (error) => this.#socketFailed(error));
    socket.on('end', () => this.#ended());
    socket.on('drain', () => this.#drained());
    socket.on('close', () => this.#closed());
    this.#wait('idle', this.#runtime.settings.timeouts.header);
  }

  get socket(): Socket {
    return this.#socket;
  }

  get address(): string {
    return this.#peer.address;
  }

  get secure(): boolean {
    return this.#peer.secure;
  }

  get trusted(): boolean {
    return this.#peer.trusted;
  }

  get version(): string {
    return this.#request?.minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get isIdle(): boolean {
    return this.#state.current === ConnectionState.idle;
  }

  forwardRules(requestId: string): ForwardRequest {
    return this.#peer.forwardRules(requestId);
  }

  // ---- Reading ----------------------------------------------------------------------------------------------

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    this.#runtime.touch();
    if (this.#tunnel !== undefined) return this.#tunnel.fromClient(chunk, length, source);
    if (this.#state.current === ConnectionState.closing) return this.#discard(length);
    if (this.#requestRead && this.#exchange.active) return this.#queue(chunk, 0, length);
    this.#consume(chunk, 0, length, source);
  }

  #consume(chunk: Buffer, from: number, length: number, source: ChunkSource): void {
    const parser = this.#parser;
    let at = from;
    this.#consuming = true;
    do {
      if (this.#requestRead && this.#exchange.active) {
        this.#queue(chunk, at, length);
        break;
      }
      if (this.#state.current === ConnectionState.closing || this.#tunnel !== undefined) break;
      const event = parser.execute(chunk, at, length);
      at = parser.position;
      this.#unparsed = length - at;
      switch (event) {
        case ParserEvent.head:
          this.#head(parser.head!);
          break;
        case ParserEvent.body:
          this.#body(chunk, parser, source);
          break;
        case ParserEvent.end:
          this.#requestEnd(parser.trailers);
          break;
        case ParserEvent.failed:
          this.#refuse(requestFailure(parser.failure!));
          break;
        case ParserEvent.needMore:
          break;
      }
    } while (at < length || parser.complete);
    this.#consuming = false;
    this.#afterReading();
  }

  #afterReading(): void {
    const state = this.#state.current;
    if (this.#exchange.active) {
      this.#exchange.flushRequest();
      if (!this.#requestRead) this.#buffer?.streaming(true);
    } else if (state === ConnectionState.idle && !this.#parser.idle) {
      this.#state.go(ConnectionState.readingRequest);
      this.#wait('head', this.#runtime.settings.timeouts.header);
    } else if (state === ConnectionState.writingResponse && !this.#requestRead) {
      // Answered before the request was read: what follows cannot be told from a next request (RFC 9112 §9.3).
      this.#close();
    }
    this.#uncork();
  }

  #head(head: RequestHead): void {
    if (this.#state.current === ConnectionState.idle) this.#state.go(ConnectionState.readingRequest);
    this.#state.go(ConnectionState.forwarding);
    // Answers of one turn leave together: the second pipelined request corks.
    if (this.#served++ > 0 && this.#unparsed > 0) this.#cork();
    this.#request = head;
    this.#requestRead = false;
    this.#keepAlive = head.keepAlive;
    this.#bodyCredit = 0;
    if (head.framing === BodyFraming.none) this.#wait('nothing', Infinity);
    else this.#wait('body', this.#runtime.settings.timeouts.body);
    this.#exchange.start(head, this.#runtime.now);
  }

  #body(chunk: Buffer, view: BodyView, source: ChunkSource): void {
    this.#bodyCredit += view.bodyLength;
    if (this.#bodyCredit >= BODY_PROGRESS && this.#waiting === 'body') {
      this.#bodyCredit = 0;
      this.#wait('body', this.#runtime.settings.timeouts.body);
    }
    this.#exchange.requestBody(chunk, view, source);
  }

  #requestEnd(trailers: string[] | undefined): void {
    this.#requestRead = true;
    this.#buffer?.streaming(false);
    if (this.#waiting === 'body') this.#wait('nothing', Infinity);
    if (this.#exchange.active) {
      if (this.#state.current === ConnectionState.forwarding) this.#state.go(ConnectionState.readingResponse);
      this.#exchange.requestEnd(trailers);
    } else if (this.#state.current === ConnectionState.writingResponse) {
      this.#next();
    }
  }

  /** Pipelined requests wait, at most `MAX_BACKLOG` bytes of them (RFC 9112 §9.3.2). */
  #queue(chunk: Buffer, from: number, to: number): void {
    if (from >= to) return;
    const bytes = Buffer.from(chunk.subarray(from, to));
    this.#backlog = this.#backlog === undefined ? bytes : Buffer.concat([this.#backlog, bytes]);
    if (this.#backlog.length >= MAX_BACKLOG) this.pauseRequest();
  }

  /** A request that cannot be understood: what follows it cannot be either. */
  #refuse(failure: ProxyFailure): void {
    if (this.#exchange.active) return this.#exchange.fail(failure);
    if (this.#state.current === ConnectionState.idle) this.#state.go(ConnectionState.readingRequest);
    this.#requestRead = false;
    this.#runtime.counters.failed(failure.code);
    this.#runtime.log.info(
      { client: this.address, code: failure.code, detail: failure.detail },
      'a request was refused',
    );
    this.sendAnswer(answerFor(failure, this.#runtime.newRequestId(), undefined), true);
    this.#close();
  }

  // ---- Downstream: the response ------------------------------------------------------------------------------

  sendInformational(head: ResponseHead): void {
    if (this.#request!.minor === 0) return;
    this.flush();
    this.#writeText(forwardResponseHead(head, 1, 'none', '', '', this.#runtime.settings.forwarding.via));
  }

  sendHead(head: ResponseHead, extra: string): void {
    const request = this.#request!;
    this.#responding();
    const framing = responseFraming(head, request);
    this.#chunked = framing === 'chunked';
    this.#bodyAllowed = framing !== 'none';
    if (framing === 'close' || !this.#requestRead || this.#runtime.draining || this.#halfClosed) this.#keepAlive = false;
    const { via } = this.#runtime.settings.forwarding;
    this.#staged = forwardResponseHead(head, request.minor, framing, this.#connectionOption(request), extra, via);
  }

  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean {
    if (!this.#bodyAllowed) return true;
    const staged = this.#staged;
    this.#staged = '';
    // The last chunk and the end of the body leave in one write: uncorked by `sendEnd` or `flush`.
    if (this.#chunked) this.#cork();
    const more = writeBody(this.#socket, staged, chunk, view, source, this.#chunked);
    this.#writes.wrote(this.#socket);
    return more;
  }

  sendEnd(trailers: readonly string[] | undefined): void {
    const tail = this.#chunked ? encodeTrailers(trailers as string[] | undefined) : '';
    const text = this.#staged + tail;
    this.#staged = '';
    if (text !== '') this.#writeText(text);
    if (!this.#consuming) this.#uncork();
  }

  sendAnswer(answer: LocalAnswer, close: boolean): void {
    this.#responding();
    if (close || this.#runtime.draining || this.#halfClosed || !this.#willBeRead()) this.#keepAlive = false;
    const connection = this.#connectionOption(this.#request);
    const head = this.#request?.method === 'HEAD';
    const date = this.#runtime.date();
    this.#socket.write(serializeAnswer(answer, connection, head, date));
    this.#writes.wrote(this.#socket);
  }

  sendStored(answer: StoredAnswer): void {
    this.#responding();
    if (this.#runtime.draining || this.#halfClosed || !this.#willBeRead()) this.#keepAlive = false;
    writeStored(this.#socket, answer, connectionLine(this.#connectionOption(this.#request)));
    this.#writes.wrote(this.#socket);
  }

  sendStoredHead(answer: StoredAnswer): void {
    const request = this.#request!;
    this.#responding();
    const streamed = answer.contentLength < 0 && answer.status !== 304;
    this.#chunked = streamed && request.minor === 1;
    this.#bodyAllowed = request.method !== 'HEAD';
    if (!this.#chunked && streamed) this.#keepAlive = false;
    if (!this.#willBeRead() || this.#runtime.draining || this.#halfClosed) this.#keepAlive = false;
    const framing = this.#chunked ? 'Transfer-Encoding: chunked\r\n' : '';
    const connection = connectionLine(this.#connectionOption(request));
    this.#staged = `${answer.head}${answer.lines}${framing}${connection}\r\n`;
  }

  flush(): void {
    if (this.#staged !== '') {
      const text = this.#staged;
      this.#staged = '';
      this.#writeText(text);
    }
    if (!this.#consuming) this.#uncork();
  }

  cut(failure: ProxyFailure): void {
    this.#runtime.log.info({ client: this.address, code: failure.code }, 'a response was cut');
    this.#keepAlive = false;
    if (this.#state.current !== ConnectionState.closing) this.#state.go(ConnectionState.closing);
    // Without the final chunk or all of the length; a close-delimited response is cut by a reset, since an orderly
    // end would look complete (RFC 9112 §8).
    if (this.#chunked || this.#request?.minor === 1) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
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
    if (!this.#requestRead && this.#waiting === 'nothing') this.#wait('body', this.#runtime.settings.timeouts.body);
  }

  exchangeDone(outcome: ExchangeOutcome): void {
    if (outcome === 'clientGone') return this.#abort();
    if (this.#state.current === ConnectionState.closing || this.#tunnel !== undefined) return;
    // The rest of this chunk may hold the rest of the request: decided when it has been parsed.
    if (!this.#requestRead && this.#consuming) return;
    if (this.#requestRead) this.#next();
    else this.#close();
  }

  // ---- From one exchange to the next -------------------------------------------------------------------------

  #responding(): void {
    const state = this.#state.current;
    if (state !== ConnectionState.writingResponse) this.#state.go(ConnectionState.writingResponse);
  }

  #next(): void {
    if (!this.#keepAlive || this.#runtime.draining) return this.#close();
    this.#state.go(ConnectionState.idle);
    this.#request = undefined;
    this.#wait('idle', this.#runtime.settings.timeouts.idle);
    this.resumeRequest();
    const backlog = this.#backlog;
    if (backlog === undefined || this.#consuming) return;
    this.#backlog = undefined;
    this.#consume(backlog, 0, backlog.length, ownedChunk);
  }

  #connectionOption(request: RequestHead | undefined): '' | 'close' | 'keep-alive' {
    if (!this.#keepAlive) return 'close';
    return request?.minor === 0 ? 'keep-alive' : '';
  }

  /** Whether the rest of the request is at hand, so that the connection can go on after an early answer. */
  #willBeRead(): boolean {
    const head = this.#request;
    if (head === undefined) return false;
    if (this.#requestRead || head.framing === BodyFraming.none) return true;
    return head.framing === BodyFraming.length && this.#consuming && head.contentLength <= this.#unparsed;
  }

  // ---- Tunnels ------------------------------------------------------------------------------------------------

  mayTunnel(head: ResponseHead): boolean {
    return this.#requestRead && this.#request!.upgrade !== '' && head.upgrade !== '';
  }

  openTunnel(head: ResponseHead, backend: TunnelEnd): Tunnel {
    this.#state.go(ConnectionState.tunnelling);
    this.#wait('nothing', Infinity);
    const { via } = this.#runtime.settings.forwarding;
    this.#writeText(forwardResponseHead(head, 1, 'none', 'upgrade', '', via));
    const tunnel = new Tunnel(this.#runtime, this, backend);
    this.#tunnel = tunnel;
    this.#buffer?.streaming(true);
    const early = this.#backlog;
    this.#backlog = undefined;
    if (early !== undefined) tunnel.fromClient(early, early.length, ownedChunk);
    this.resumeRequest();
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
    if (this.#state.current === ConnectionState.idle) this.#wait('idle', grace);
  }

  /** Ends now, whatever is under way. */
  terminate(failure: ProxyFailure): void {
    if (this.#exchange.active) this.#exchange.clientGone(failure);
    else this.#abort();
  }

  #abort(): void {
    if (this.#state.current !== ConnectionState.closing) this.#state.go(ConnectionState.closing);
    this.#socket.destroy();
  }

  override expired(): void {
    switch (this.#waiting) {
      case 'head':
        return this.#refuse(new ProxyFailure('REQUEST_TIMEOUT', 'head not complete in time'));
      case 'body':
        return this.#exchange.fail(new ProxyFailure('REQUEST_TIMEOUT', 'body stalled'));
      case 'gone':
        return this.#goneAfterHalfClose();
      case 'idle':
        return this.#close();
      case 'linger':
        this.#socket.destroy();
        return;
      case 'nothing':
    }
  }

  /**
   * Ends the connection so that the last response arrives: our end of stream first, then what the client still sends
   * is read for a moment. Closing with unread bytes would send a reset, which discards what is under way to the
   * client (RFC 9112 §9.6).
   */
  #close(): void {
    if (this.#state.current !== ConnectionState.closing) this.#state.go(ConnectionState.closing);
    this.#uncork();
    this.#socket.end();
    if (this.#halfClosed) return;
    this.#readingPaused = false;
    this.#socket.resume();
    this.#wait('linger', LINGER);
  }

  #discard(length: number): void {
    this.#lingered += length;
    if (this.#lingered > MAX_LINGER_BYTES) this.#socket.destroy();
  }

  /** The client's end of stream. It may have gone, or only have nothing more to say. */
  #ended(): void {
    this.#runtime.touch();
    this.#halfClosed = true;
    if (this.#tunnel !== undefined) return this.#tunnel.clientEnded();
    if (this.#state.current === ConnectionState.closing) return this.#destroyWhenWritten();
    if (!this.#exchange.active) return this.#close();
    if (!this.#requestRead) return this.terminate(new ProxyFailure('CLIENT_GONE', 'end of stream within a request'));
    this.#waitGone();
  }

  #waitGone(): void {
    this.#goneMark = this.#exchange.bytesOut;
    this.#wait('gone', GONE_GRACE);
  }

  /**
   * A client that half-closed and waits for its answer cannot be told from one that is gone until something is
   * written to it. It gets its answer as long as that makes progress; otherwise the backend's work is cancelled.
   */
  #goneAfterHalfClose(): void {
    if (!this.#exchange.active) return;
    if (this.#exchange.bytesOut > this.#goneMark) return this.#waitGone();
    this.terminate(new ProxyFailure('CLIENT_GONE', 'end of stream'));
  }

  #destroyWhenWritten(): void {
    if (this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.destroySoon();
  }

  #socketFailed(error: Error): void {
    if (this.#exchange.active) this.#exchange.clientGone(new ProxyFailure('CLIENT_GONE', error.message, error));
  }

  #writeStalled(): void {
    const failure = new ProxyFailure('CLIENT_STALLED', 'nothing of the response was taken');
    this.#runtime.counters.failed(failure.code);
    this.terminate(failure);
  }

  #drained(): void {
    this.#runtime.touch();
    this.#writes.drained();
    if (this.#tunnel !== undefined) this.#tunnel.clientDrained();
    else this.#exchange.clientDrained();
  }

  #closed(): void {
    this.#runtime.touch();
    this.#runtime.wheel.remove(this);
    this.#writes.close();
    this.#tunnel?.clientClosed();
    if (this.#exchange.active) this.#exchange.clientGone(new ProxyFailure('CLIENT_GONE', 'connection closed'));
    this.#parser.close();
    this.#buffer?.free();
    this.#state.gone();
    this.#backlog = undefined;
    this.#onClose(this);
  }

  // ---- Small things --------------------------------------------------------------------------------------------

  #writeText(text: string): void {
    this.#socket.write(text, 'latin1');
    this.#writes.wrote(this.#socket);
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
    this.#writes.wrote(this.#socket);
  }

  #wait(what: Waiting, delay: number): void {
    this.#waiting = what;
    this.#runtime.wheel.arm(this, delay, this.#runtime.now);
  }
}
