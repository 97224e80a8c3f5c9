import type { RequestHead } from '@rp/parser';
import type { BodyView } from '../downstream.ts';
import type { Exchange } from '../exchange.ts';
import type { ForwardRules } from '../forward-rules.ts';
import type { ChunkSource } from '../read-buffers.ts';

/**
 * The backend's side of an exchange: an HTTP/1.1 connection while it is lent, or one stream of an HTTP/2 session.
 * Calls come in the order begin, body*, end; or at any time `abandon`. What it reads it tells the exchange by
 * `informational`, `responseHead`, `responseBody`, `responseFlush`, `responseEnd` and `backendFailed`; before the
 * last two it has given itself back.
 */
export interface BackendStream {
  /** The head may wait for the first bytes of the body, until `flush`. */
  begin(exchange: Exchange, request: RequestHead, rules: ForwardRules): void;
  /** False: the backend takes no more for now; `Exchange.backendDrained` follows. */
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
  /** Nothing comes after the head that was just read. */
  readonly endsWithHead: boolean;
}
