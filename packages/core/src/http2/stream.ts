import {
  ErrorCode,
  ReceiveWindow,
  StreamState,
  canReceive,
  canSend,
  fitsContentLength,
  isClosed,
  removeField,
  type RequestHead,
  type ResponseHead,
} from '@rp/parser';
import { BODY_PROGRESS, LINGER } from '../client/bounds.ts';
import { SingleRange, type Downstream } from '../downstream.ts';
import { Exchange } from '../exchange.ts';
import type { ExchangeOutcome } from '../exchange-outcome.ts';
import { noRequest } from '../exchange-record.ts';
import { ProxyFailure } from '../failure.ts';
import { ownedChunk, type ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Tunnel, type TunnelEnd } from '../tunnel.ts';
import { STREAM_WINDOW } from './bounds.ts';
import type { Http2Session } from './session.ts';
import { StreamResponse } from './stream-response.ts';
import { StreamTunnelEnd, type TunnelStream } from './stream-tunnel.ts';
import { asUpgrade, isAccepted } from './websocket.ts';

/**
 * One stream of a session: the client's side of one exchange. The object serves one request after the other, on any
 * session of its listener.
 */
export class Http2Stream extends StreamResponse implements Downstream, TunnelStream {
  exchange: Exchange;
  /** The exchange is under way, and this stream is its client. */
  #exchanging = false;
  readonly #range: SingleRange = new SingleRange();
  #receiveWindow: ReceiveWindow | undefined = undefined;
  #received = 0;
  #credit = 0;
  #paused = false;
  /** Octets of the request body that the client does not get back as long as the backend is slow. */
  #withheld = 0;

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
    super(runtime);
    this.exchange = new Exchange(runtime, this);
  }

  // ---- The request ---------------------------------------------------------------------------------------------

  /** Begins a stream that HEADERS have opened. */
  open(session: Http2Session, id: number, window: number, endStream: boolean): void {
    this.session = session;
    this.id = id;
    this.state = endStream ? StreamState.halfClosedRemote : StreamState.open;
    this.sendWindow.available = window;
    this.beginResponse(undefined);
    this.#receiveWindow = undefined;
    this.#received = this.#credit = this.#withheld = 0;
    this.#paused = this.ending = false;
    this.trailers = undefined;
    this.#accept = '';
    this.#early = [];
    this.#tunnel = undefined;
    this.#tunnelEnd = undefined;
    this.#lingering = false;
    this.#live = true;
  }

  start(head: RequestHead, protocol: string): void {
    this.request = head;
    if (protocol !== '') {
      if (protocol.toLowerCase() !== 'websocket') {
        return this.refuse(new ProxyFailure('NOT_IMPLEMENTED', `extended CONNECT for ${protocol}`), head);
      }
      this.#accept = asUpgrade(head);
    }
    const { exchange } = this;
    const complete = this.state === StreamState.halfClosedRemote;
    if (!complete && protocol === '') this.#awaitBody();
    this.#exchanging = true;
    exchange.start(head, this.runtime.now);
    if (complete || protocol !== '') exchange.requestEnd(undefined);
  }

  /** Answers a request that is not served. `head`: as far as it is known. */
  refuse(failure: ProxyFailure, head: RequestHead = noRequest): void {
    const { exchange } = this;
    this.request = head;
    this.#exchanging = true;
    exchange.refuse(head, failure, this.runtime.now);
    const { code, detail } = failure;
    const { requestId } = exchange;
    this.runtime.log.info({ client: this.address, requestId, code, detail }, 'a request was refused');
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
    const declared = this.#accept === '' ? (this.request?.contentLength ?? -1) : -1;
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
    const declared = this.#accept === '' ? (this.request?.contentLength ?? -1) : -1;
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
    this.runtime.wheel.disarm(this);
    if (this.#tunnel !== undefined) this.#tunnel.clientEnded();
    else if (this.#accept === '') this.exchange.requestEnd(trailers);
    this.settle();
  }

  #awaitBody(): void {
    this.#credit = 0;
    if (!this.#paused) this.runtime.wheel.arm(this, this.runtime.settings.timeouts.body, this.runtime.now);
  }

  /** Octets were used up, or are kept as long as the backend is slow. */
  #giveBack(octets: number): void {
    if (this.#paused) {
      this.#withheld += octets;
      return this.session.withheld(octets);
    }
    this.session.released(octets);
    if (canReceive(this.state)) this.#announce(octets);
  }

  #announce(octets: number): void {
    const increment = octets === 0 ? 0 : this.#receiveWindow!.release(octets);
    if (increment === 0) return;
    this.session.output.writer.windowUpdate(this.id, increment);
    this.session.output.touch();
  }

  pauseRequest(): void {
    this.#paused = true;
    // While the backend is the slow one, the client is not to blame.
    this.runtime.wheel.disarm(this);
  }

  resumeRequest(): void {
    if (!this.#paused || (this.#accept !== '' && this.#tunnelEnd === undefined)) return;
    this.#paused = false;
    const octets = this.#withheld;
    this.#withheld = 0;
    this.session.letGo(octets);
    if (!canReceive(this.state)) return;
    if (this.#accept === '') this.#awaitBody();
    this.#announce(octets);
  }

  override expired(): void {
    if (this.#lingering) return this.reset(ErrorCode.NO_ERROR);
    // Other streams may use up the connection's window: that is no fault of this one.
    if (this.session.flow.available <= 0) return this.#awaitBody();
    this.exchange.fail(new ProxyFailure('REQUEST_TIMEOUT', 'body stalled'));
  }

  cut(failure: ProxyFailure): void {
    this.runtime.log.info({ client: this.address, code: failure.code }, 'a response was cut');
    this.reset(ErrorCode.INTERNAL_ERROR);
  }

  exchangeDone(outcome: ExchangeOutcome): void {
    this.runtime.wheel.disarm(this);
    this.#exchanging = false;
    // It goes on without its client: others read along.
    if (this.exchange.active) this.exchange = new Exchange(this.runtime, this);
    if (outcome === 'tunnelled') return;
    if (outcome === 'clientGone') this.reset(ErrorCode.CANCEL);
    this.settle();
  }

  protected override refusesHead(head: ResponseHead): boolean {
    if (this.#accept === '' || head.status < 200 || head.status >= 300) return false;
    // To this client a 2xx would mean an open tunnel (RFC 8441 §5).
    this.exchange.fail(new ProxyFailure('BACKEND_INVALID', `${head.status} to an upgrade`));
    return true;
  }

  protected override get unhurried(): boolean {
    return this.#tunnel !== undefined;
  }

  protected override drained(): void {
    if (this.#tunnel !== undefined) this.#tunnel.clientDrained();
    else this.exchange.clientDrained();
  }

  // ---- Tunnels (RFC 8441) ----------------------------------------------------------------------------------------

  mayTunnel(head: ResponseHead): boolean {
    return this.#accept !== '' && isAccepted(head, this.#accept);
  }

  openTunnel(head: ResponseHead, backend: TunnelEnd): Tunnel {
    removeField(head, 'sec-websocket-accept');
    this.writeHead(head, 200, '', false);
    this.#tunnelEnd = new StreamTunnelEnd(this);
    const tunnel = new Tunnel(this.runtime, this.#tunnelEnd, backend);
    this.#tunnel = tunnel;
    this.resumeRequest();
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) tunnel.fromClient(bytes, bytes.length, ownedChunk);
    if (!canReceive(this.state)) tunnel.clientEnded();
    return tunnel;
  }

  pauseReading(): void {
    this.pauseRequest();
  }

  resumeReading(): void {
    this.resumeRequest();
  }

  /** For the tunnel's end: bytes to the client. False: wait for `Tunnel.clientDrained`. */
  tunnelWrite(bytes: Buffer): boolean {
    if (canSend(this.state)) this.put(bytes, 0, bytes.length, ownedChunk, false);
    return this.queue.length === 0;
  }

  /** For the tunnel's end: no more bytes will come either way. */
  tunnelClosed(): void {
    this.#tunnel = undefined;
    this.sendEnd(undefined);
    this.settle();
  }

  // ---- The end ---------------------------------------------------------------------------------------------------

  /** Resets the stream, unless it is closed already (RFC 9113 §5.4.2). */
  reset(code: number, failure?: ProxyFailure): void {
    if (isClosed(this.state)) return;
    this.session.output.writer.rstStream(this.id, code);
    this.session.output.touch();
    this.gone(StreamState.resetLocal, failure);
  }

  /** The stream is closed by a reset, or with its connection. */
  gone(state: StreamState, failure: ProxyFailure | undefined): void {
    if (!isClosed(this.state)) this.state = state;
    this.queue.clear();
    this.stall.stop();
    const tunnel = this.#tunnel;
    this.#tunnel = undefined;
    tunnel?.clientClosed();
    if (failure !== undefined && this.#exchanging) this.exchange.clientGone(failure);
    this.settle();
  }

  /** Clients take a reset for an error even if all of the tunnel's bytes came before it. */
  #linger(): void {
    this.#lingering = true;
    this.#tunnelEnd?.detach();
    this.resumeRequest();
    this.runtime.wheel.arm(this, LINGER, this.runtime.now);
  }

  protected override stalled(): void {
    const failure = new ProxyFailure('CLIENT_STALLED', 'no window for the response');
    this.runtime.counters.failed(failure.code);
    if (this.#exchanging) return this.exchange.clientGone(failure);
    this.reset(ErrorCode.CANCEL);
  }

  /** Closes the stream for good as soon as nobody needs it. */
  protected override settle(): void {
    if (!this.#live || this.#exchanging || this.queue.length > 0) return;
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
    this.runtime.wheel.remove(this);
    if (octets > 0) this.session.letGo(octets);
    this.session.closed(this);
  }
}
