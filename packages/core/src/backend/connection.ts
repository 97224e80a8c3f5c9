import {
  BodyFraming,
  FieldId,
  ParserEvent,
  ResponseParser,
  fieldValue,
  type RequestHead,
  type ResponseHead,
} from '@rp/parser';
import type { Socket } from 'node:net';
import type { ConnectionSlot, ConnectionSource } from '../contracts.ts';
import { Counter } from '../counters.ts';
import { ProxyFailure } from '../failure.ts';
import type { ProxyProtocolVersion } from '../proxy-protocol.ts';
import type { SocketUser } from './connecting.ts';
import { ownedChunk, type ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import type { Tunnel } from '../tunnel.ts';
import { BackendRequest } from './request.ts';
import type { BackendReader, BackendStream } from './stream.ts';
import { informationalLimit, keepAliveTimeout, mayReuse } from './reuse.ts';

/**
 * One HTTP/1.1 connection to a backend: carries one exchange after the other, lent by its pool. What it writes has
 * exactly one framing; what it reads is believed only as far as the parser accepts it.
 */
export class BackendConnection extends BackendRequest implements BackendStream, SocketUser {
  readonly mayRefuse = false;
  slot: ConnectionSlot | undefined = undefined;
  readonly #pool: ConnectionSource<BackendConnection>;
  readonly #parser: ResponseParser;
  #tunnel: Tunnel | undefined = undefined;
  #tunnelOver: (() => void) | undefined = undefined;
  #sawResponseByte = false;
  #informational = 0;
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
    super(runtime, socket, proxyProtocol);
    this.#pool = pool;
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

  refusesUpgrade(): undefined {
    return undefined;
  }

  protected override expectResponse(request: RequestHead): void {
    this.#sawResponseByte = false;
    this.#informational = 0;
    this.#parser.expect(request.method);
  }

  /** The exchange ends without this connection: what is under way on it is of no use to anybody. */
  abandon(): void {
    this.exchange = undefined;
    this.#giveUp();
  }

  /** Nothing comes after the head that was just read. */
  get endsWithHead(): boolean {
    return this.#parser.complete;
  }

  // ---- The response -----------------------------------------------------------------------------------------

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    this.runtime.touch();
    this.runtime.counters.cells[Counter.bytesFromBackends]! += length;
    if (this.#tunnel !== undefined) return this.#tunnel.fromBackend(chunk, length, source);
    if (this.#held) return this.#keep(chunk, 0, length);
    this.#consume(chunk, length, source);
  }

  #consume(chunk: Buffer, length: number, source: ChunkSource): void {
    const parser = this.#parser;
    let at = 0;
    do {
      const exchange = this.exchange;
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
    this.exchange?.responseFlush();
    if (this.exchange !== undefined) this.awaitBackend();
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
      if (head.status === 100) this.expecting = false;
      exchange.informational(head);
      return true;
    }
    if (exchange.responseHead(head, this.runtime.now)) return this.exchange === exchange;
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
    this.exchange = undefined;
    // What the backend was told of the client holds for the whole connection: it is nobody else's.
    if (this.proxyProtocol === undefined && mayReuse(head, this.requestDone, this.#dead)) {
      const hint = head.ids.includes(FieldId.keepAlive)
        ? keepAliveTimeout(fieldValue(head, FieldId.keepAlive))
        : 0;
      if (hint > 0) this.#pool.hintIdleTimeout(hint);
      this.runtime.wheel.disarm(this);
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
    if (!this.upgrading || !exchange.downstream.mayTunnel(head)) {
      return this.#fail(new ProxyFailure('BACKEND_INVALID', '101 that was not asked for'));
    }
    this.runtime.wheel.disarm(this);
    this.exchange = undefined;
    this.#tunnel = exchange.downstream.openTunnel(head, this);
    this.#tunnelOver = exchange.tunnelled();
    if (at < length) this.#tunnel.fromBackend(chunk.subarray(at, length), length - at, source);
  }

  // ---- Flow -------------------------------------------------------------------------------------------------

  drained(): void {
    this.runtime.touch();
    if (this.#tunnel !== undefined) this.#tunnel.backendDrained();
    else if (this.exchange !== undefined) {
      this.awaitBackend();
      this.exchange.backendDrained();
    }
  }

  // ---- The end ----------------------------------------------------------------------------------------------

  override expired(): void {
    if (this.exchange === undefined) return this.#giveUp();
    const { response } = this.runtime.settings.timeouts;
    this.#fail(new ProxyFailure('BACKEND_TIMEOUT', `nothing for ${response} ms`));
  }

  /** The backend sent its end of stream. */
  ended(): void {
    this.runtime.touch();
    if (this.#tunnel !== undefined) return this.#tunnel.backendEnded();
    const exchange = this.exchange;
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
    this.runtime.touch();
    this.#dead = true;
    this.runtime.wheel.remove(this);
    try {
      this.#tunnelOver?.();
      if (this.#tunnel !== undefined) this.#tunnel.backendClosed();
      else if (this.exchange !== undefined) this.#lost(error);
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
    const exchange = this.exchange;
    this.exchange = undefined;
    this.#giveUp();
    exchange?.backendFailed(failure);
  }

  #giveUp(): void {
    this.runtime.wheel.remove(this);
    this.dropStaged();
    this.destroy();
    this.#pool.closed(this);
  }
}

/**
 * A body that is longer than its length says, as servers send that count characters in place of bytes: the response
 * is what its length says, and the connection ends with it (RFC 9112 §6.3). Where another response follows, or where
 * there was to be no body at all, nobody can tell what the backend meant.
 */
function isLongerBody(head: ResponseHead, surplus: string): boolean {
  return head.framing === BodyFraming.length && head.contentLength > 0 && !'HTTP/'.startsWith(surplus);
}
