import {
  BodyFraming,
  FieldId,
  ParserEvent,
  ResponseParser,
  encodeTrailers,
  fieldValue,
  forwardRequestHead,
  type RequestHead,
  type ResponseHead,
} from '@rp/parser';
import type { Socket } from 'node:net';
import type { ConnectionSlot, ConnectionSource } from '../contracts.ts';
import { Counter } from '../counters.ts';
import type { BodyView } from '../downstream.ts';
import { ProxyFailure } from '../failure.ts';
import type { ForwardRules } from '../forward-rules.ts';
import { encodeProxyHeader, type ProxyProtocolVersion } from '../proxy-protocol.ts';
import type { SocketUser } from './connecting.ts';
import { ownedChunk, type ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { SocketWriter } from '../socket-writer.ts';
import { Timer } from '../timer-wheel.ts';
import type { Tunnel } from '../tunnel.ts';
import type { BackendReader, BackendStream } from './stream.ts';
import { informationalLimit, keepAliveTimeout, mayReuse } from './reuse.ts';

/**
 * One HTTP/1.1 connection to a backend: carries one exchange after the other, lent by its pool. What it writes has
 * exactly one framing; what it reads is believed only as far as the parser accepts it.
 */
export class BackendConnection extends Timer implements BackendStream, SocketUser {
  slot: ConnectionSlot | undefined = undefined;
  readonly #runtime: Runtime;
  readonly #pool: ConnectionSource<BackendConnection>;
  readonly #parser: ResponseParser;
  /** Undefined: nothing comes before the first request, and clients share the connection. */
  readonly #proxyProtocol: ProxyProtocolVersion | undefined;
  readonly socket: Socket;
  readonly #writer: SocketWriter;

  #exchange: BackendReader | undefined = undefined;
  #tunnel: Tunnel | undefined = undefined;
  /** Request head that waits for the first bytes of the body. */
  #staged = '';
  #chunked = false;
  #requestDone = false;
  /** The client sends its body only after a 100. */
  #expecting = false;
  #upgrading = false;
  #sawResponseByte = false;
  #informational = 0;
  #reading = true;
  #dead = false;
  /** Bytes that a hook keeps from being read. */
  #stash: Buffer | undefined = undefined;
  #held = false;
  #endedWhileHeld = false;

  /** @param proxyProtocol tells the backend who the client is, once: the connection carries one exchange */
  constructor(
    runtime: Runtime,
    pool: ConnectionSource<BackendConnection>,
    socket: Socket,
    proxyProtocol?: ProxyProtocolVersion,
  ) {
    super();
    this.#proxyProtocol = proxyProtocol;
    this.#runtime = runtime;
    this.#pool = pool;
    this.socket = socket;
    this.#writer = new SocketWriter(socket);
    const { limits } = runtime.settings;
    this.#parser = new ResponseParser({
      requestLine: limits.requestLine,
      headerBytes: limits.headers,
      headerCount: limits.headerCount,
    });
  }

  // ---- For the pool -----------------------------------------------------------------------------------------

  isReusable(): boolean {
    return !this.#dead && this.#parser.idle;
  }

  destroy(): void {
    this.#dead = true;
    this.socket.destroy();
  }

  // ---- The request ------------------------------------------------------------------------------------------

  begin(exchange: BackendReader, request: RequestHead, rules: ForwardRules): void {
    this.#exchange = exchange;
    this.#requestDone = false;
    this.#expecting = request.expectContinue;
    this.#sawResponseByte = false;
    this.#informational = 0;
    this.#chunked = request.framing === BodyFraming.chunked;
    this.#upgrading = request.upgrade !== '';
    this.#parser.expect(request.method);
    const version = this.#proxyProtocol;
    const last = version === undefined ? '' : 'close';
    this.#staged = forwardRequestHead(request, rules, '', this.#upgrading ? 'upgrade' : last);
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
    this.#requestDone = true;
    this.#expecting = false;
    const tail = this.#chunked ? encodeTrailers(trailers) : '';
    const text = this.#staged + tail;
    this.#staged = '';
    if (text !== '') this.#writeText(text);
    else this.#await();
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
    this.#runtime.counters.cells[Counter.bytesToBackends]! += bytes;
    this.#await();
  }

  /**
   * The backend is given `timeouts.response` from now on, if it is its turn: it has all of the request, or does not
   * take more of it, or is to say whether it wants the body. While the client is slow to send, the time is the client's.
   */
  #await(): void {
    const { wheel, settings, now } = this.#runtime;
    const due = this.#requestDone || this.#expecting || this.socket.writableNeedDrain;
    if (due && this.#reading) wheel.arm(this, settings.timeouts.response, now);
    else wheel.disarm(this);
  }

  /** The exchange ends without this connection: what is under way on it is of no use to anybody. */
  abandon(): void {
    this.#exchange = undefined;
    this.#giveUp();
  }

  /** Nothing comes after the head that was just read. */
  get endsWithHead(): boolean {
    return this.#parser.complete;
  }

  // ---- The response -----------------------------------------------------------------------------------------

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    this.#runtime.touch();
    this.#runtime.counters.cells[Counter.bytesFromBackends]! += length;
    if (this.#tunnel !== undefined) return this.#tunnel.fromBackend(chunk, length, source);
    if (this.#held) return this.#keep(chunk, 0, length);
    this.#consume(chunk, length, source);
  }

  #consume(chunk: Buffer, length: number, source: ChunkSource): void {
    const parser = this.#parser;
    let at = 0;
    do {
      const exchange = this.#exchange;
      // Bytes that nobody asked for (response queue poisoning): never matched with the next request.
      if (exchange === undefined) return this.#giveUp();
      this.#sawResponseByte = true;
      const event = parser.execute(chunk, at, length);
      at = parser.position;
      // Noticed before the end of the response is handed on, while it can still be refused.
      if (at < length && (parser.complete || event === ParserEvent.end) && parser.head!.status >= 200) {
        if (!isLongerBody(parser.head!, chunk.toString('latin1', at, Math.min(at + 5, length))))
          return this.#surplus();
        this.#dead = true;
      }
      switch (event) {
        case ParserEvent.head:
          if (!this.#head(parser.head!, exchange, chunk, at, length, source)) return;
          break;
        case ParserEvent.body:
          exchange.responseBody(chunk, parser, source);
          break;
        case ParserEvent.end:
          if (parser.head!.status >= 200) return this.#end(exchange);
          break;
        case ParserEvent.failed:
          return this.#fail(new ProxyFailure('BACKEND_INVALID', parser.failure!.message, parser.failure));
        case ParserEvent.needMore:
          break;
      }
    } while (at < length || parser.complete);
    this.#exchange?.responseFlush();
    if (this.#exchange !== undefined) this.#await();
  }

  /** False: nothing more of this chunk is to be parsed now. */
  #head(
    head: ResponseHead,
    exchange: BackendReader,
    chunk: Buffer,
    at: number,
    length: number,
    source: ChunkSource,
  ): boolean {
    if (head.status === 101) {
      this.#switchProtocols(head, exchange, chunk, at, length, source);
      return false;
    }
    if (head.status < 200) {
      if (++this.#informational > informationalLimit) {
        this.#fail(
          new ProxyFailure('BACKEND_INVALID', `more than ${informationalLimit} informational responses`),
        );
        return false;
      }
      if (head.status === 100) this.#expecting = false;
      exchange.informational(head);
      return true;
    }
    if (exchange.responseHead(head, this.#runtime.now)) return this.#exchange === exchange;
    this.#held = true;
    this.#keep(chunk, at, length);
    return false;
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    const copy = Buffer.from(chunk.subarray(from, to));
    this.#stash = this.#stash === undefined ? copy : Buffer.concat([this.#stash, copy]);
    this.pauseReading();
  }

  /** A hook has looked at the head: go on with what was kept. */
  proceed(): void {
    if (!this.#held) return;
    this.#held = false;
    const stash = this.#stash ?? Buffer.alloc(0);
    this.#stash = undefined;
    this.resumeReading();
    this.#consume(stash, stash.length, ownedChunk);
    if (this.#endedWhileHeld) this.ended();
  }

  /** Bytes after the end: where the next response begins, or whose it is, nobody can tell (RFC 9112 §11.1). */
  #surplus(): void {
    this.#fail(new ProxyFailure('BACKEND_INVALID', 'bytes after the end of the response'));
  }

  #end(exchange: BackendReader): void {
    const parser = this.#parser;
    const { trailers } = parser;
    const head = parser.head!;
    this.#exchange = undefined;
    // What the backend was told of the client holds for the whole connection: it is nobody else's.
    if (this.#proxyProtocol === undefined && mayReuse(head, this.#requestDone, this.#dead)) {
      const hint = head.ids.includes(FieldId.keepAlive)
        ? keepAliveTimeout(fieldValue(head, FieldId.keepAlive))
        : 0;
      if (hint > 0) this.#pool.hintIdleTimeout(hint);
      this.#runtime.wheel.disarm(this);
      this.resumeReading();
      this.#pool.release(this);
    } else {
      this.#giveUp();
    }
    exchange.responseEnd(trailers);
  }

  #switchProtocols(
    head: ResponseHead,
    exchange: BackendReader,
    chunk: Buffer,
    at: number,
    length: number,
    source: ChunkSource,
  ): void {
    if (!this.#upgrading || !exchange.downstream.mayTunnel(head)) {
      return this.#fail(new ProxyFailure('BACKEND_INVALID', '101 that was not asked for'));
    }
    this.#runtime.wheel.disarm(this);
    this.#exchange = undefined;
    this.#tunnel = exchange.downstream.openTunnel(head, this);
    exchange.tunnelled();
    if (at < length) this.#tunnel.fromBackend(chunk.subarray(at, length), length - at, source);
  }

  // ---- Flow -------------------------------------------------------------------------------------------------

  /** The client takes no more for now; the time that passes is not the backend's. */
  pauseReading(): void {
    if (!this.#reading) return;
    this.#reading = false;
    this.socket.pause();
    this.#runtime.wheel.disarm(this);
  }

  resumeReading(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.socket.resume();
    if (this.#exchange !== undefined) this.#await();
  }

  drained(): void {
    this.#runtime.touch();
    if (this.#tunnel !== undefined) this.#tunnel.backendDrained();
    else if (this.#exchange !== undefined) {
      this.#await();
      this.#exchange.backendDrained();
    }
  }

  // ---- The end ----------------------------------------------------------------------------------------------

  override expired(): void {
    if (this.#exchange === undefined) return this.#giveUp();
    const { response } = this.#runtime.settings.timeouts;
    this.#fail(new ProxyFailure('BACKEND_TIMEOUT', `nothing for ${response} ms`));
  }

  /** The backend sent its end of stream. */
  ended(): void {
    this.#runtime.touch();
    if (this.#tunnel !== undefined) return this.#tunnel.backendEnded();
    const exchange = this.#exchange;
    if (exchange === undefined) return this.#giveUp();
    if (this.#held) {
      this.#endedWhileHeld = true;
      return;
    }
    if (this.#parser.finish() === ParserEvent.end) {
      this.#dead = true;
      return this.#end(exchange);
    }
    this.#lost(undefined);
  }

  /** The socket is closed, with or without an error. */
  closed(error: Error | undefined): void {
    this.#runtime.touch();
    this.#dead = true;
    this.#runtime.wheel.remove(this);
    try {
      if (this.#tunnel !== undefined) this.#tunnel.backendClosed();
      else if (this.#exchange !== undefined) this.#lost(error);
    } finally {
      this.#parser.close();
      this.#pool.closed(this);
    }
  }

  #lost(error: Error | undefined): void {
    const detail = error?.message ?? 'end of stream';
    // After a first byte the backend has acted on the request: nobody else may.
    const failure = this.#sawResponseByte
      ? new ProxyFailure('BACKEND_INVALID', `response cut short: ${detail}`, error)
      : new ProxyFailure('BACKEND_CLOSED', detail, error);
    this.#fail(failure);
  }

  #fail(failure: ProxyFailure): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#giveUp();
    exchange?.backendFailed(failure);
  }

  #giveUp(): void {
    this.#runtime.wheel.remove(this);
    this.#staged = '';
    this.destroy();
    this.#pool.closed(this);
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

/**
 * A body that is longer than its length says, as servers send that count characters in place of bytes: the response
 * is what its length says, and the connection ends with it (RFC 9112 §6.3). Where another response follows, or where
 * there was to be no body at all, nobody can tell what the backend meant.
 */
function isLongerBody(head: ResponseHead, surplus: string): boolean {
  return head.framing === BodyFraming.length && head.contentLength > 0 && !'HTTP/'.startsWith(surplus);
}
