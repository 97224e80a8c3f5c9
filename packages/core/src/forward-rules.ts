import type { ForwardRequest } from '@rp/parser';
import type { BackendTarget } from './contracts.ts';

/** What backends are told of a client: by fields, and by a PROXY protocol header. */
export interface ForwardRules extends ForwardRequest {
  /** The client's port; 0 where it is not known. */
  readonly clientPort: number;
  /** The address that the client connected to. */
  readonly localAddress: string;
}

/**
 * For a request of HTTP/1.0 that names no host: HTTP/1.1 must, and servers refuse an empty one. What is known is whom
 * we ask.
 */
export function withHostOf(target: BackendTarget, rules: ForwardRules): ForwardRules {
  const { protocol, host, port } = target;
  const usual = protocol === 'https' || protocol === 'h2' ? 443 : 80;
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return { ...rules, host: port === usual ? name : `${name}:${port}` };
}
