import {
  BodyFraming,
  encodeTrailers,
  forwardResponseHead,
  type RequestHead,
  type ResponseHead,
} from '@rp/parser';
import type { Socket } from 'node:net';
import type { LocalAnswer } from '../answers.ts';
import type { ForwardRules } from '../forward-rules.ts';
import type { StoredAnswer } from '../cache-contract.ts';
import type { BodyView, Downstream } from '../downstream.ts';
import type { ExchangeOutcome } from '../exchange-outcome.ts';
import type { ProxyFailure } from '../failure.ts';
import type { ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { SocketWriter } from '../socket-writer.ts';
import type { Tunnel, TunnelEnd } from '../tunnel.ts';
import { serializeAnswer } from './answer-writer.ts';
import type { ClientPeer } from './peer.ts';
import { responseFraming } from './response-framing.ts';
import { connectionLine, writeStored } from './stored-writer.ts';
import { WriteWatch } from './write-watch.ts';

/** The connection as its responses see it. */
export interface ResponseTurn {
  /** The request that is answered; undefined where it could not be read. */
  readonly request: RequestHead | undefined;
  /** `HTTP/1.1` and so on. */
  readonly version: string;
  /** Nothing of the response was written. */
  readonly beginning: boolean;
  /** The first byte of a response is about to be written. */
  beginResponse(): void;
  /** Whether another request may follow this response. False is final, and so is `wanted === false`. */
  keepsAlive(wanted: boolean): boolean;
  /** A 100 went to the client: its body is due now. */
  continued(): void;
  pauseRequest(): void;
  resumeRequest(): void;
  mayTunnel(head: ResponseHead): boolean;
  openTunnel(backend: TunnelEnd): Tunnel;
  /** Nothing was taken for too long. */
  writeStalled(): void;
  exchangeDone(outcome: ExchangeOutcome): void;
  /** Ends the connection at once; with a reset where an orderly end would look like the end of a response. */
  cutOff(failure: ProxyFailure, reset: boolean): void;
}

/** Writes the responses of one HTTP/1 client connection, one after the other. */
export class Http1Response implements Downstream {
  readonly #runtime: Runtime;
  readonly #peer: ClientPeer;
  readonly #turn: ResponseTurn;
  readonly #writes: WriteWatch;
  #writer: SocketWriter = undefined as unknown as SocketWriter;
  /** Head that waits for the first bytes of the body. */
  #staged = '';
  #chunked = false;
  #bodyAllowed = true;
  /** The body ends with the connection. */
  #closeDelimited = false;

  constructor(runtime: Runtime, peer: ClientPeer, turn: ResponseTurn) {
    this.#runtime = runtime;
    this.#peer = peer;
    this.#turn = turn;
    this.#writes = new WriteWatch(runtime, () => turn.writeStalled());
  }

  open(socket: Socket): void {
    this.#writer = new SocketWriter(socket, this.#writes);
  }

  close(): void {
    this.#writes.close();
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
    return this.#turn.version;
  }

  admit(request: RequestHead): LocalAnswer | ProxyFailure | undefined {
    return this.#peer.admit(request);
  }

  forwardRules(requestId: string): ForwardRules {
    return this.#peer.forwardRules(requestId);
  }

  // ---- Heads ------------------------------------------------------------------------------------------------

  sendInformational(head: ResponseHead): void {
    if (this.#turn.request!.minor === 0) return;
    this.#writer.text(forwardResponseHead(head, 1, 'none', '', '', this.#runtime.settings.forwarding.via));
    if (head.status === 100) this.#turn.continued();
  }

  sendHead(head: ResponseHead, extra: string): void {
    const request = this.#turn.request!;
    this.#turn.beginResponse();
    const framing = responseFraming(head, request);
    this.#chunked = framing === 'chunked';
    this.#closeDelimited = framing === 'close';
    this.#bodyAllowed = head.framing !== BodyFraming.none;
    const connection = this.#connectionOption(!this.#closeDelimited);
    const { via } = this.#runtime.settings.forwarding;
    const lines = extra + this.#peer.responseLines(request, head);
    this.#staged = forwardResponseHead(head, request.minor, framing, connection, lines, via);
  }

  sendStoredHead(answer: StoredAnswer): void {
    const request = this.#turn.request!;
    this.#turn.beginResponse();
    const streamed = answer.contentLength < 0 && answer.status !== 304 && answer.status !== 204;
    this.#chunked = streamed && request.minor === 1;
    this.#closeDelimited = streamed && request.minor === 0;
    this.#bodyAllowed = request.method !== 'HEAD';
    const framing = this.#chunked ? 'Transfer-Encoding: chunked\r\n' : '';
    const connection = connectionLine(this.#connectionOption(!this.#closeDelimited));
    const own = this.#peer.responseLines(request, undefined);
    this.#staged = `${answer.head}${answer.lines}${own}${framing}${connection}\r\n`;
  }

  #connectionOption(wanted: boolean): '' | 'close' | 'keep-alive' {
    if (!this.#turn.keepsAlive(wanted)) return 'close';
    return this.#turn.request?.minor === 0 ? 'keep-alive' : '';
  }

  // ---- Bodies -----------------------------------------------------------------------------------------------

  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean {
    if (!this.#bodyAllowed) return true;
    const staged = this.#staged;
    this.#staged = '';
    return this.#writer.body(staged, chunk, view, source, this.#chunked);
  }

  sendEnd(trailers: readonly string[] | undefined): void {
    const tail = this.#chunked && this.#bodyAllowed ? encodeTrailers(trailers) : '';
    const text = this.#staged + tail;
    this.#staged = '';
    if (text !== '') this.#writer.text(text);
  }

  flush(): void {
    if (this.#staged === '') return;
    const text = this.#staged;
    this.#staged = '';
    this.#writer.text(text);
  }

  // ---- Whole responses --------------------------------------------------------------------------------------

  sendAnswer(answer: LocalAnswer, close: boolean): void {
    this.#turn.beginResponse();
    const connection = this.#connectionOption(!close);
    const toHead = this.#turn.request?.method === 'HEAD';
    const whole = this.#peer.completed(answer, this.#turn.request);
    this.#writer.bytes(serializeAnswer(whole, connection, toHead, this.#runtime.date()));
  }

  sendStored(answer: StoredAnswer): void {
    this.#turn.beginResponse();
    const own = this.#peer.responseLines(this.#turn.request, undefined);
    writeStored(this.#writer, answer, own + connectionLine(this.#connectionOption(true)));
  }

  /**
   * Writes what changes nothing, to see whether the client is still there: an interim response that any client of
   * HTTP/1.1 may get at any time (RFC 9110 §15.2), or a zero in front of the size of the next chunk (RFC 9112 §7.1).
   * False: there is nothing of the kind.
   */
  probe(): boolean {
    const { request, beginning } = this.#turn;
    if (request?.minor !== 1 || this.#staged !== '') return false;
    if (beginning) this.#writer.text('HTTP/1.1 100 Continue\r\n\r\n');
    else if (this.#chunked && this.#bodyAllowed) this.#writer.text('0');
    else return false;
    return true;
  }

  /** The 101 that opens a tunnel. */
  sendSwitch(head: ResponseHead): void {
    this.#writer.text(
      forwardResponseHead(head, 1, 'none', 'upgrade', '', this.#runtime.settings.forwarding.via),
    );
    this.#writer.flush();
  }

  /** Without the final chunk, or all of the length, the client can tell (RFC 9112 §8). */
  cut(failure: ProxyFailure): void {
    this.writeNow();
    this.#turn.cutOff(failure, this.#closeDelimited);
  }

  // ---- The rest of an exchange ------------------------------------------------------------------------------

  pauseRequest(): void {
    this.#turn.pauseRequest();
  }

  resumeRequest(): void {
    this.#turn.resumeRequest();
  }

  mayTunnel(head: ResponseHead): boolean {
    return this.#turn.mayTunnel(head);
  }

  openTunnel(head: ResponseHead, backend: TunnelEnd): Tunnel {
    this.sendSwitch(head);
    return this.#turn.openTunnel(backend);
  }

  exchangeDone(outcome: ExchangeOutcome): void {
    this.#turn.exchangeDone(outcome);
  }

  // ---- The socket -------------------------------------------------------------------------------------------

  /** Everything that was sent goes out now: somebody else writes next, or nobody. */
  writeNow(): void {
    this.flush();
    this.#writer.flush();
  }

  drained(): void {
    this.#writes.drained();
  }
}
