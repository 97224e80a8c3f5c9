import type { RequestHead, ResponseHead } from '@rp/parser';
import type { BodyView, Downstream } from '../downstream.ts';
import type { ProxyFailure } from '../failure.ts';
import type { ForwardRules } from '../forward-rules.ts';
import type { ChunkSource } from '../read-buffers.ts';

/** The exchange as its backend sees it: told of everything that the backend's side reads. */
export interface BackendReader {
  /** The client's side, for a switch of protocols. */
  readonly downstream: Downstream;
  informational(head: ResponseHead): void;
  /** The final head. False: a hook looks at it; nothing more may be delivered until `BackendStream.proceed`. */
  responseHead(head: ResponseHead, now: number): boolean;
  responseBody(chunk: Buffer, view: BodyView, source: ChunkSource): void;
  /** Nothing more came in this turn. */
  responseFlush(): void;
  /** The connection has been given back already. */
  responseEnd(trailers: readonly string[] | undefined): void;
  /** The connection is of no use any more; it has been given back already. */
  backendFailed(failure: ProxyFailure): void;
  backendDrained(): void;
  /**
   * The backend switched protocols: from here on bytes pass both ways unread (RFC 9110 §7.8).
   *
   * @returns what to call when the tunnel has ended
   */
  tunnelled(): () => void;
}

/**
 * The backend's side of an exchange: an HTTP/1.1 connection while it is lent, or one stream of an HTTP/2 session.
 * Calls come in the order begin, body*, end; or at any time `abandon`. What it reads it tells the exchange by
 * `informational`, `responseHead`, `responseBody`, `responseFlush`, `responseEnd` and `backendFailed`; before the
 * last two it has given itself back.
 */
export interface BackendStream {
  /** The head may wait for the first bytes of the body, until `flush`. */
  begin(exchange: BackendReader, request: RequestHead, rules: ForwardRules): void;
  /** False: the backend takes no more for now; `BackendReader.backendDrained` follows. */
  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean;
  sendEnd(trailers: string[] | undefined): void;
  /** Nothing more of the request came in this turn. */
  flush(): void;
  /** The exchange ends without it: what is under way on it is of no use to anybody. */
  abandon(): void;
  /** The client takes no more for now; the time that passes is not the backend's. */
  pauseReading(): void;
  resumeReading(): void;
  /** A hook has looked at the head: go on with what was kept. */
  proceed(): void;
  /** Why it cannot carry the protocol that `request` asks to switch to; undefined if it can. Asked before `begin`. */
  refusesUpgrade(request: RequestHead): ProxyFailure | undefined;
  /** It can be told that the backend did not look at a request that it got. */
  readonly mayRefuse: boolean;
  /** Nothing comes after the head that was just read. */
  readonly endsWithHead: boolean;
}
