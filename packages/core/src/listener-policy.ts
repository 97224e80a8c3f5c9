import type { RequestHead, ResponseHead } from '@rp/parser';
import type { TLSSocket } from 'node:tls';
import type { LocalAnswer } from './answers.ts';
import type { ProxyFailure } from './failure.ts';

/**
 * What one listener does with its requests before the pipeline sees them, and with its responses: redirection to
 * HTTPS, client identity, HSTS. Injected, since certificates are not the engine's business. A listener without one
 * costs nothing.
 */
export interface ListenerPolicy {
  /** Flat `name, value, …` that every request of a TLS connection gets; asked once, after the handshake. */
  identify?(socket: TLSSocket): readonly string[];
  /** Sees every request first and may edit its fields. An answer or a failure ends it. */
  admit?(request: RequestHead, identity: readonly string[]): LocalAnswer | ProxyFailure | undefined;
  /** Flat `name, value, …` that a response gets. `head` is undefined where the answer is the proxy's own. */
  responseFields?(request: RequestHead, head: ResponseHead | undefined): readonly string[];
}

export const noIdentity: readonly string[] = [];
