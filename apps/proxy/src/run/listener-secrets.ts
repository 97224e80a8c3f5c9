import type { StoreMessage, TicketKeysMessage } from '@rp/tls';

/**
 * What a worker needs to serve TLS on one listener, as it travels to the worker. Keys are in memory that printing
 * does not show; the supervisor has checked all of it.
 */
export interface ListenerSecrets {
  /** Grows with every change. */
  readonly version: number;
  readonly store: StoreMessage;
  readonly tickets: TicketKeysMessage;
  /** PEM of the authorities that client certificates are signed by; null: clients are not asked. */
  readonly authorities: string | null;
}
