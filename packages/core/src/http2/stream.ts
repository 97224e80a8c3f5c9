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
  fitsContentLength,
  isClosed,
  removeField,
  sendable,
  type ForwardRequest,
  type RequestHead,
  type ResponseHead,
} from '@rp/parser';
import { answerFor, type LocalAnswer } from '../answers.ts';
import { BODY_PROGRESS, LINGER } from '../client/bounds.ts';
import type { StoredAnswer } from '../cache-contract.ts';
import { SingleRange, type BodyView, type Downstream } from '../downstream.ts';
import { Exchange } from '../exchange.ts';
import type { ExchangeOutcome } from '../exchange-outcome.ts';
import { ProxyFailure } from '../failure.ts';
import { ownedChunk, type ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';
import { Tunnel, type TunnelEnd } from '../tunnel.ts';
import { BodyQueue } from './body-queue.ts';
import { STREAM_WINDOW } from './bounds.ts';
import type { BlockedStream } from './output.ts';
import { trailersToSend, writeAnswerHead, writeResponseHead, writeStoredHead } from './response-fields.ts';
import type { Http2Session } from './session.ts';
import { StallTimer } from './stall-timer.ts';
import { StreamTunnelEnd } from './stream-tunnel.ts';
import { asUpgrade, isAccepted } from './websocket.ts';

/**
 * One stream of a session: the client's side of one exchange. The object serves one request after the other, on any
 * session of its listener.
 */
export class Http2Stream extends Timer implements Downstream, BlockedStream {
  readonly #runtime: Runtime;
  exchange: Exchange;
  /** The exchange is under way, and this stream is its client. */
  #exchanging = false;
  readonly #range: SingleRange = new SingleRange();
  readonly #queue: BodyQueue = new BodyQueue();
  readonly #stall: StallTimer;
  /** Towards the client. */
  readonly sendWindow: SendWindow = new SendWindow(0);
  #session: Http2Session = undefined as unknown as Http2Session;
  id = 0;
  state: StreamState = StreamState.idle;
  #request: RequestHead | undefined = undefined;

  #receiveWindow: ReceiveWindow | undefined = undefined;
  #received = 0;
  #credit = 0;
  #paused = false;
  /** Octets of the request body that the client does not get back as long as the backend is slow. */
  #withheld = 0;

  /** Octets of the response's length yet to come; -1 if there is none. */
  #left = -1;
  #bodyAllowed = true;
  /** The response is complete but for what waits. */
  #ending = false;
  #trailers: string[] | undefined = undefined;

  /** What a backend must answer to our upgrade; '' unless this is an extended CONNECT. */
  #accept = '';
  /** Octets of an extended CONNECT that came before the tunnel was open. */
  #early: Buffer[] = [];
  #tunnel: Tunnel | undefined = undefined;
  #tunnelEnd: StreamTunnelEnd | undefined = undefined;
  /** The tunnel is closed, and the client gets a moment to end its side. */
  #lingering = false;
  /** Between `open` and the moment when nobody needs the stream any more. */
  #live = false;

  constructor(runtime: Runtime) {
    super();
    this.#runtime = runtime;
    this.exchange = new Exchange(runtime, this);
    this.#stall = new StallTimer(runtime, () => this.#stalled());
  }

  // ---- What an exchange may ask ------------------------------------------------------------------------------

  get address(): string {
    return this.#session.peer.address;
  }

  get secure(): boolean {
    return this.#session.peer.secure;
  }

  get trusted(): boolean {
    return this.#session.peer.trusted;
  }

  get version(): string {
    return 'HTTP/2.0';
  }

  admit(request: RequestHead): LocalAnswer | ProxyFailure | undefined {
    return this.#session.peer.admit(request);
  }

  forwardRules(requestId: string): ForwardRequest {
    return this.#session.peer.forwardRules(requestId);
  }

  // ---- The request ---------------------------------------------------------------------------------------------

  /** Begins a stream that HEADERS have opened. */
  open(session: Http2Session, id: number, window: number, endStream: boolean): void {
    this.#session = session;
    this.id = id;
    this.state = endStream ? StreamState.halfClosedRemote : StreamState.open;
    this.sendWindow.available = window;
    this.#request = undefined;
    this.#receiveWindow = undefined;
    this.#received = this.#credit = this.#withheld = 0;
    this.#paused = this.#ending = false;
    this.#left = -1;
    this.#bodyAllowed = true;
    this.#trailers = undefined;
    this.#accept = '';
    this.#early = [];
    this.#tunnel = undefined;
    this.#tunnelEnd = undefined;
    this.#lingering = false;
    this.#live = true;
  }

  start(head: RequestHead, protocol: string): void {
    this.#request = head;
    if (protocol !== '') {
      if (protocol.toLowerCase() !== 'websocket') {
        return this.refuse(new ProxyFailure('NOT_IMPLEMENTED', `extended CONNECT for ${protocol}`));
      }
      this.#accept = asUpgrade(head);
    }
    const { exchange } = this;
    const complete = this.state === StreamState.halfClosedRemote;
    if (!complete && protocol === '') this.#awaitBody();
    this.#exchanging = true;
    exchange.start(head, this.#runtime.now);
    if (complete || protocol !== '') exchange.requestEnd(undefined);
  }

  /** Answers a request that never becomes an exchange. */
  refuse(failure: ProxyFailure): void {
    this.#runtime.counters.failed(failure.code);
    this.#runtime.log.info(
      { client: this.address, code: failure.code, detail: failure.detail },
      'a request was refused',
    );
    this.sendAnswer(answerFor(failure, this.#runtime.newRequestId(), undefined), true);
    this.#settle();
  }

  /**
   * A piece of DATA arrived, accounted for by the connection.
   * @param flow octets for the window, padding included
   * @returns an error code if the stream must be reset, else 0
   */
  data(
    chunk: Buffer,
    start: number,
    end: number,
    flow: number,
    endStream: boolean,
    source: ChunkSource,
  ): number {
    const window = (this.#receiveWindow ??= new ReceiveWindow(STREAM_WINDOW));
    if (flow > 0 && !window.receive(flow)) return ErrorCode.FLOW_CONTROL_ERROR;
    const length = end - start;
    this.#received += length;
    const declared = this.#accept === '' ? (this.#request?.contentLength ?? -1) : -1;
    if (!fitsContentLength(declared, this.#received, endStream)) return ErrorCode.PROTOCOL_ERROR;
    if (endStream)
      this.state = this.state === StreamState.open ? StreamState.halfClosedRemote : StreamState.closed;
    if (length > 0) this.#deliver(chunk, start, end, source);
    // Padding is consumed at once; all of it came with the first piece of its frame.
    if (flow > 0) this.#giveBack(flow);
    if (endStream) this.#requestEnd(undefined);
    return 0;
  }

  /** HEADERS after the head; returns an error code if the stream must be reset, else 0. */
  requestTrailers(fields: string[]): number {
    const declared = this.#accept === '' ? (this.#request?.contentLength ?? -1) : -1;
    if (!fitsContentLength(declared, this.#received, true)) return ErrorCode.PROTOCOL_ERROR;
    this.state = this.state === StreamState.open ? StreamState.halfClosedRemote : StreamState.closed;
    this.#requestEnd(fields.length === 0 ? undefined : fields);
    return 0;
  }

  #deliver(chunk: Buffer, start: number, end: number, source: ChunkSource): void {
    if (this.#tunnel !== undefined) {
      this.#tunnel.fromClient(chunk.subarray(start, end), end - start, source);
    } else if (this.#lingering) {
      return;
    } else if (this.#accept !== '') {
      // Bounded by the window, which nothing is given back of until the tunnel is open.
      this.#paused = true;
      this.#early.push(Buffer.from(chunk.subarray(start, end)));
    } else {
      this.#credit += end - start;
      if (this.#credit >= BODY_PROGRESS) this.#awaitBody();
      this.exchange.requestBody(chunk, this.#range.of(start, end), source);
    }
  }

  #requestEnd(trailers: string[] | undefined): void {
    this.#runtime.wheel.disarm(this);
    if (this.#tunnel !== undefined) this.#tunnel.clientEnded();
    else if (this.#accept === '') this.exchange.requestEnd(trailers);
    this.#settle();
  }

  #awaitBody(): void {
    this.#credit = 0;
    if (!this.#paused) this.#runtime.wheel.arm(this, this.#runtime.settings.timeouts.body, this.#runtime.now);
  }

  /** Octets were used up, or are kept as long as the backend is slow. */
  #giveBack(octets: number): void {
    if (this.#paused) {
      this.#withheld += octets;
      return this.#session.withheld(octets);
    }
    this.#session.released(octets);
    if (canReceive(this.state)) this.#announce(octets);
  }

  #announce(octets: number): void {
    const increment = octets === 0 ? 0 : this.#receiveWindow!.release(octets);
    if (increment === 0) return;
    this.#session.output.writer.windowUpdate(this.id, increment);
    this.#session.output.touch();
  }

  pauseRequest(): void {
    this.#paused = true;
    // While the backend is the slow one, the client is not to blame.
    this.#runtime.wheel.disarm(this);
  }

  resumeRequest(): void {
    if (!this.#paused || (this.#accept !== '' && this.#tunnelEnd === undefined)) return;
    this.#paused = false;
    const octets = this.#withheld;
    this.#withheld = 0;
    this.#session.letGo(octets);
    if (!canReceive(this.state)) return;
    if (this.#accept === '') this.#awaitBody();
    this.#announce(octets);
  }

  override expired(): void {
    if (this.#lingering) return this.reset(ErrorCode.NO_ERROR);
    // Other streams may use up the connection's window: that is no fault of this one.
    if (this.#session.flow.available <= 0) return this.#awaitBody();
    this.exchange.fail(new ProxyFailure('REQUEST_TIMEOUT', 'body stalled'));
  }

  // ---- The response --------------------------------------------------------------------------------------------

  sendInformational(head: ResponseHead): void {
    if (!canSend(this.state)) return;
    this.#writeHead(head, head.status, '', false);
  }

  sendHead(head: ResponseHead, extra: string): void {
    if (!canSend(this.state)) return;
    if (this.#accept !== '' && head.status >= 200 && head.status < 300) {
      // To this client a 2xx would mean an open tunnel (RFC 8441 §5).
      return this.exchange.fail(new ProxyFailure('BACKEND_INVALID', `${head.status} to an upgrade`));
    }
    const empty =
      head.framing === BodyFraming.none || (head.framing === BodyFraming.length && head.contentLength === 0);
    this.#left = head.framing === BodyFraming.length ? head.contentLength : -1;
    this.#bodyAllowed = !empty;
    // Trailers may still follow a body that is framed as none: they are dropped, as HTTP/1 would.
    this.#writeHead(head, head.status, extra + this.#session.peer.responseLines(this.#request, head), empty);
  }

  #writeHead(head: ResponseHead, status: number, extra: string, endStream: boolean): void {
    const { output } = this.#session;
    const { via } = this.#runtime.settings.forwarding;
    writeResponseHead(output.writer, this.id, status, head, extra, via, endStream);
    output.touch();
    this.#sent(FrameType.HEADERS, endStream);
  }

  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean {
    if (!this.#bodyAllowed || !canSend(this.state)) return true;
    if (this.#left !== -1) this.#left -= view.bodyLength;
    const ranges = view.bodyRanges;
    if (ranges === 1) {
      this.#put(chunk, view.bodyRangeStart(0), view.bodyRangeEnd(0), source, this.#left === 0);
    } else if (ranges > 1) {
      // Chunks may be as small as one octet: as frames of their own they would cost nine octets each.
      const copy = Buffer.allocUnsafe(view.bodyLength);
      view.copyBody(chunk, copy, 0);
      this.#put(copy, 0, copy.length, ownedChunk, this.#left === 0);
    }
    return this.#queue.length === 0;
  }

  sendEnd(trailers: readonly string[] | undefined): void {
    if (!canSend(this.state) || this.#ending) return;
    this.#ending = true;
    this.#trailers = trailersToSend(trailers);
    if (this.#queue.length === 0) this.#writeEnd();
  }

  sendAnswer(answer: LocalAnswer, _close: boolean): void {
    if (!canSend(this.state)) return;
    const { body } = answer;
    const bytes =
      typeof body === 'string' ? Buffer.from(body) : body === undefined ? undefined : Buffer.from(body);
    const length = bytes?.length ?? 0;
    const bodiless = answer.status === 204 || answer.status === 304;
    const none = length === 0 || bodiless || this.#request?.method === 'HEAD';
    const { output } = this.#session;
    const whole = this.#session.peer.completed(answer, this.#request);
    writeAnswerHead(output.writer, this.id, whole, bodiless ? -1 : length, this.#runtime.date(), none);
    output.touch();
    this.#sent(FrameType.HEADERS, none);
    if (!none) this.#put(bytes!, 0, length, ownedChunk, (this.#ending = true));
  }

  sendStored(answer: StoredAnswer): void {
    if (!canSend(this.state)) return;
    const none = answer.bodyLength === 0;
    this.#writeStoredHead(answer, none);
    if (none) return;
    if (answer.bodyText !== undefined) {
      const bytes = Buffer.from(answer.bodyText, 'latin1');
      return this.#put(bytes, 0, bytes.length, ownedChunk, (this.#ending = true));
    }
    const { chunks } = answer;
    for (let i = 0; i < chunks.length; i++) {
      const { buffer, byteOffset, length } = chunks[i]!;
      const last = i === chunks.length - 1;
      if (last) this.#ending = true;
      this.#put(Buffer.from(buffer, byteOffset, length), 0, length, ownedChunk, last);
    }
  }

  sendStoredHead(answer: StoredAnswer): void {
    if (!canSend(this.state)) return;
    this.#bodyAllowed = this.#request?.method !== 'HEAD' && answer.status !== 304;
    this.#left = answer.contentLength;
    if (this.#left === 0) this.#bodyAllowed = false;
    this.#writeStoredHead(answer, !this.#bodyAllowed);
  }

  #writeStoredHead(answer: StoredAnswer, endStream: boolean): void {
    const { output } = this.#session;
    const own = this.#session.peer.responseLines(this.#request, undefined);
    writeStoredHead(output.writer, this.id, answer, own, endStream);
    output.touch();
    this.#sent(FrameType.HEADERS, endStream);
  }

  /** Everything that is written in a turn leaves together at its end, so there is nothing to hurry. */
  flush(): void {}

  cut(failure: ProxyFailure): void {
    this.#runtime.log.info({ client: this.address, code: failure.code }, 'a response was cut');
    this.reset(ErrorCode.INTERNAL_ERROR);
  }

  exchangeDone(outcome: ExchangeOutcome): void {
    this.#runtime.wheel.disarm(this);
    this.#exchanging = false;
    // It goes on without its client: others read along.
    if (this.exchange.active) this.exchange = new Exchange(this.#runtime, this);
    if (outcome === 'tunnelled') return;
    if (outcome === 'clientGone') this.reset(ErrorCode.CANCEL);
    this.#settle();
  }

  // ---- Sending under flow control ------------------------------------------------------------------------------

  /** Writes what the windows and the socket allow; the rest waits where it is, or as a copy if it cannot stay there. */
  #put(chunk: Buffer, start: number, end: number, source: ChunkSource, last: boolean): void {
    const { output } = this.#session;
    let at = start;
    if (this.#queue.length === 0 && output.room > 0) {
      const octets = sendable(output.window, this.sendWindow, end - start);
      if (octets > 0) this.#writeData(chunk, start, (at = start + octets), last && at === end);
    }
    if (at === end) return;
    if (last) this.#ending = true;
    const rest = chunk.subarray(at, end);
    this.#queue.add(source.shared ? Buffer.from(rest) : rest);
    source.lend();
    output.block(this);
    if (this.#tunnel === undefined) this.#stall.watch();
  }

  #writeData(chunk: Buffer, start: number, end: number, last: boolean): void {
    const { output } = this.#session;
    output.window.consume(end - start);
    this.sendWindow.consume(end - start);
    output.writer.data(this.id, chunk, start, end, last);
    this.#session.dataSent(end - start);
    output.touch();
    if (last) this.#sent(FrameType.DATA, true);
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
    if (sent > 0) this.#stall.progressed();
    if (queue.length === 0) this.#emptied();
    return sent;
  }

  /** Nothing waits any more. */
  #emptied(): void {
    this.#stall.stop();
    if (this.#ending) {
      if (canSend(this.state)) this.#writeEnd();
      return this.#settle();
    }
    if (this.#tunnel !== undefined) this.#tunnel.clientDrained();
    else this.exchange.clientDrained();
  }

  #writeEnd(): void {
    const { writer } = this.#session.output;
    if (this.#trailers === undefined) writer.data(this.id, EMPTY, 0, 0, true);
    else writer.headers(this.id, this.#trailers, true);
    this.#session.output.touch();
    this.#sent(this.#trailers === undefined ? FrameType.DATA : FrameType.HEADERS, true);
    this.#settle();
  }

  #sent(type: number, endStream: boolean): void {
    const next = afterSend(this.state, type, endStream);
    if (next < 8) this.state = next as StreamState;
  }

  // ---- Tunnels (RFC 8441) ----------------------------------------------------------------------------------------

  mayTunnel(head: ResponseHead): boolean {
    return this.#accept !== '' && isAccepted(head, this.#accept);
  }

  openTunnel(head: ResponseHead, backend: TunnelEnd): Tunnel {
    removeField(head, 'sec-websocket-accept');
    this.#writeHead(head, 200, '', false);
    this.#tunnelEnd = new StreamTunnelEnd(this);
    const tunnel = new Tunnel(this.#runtime, this.#tunnelEnd, backend);
    this.#tunnel = tunnel;
    this.resumeRequest();
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) tunnel.fromClient(bytes, bytes.length, ownedChunk);
    if (!canReceive(this.state)) tunnel.clientEnded();
    return tunnel;
  }

  /** For the tunnel's end: bytes to the client. False: wait for `Tunnel.clientDrained`. */
  tunnelWrite(bytes: Buffer): boolean {
    if (canSend(this.state)) this.#put(bytes, 0, bytes.length, ownedChunk, false);
    return this.#queue.length === 0;
  }

  /** For the tunnel's end: no more bytes will come either way. */
  tunnelClosed(): void {
    this.#tunnel = undefined;
    this.sendEnd(undefined);
    this.#settle();
  }

  // ---- The end ---------------------------------------------------------------------------------------------------

  /** Resets the stream, unless it is closed already (RFC 9113 §5.4.2). */
  reset(code: number, failure?: ProxyFailure): void {
    if (isClosed(this.state)) return;
    this.#session.output.writer.rstStream(this.id, code);
    this.#session.output.touch();
    this.gone(StreamState.resetLocal, failure);
  }

  /** The stream is closed by a reset, or with its connection. */
  gone(state: StreamState, failure: ProxyFailure | undefined): void {
    if (!isClosed(this.state)) this.state = state;
    this.#queue.clear();
    this.#stall.stop();
    const tunnel = this.#tunnel;
    this.#tunnel = undefined;
    tunnel?.clientClosed();
    if (failure !== undefined && this.#exchanging) this.exchange.clientGone(failure);
    this.#settle();
  }

  /** Clients take a reset for an error even if all of the tunnel's bytes came before it. */
  #linger(): void {
    this.#lingering = true;
    this.#tunnelEnd?.detach();
    this.resumeRequest();
    this.#runtime.wheel.arm(this, LINGER, this.#runtime.now);
  }

  #stalled(): void {
    const failure = new ProxyFailure('CLIENT_STALLED', 'no window for the response');
    this.#runtime.counters.failed(failure.code);
    if (this.#exchanging) return this.exchange.clientGone(failure);
    this.reset(ErrorCode.CANCEL);
  }

  /** Closes the stream for good as soon as nobody needs it. */
  #settle(): void {
    if (!this.#live || this.#exchanging || this.#queue.length > 0) return;
    // A tunnel may be closed in one direction only.
    if (this.#tunnel !== undefined && !isClosed(this.state)) return;
    if (!isClosed(this.state)) {
      if (this.state !== StreamState.halfClosedLocal || this.#lingering) return;
      if (this.#tunnelEnd !== undefined) return this.#linger();
      // Complete, but the client still sends: it may stop (RFC 9113 §8.1).
      return this.reset(ErrorCode.NO_ERROR);
    }
    const octets = this.#withheld;
    this.#withheld = 0;
    this.#paused = false;
    this.#live = false;
    this.#early = [];
    this.#tunnel = undefined;
    this.#tunnelEnd?.detach();
    this.#runtime.wheel.remove(this);
    if (octets > 0) this.#session.letGo(octets);
    this.#session.closed(this);
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
