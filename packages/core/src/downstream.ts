import type { RequestHead, ResponseHead } from '@rp/parser';
import type { LocalAnswer } from './answers.ts';
import type { StoredAnswer } from './cache-contract.ts';
import type { ExchangeOutcome } from './exchange-outcome.ts';
import type { ProxyFailure } from './failure.ts';
import type { ForwardRules } from './forward-rules.ts';
import type { ChunkSource } from './read-buffers.ts';
import type { Tunnel, TunnelEnd } from './tunnel.ts';

/** Which bytes of a chunk are body. A message parser is one; so is `SingleRange`. */
export interface BodyView {
  readonly bodyRanges: number;
  readonly bodyLength: number;
  bodyRangeStart(index: number): number;
  bodyRangeEnd(index: number): number;
  copyBody(chunk: Buffer, target: Buffer, at: number): number;
}

/** A view of one whole chunk, reused by its owner from chunk to chunk. */
export class SingleRange implements BodyView {
  readonly bodyRanges = 1;
  bodyLength = 0;
  #start = 0;

  of(start: number, end: number): this {
    this.#start = start;
    this.bodyLength = end - start;
    return this;
  }

  bodyRangeStart(): number {
    return this.#start;
  }

  bodyRangeEnd(): number {
    return this.#start + this.bodyLength;
  }

  copyBody(chunk: Buffer, target: Buffer, at: number): number {
    chunk.copy(target, at, this.#start, this.#start + this.bodyLength);
    return at + this.bodyLength;
  }
}

/**
 * The client's side of an exchange: an HTTP/1 connection or an HTTP/2 stream. Calls come in the order informational*,
 * head, body*, end; or one answer; or at any time `cut`.
 */
export interface Downstream {
  readonly address: string;
  readonly secure: boolean;
  /** `HTTP/1.1` and so on, for logs. */
  readonly version: string;
  /** The peer is one of `trustedProxies`. */
  readonly trusted: boolean;

  /** Asks the listener before anything else: it may edit the request, and an answer or a failure ends it. */
  admit(request: RequestHead): LocalAnswer | ProxyFailure | undefined;
  /** What is added to a request that comes from here. */
  forwardRules(requestId: string): ForwardRules;

  /** A 1xx head; dropped where the client's version knows none. */
  sendInformational(head: ResponseHead): void;
  /** The head may wait for the first bytes of the body, until `flush`. `extra`: checked `Name: value\r\n` lines. */
  sendHead(head: ResponseHead, extra: string): void;
  /** False: stop the source until `Exchange.clientDrained`. */
  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean;
  sendEnd(trailers: readonly string[] | undefined): void;
  /** A whole response of the proxy's own. `close`: nothing more is read from this client. */
  sendAnswer(answer: LocalAnswer, close: boolean): void;
  /** A whole response from the cache, in one go. */
  sendStored(answer: StoredAnswer): void;
  /** The head of a response from the cache; its body follows by `sendBody` and `sendEnd`. */
  sendStoredHead(answer: StoredAnswer): void;
  flush(): void;
  /** The response cannot be completed: end so that the client can tell. */
  cut(failure: ProxyFailure): void;

  pauseRequest(): void;
  resumeRequest(): void;

  /** Whether this client asked for the protocol that `head` (a 101) switches to, and nothing is left to send before. */
  mayTunnel(head: ResponseHead): boolean;
  /** Passes the 101 on; from then on bytes belong to the tunnel. */
  openTunnel(head: ResponseHead, backend: TunnelEnd): Tunnel;

  /** The exchange ended: what it needed of the client's side is free. */
  exchangeDone(outcome: ExchangeOutcome): void;
}
