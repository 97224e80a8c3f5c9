import { BodyFraming, encodeTrailers, forwardRequestHead, type RequestHead } from '@rp/parser';
import type { Socket } from 'node:net';
import { Counter } from '../counters.ts';
import type { BodyView } from '../downstream.ts';
import type { ForwardRules } from '../forward-rules.ts';
import { encodeProxyHeader, type ProxyProtocolVersion } from '../proxy-protocol.ts';
import type { ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { SocketWriter } from '../socket-writer.ts';
import { Timer } from '../timer-wheel.ts';
import type { BackendReader } from './stream.ts';

/** The sending half of an HTTP/1.1 connection to a backend: requests with exactly one framing, and the time they get. */
export abstract class BackendRequest extends Timer {
  protected readonly runtime: Runtime;
  /** Undefined: nothing comes before the first request, and clients share the connection. */
  protected readonly proxyProtocol: ProxyProtocolVersion | undefined;
  readonly socket: Socket;
  readonly #writer: SocketWriter;

  protected exchange: BackendReader | undefined = undefined;
  /** Request head that waits for the first bytes of the body. */
  #staged = '';
  #chunked = false;
  protected requestDone = false;
  /** The client sends its body only after a 100. */
  protected expecting = false;
  protected upgrading = false;
  #reading = true;

  constructor(runtime: Runtime, socket: Socket, proxyProtocol: ProxyProtocolVersion | undefined) {
    super();
    this.runtime = runtime;
    this.proxyProtocol = proxyProtocol;
    this.socket = socket;
    this.#writer = new SocketWriter(socket);
  }

  /** The receiving half gets ready for what answers `request`. */
  protected abstract expectResponse(request: RequestHead): void;

  begin(exchange: BackendReader, request: RequestHead, rules: ForwardRules): void {
    this.exchange = exchange;
    this.requestDone = false;
    this.expecting = request.expectContinue;
    this.#chunked = request.framing === BodyFraming.chunked;
    this.upgrading = request.upgrade !== '';
    this.expectResponse(request);
    const version = this.proxyProtocol;
    const last = version === undefined ? '' : 'close';
    this.#staged = forwardRequestHead(request, rules, '', this.upgrading ? 'upgrade' : last);
    if (version !== undefined) this.#staged = proxyHeader(version, rules) + this.#staged;
  }

  /** False: the backend takes no more for now; `BackendReader.backendDrained` follows. */
  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean {
    const staged = this.#staged;
    this.#staged = '';
    const more = this.#writer.body(staged, chunk, view, source, this.#chunked);
    this.#sent(staged.length + view.bodyLength);
    return more;
  }

  sendEnd(trailers: string[] | undefined): void {
    this.requestDone = true;
    this.expecting = false;
    const tail = this.#chunked ? encodeTrailers(trailers) : '';
    const text = this.#staged + tail;
    this.#staged = '';
    if (text !== '') this.#writeText(text);
    else this.awaitBackend();
  }

  /** Writes a head that no body followed in this turn. */
  flush(): void {
    if (this.#staged === '') return;
    const text = this.#staged;
    this.#staged = '';
    this.#writeText(text);
  }

  #writeText(text: string): void {
    this.#writer.text(text);
    this.#sent(text.length);
  }

  #sent(bytes: number): void {
    this.runtime.counters.cells[Counter.bytesToBackends]! += bytes;
    this.awaitBackend();
  }

  /**
   * The backend is given `timeouts.response` from now on, if it is its turn: it has all of the request, or does not
   * take more of it, or is to say whether it wants the body. While the client is slow to send, the time is the client's.
   */
  protected awaitBackend(): void {
    const { wheel, settings, now } = this.runtime;
    const due = this.requestDone || this.expecting || this.socket.writableNeedDrain;
    if (due && this.#reading) wheel.arm(this, settings.timeouts.response, now);
    else wheel.disarm(this);
  }

  /** Nothing more is written. */
  protected dropStaged(): void {
    this.#staged = '';
  }

  // ---- Flow -------------------------------------------------------------------------------------------------

  /** The client takes no more for now; the time that passes is not the backend's. */
  pauseReading(): void {
    if (!this.#reading) return;
    this.#reading = false;
    this.socket.pause();
    this.runtime.wheel.disarm(this);
  }

  resumeReading(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.socket.resume();
    if (this.exchange !== undefined) this.awaitBackend();
  }
}

/** As latin1 text, to leave in one write with the head. */
function proxyHeader(version: ProxyProtocolVersion, rules: ForwardRules): string {
  const { client, clientPort, localAddress, port } = rules;
  return encodeProxyHeader(version, {
    address: client,
    port: clientPort,
    localAddress,
    localPort: port,
  }).toString('latin1');
}
