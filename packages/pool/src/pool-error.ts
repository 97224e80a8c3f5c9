/**
 * What went wrong, as a stable string to match on:
 *
 * - `POOL_EXHAUSTED`: every connection is busy and the policy is `fail` (or `overflow` is at its own limit);
 * - `POOL_QUEUE_FULL`: the queue of waiters is at `maxQueue`;
 * - `POOL_QUEUE_TIMEOUT`: no connection became free within `queueTimeout`;
 * - `POOL_CONNECT_FAILED`: the connect made for this waiter failed, `cause` says why;
 * - `POOL_BACKOFF`: the last connects failed and it is too early to try again;
 * - `POOL_DRAINING`: the pool takes nothing new.
 */
export type PoolErrorCode =
  | 'POOL_EXHAUSTED'
  | 'POOL_QUEUE_FULL'
  | 'POOL_QUEUE_TIMEOUT'
  | 'POOL_CONNECT_FAILED'
  | 'POOL_BACKOFF'
  | 'POOL_DRAINING';

const MESSAGES: Readonly<Record<PoolErrorCode, string>> = {
  POOL_EXHAUSTED: 'all connections to the backend are in use',
  POOL_QUEUE_FULL: 'too many requests wait for a connection to the backend',
  POOL_QUEUE_TIMEOUT: 'no connection to the backend became free in time',
  POOL_CONNECT_FAILED: 'the connection to the backend could not be made',
  POOL_BACKOFF: 'connects to the backend failed a moment ago',
  POOL_DRAINING: 'the pool is draining',
};

/** Why there is no connection. Nothing was sent to the backend yet, so another backend may always be tried. */
export class PoolError extends Error {
  override readonly name: string = 'PoolError';
  /** Stable: match on this, never on the message. */
  readonly code: PoolErrorCode;
  /** Who is at fault: the backend for connects, the proxy (its limits) for the rest. */
  readonly source: 'backend' | 'proxy';
  /** Always `yes`: a request without a connection has sent no byte. */
  readonly retryable: 'yes' = 'yes' as const;

  /** `cause` is the connector's error, where there is one. */
  constructor(code: PoolErrorCode, cause?: unknown) {
    super(MESSAGES[code], cause === undefined ? undefined : { cause });
    this.code = code;
    this.source = code === 'POOL_CONNECT_FAILED' || code === 'POOL_BACKOFF' ? 'backend' : 'proxy';
  }
}
