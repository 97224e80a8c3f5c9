import type { ForwardRequest } from '@rp/parser';

/** What backends are told of a client: by fields, and by a PROXY protocol header. */
export interface ForwardRules extends ForwardRequest {
  /** The client's port; 0 where it is not known. */
  readonly clientPort: number;
  /** The address that the client connected to. */
  readonly localAddress: string;
}
