/**
 * Where a connection is: with a user (`active`), waiting for one (`idle`), being closed by the pool (`closing`,
 * its permit is still held) or gone (`closed`).
 */
export type SlotState = 'active' | 'idle' | 'closing' | 'closed';

/** What the pool needs of a connection. */
export interface PoolableConnection {
  /** The pool's bookkeeping: set by the pool when the connect succeeded, kept (also after the close) by the connection. */
  slot: PoolSlot | undefined;
  /**
   * Whether it may carry another request: `false` if it closed, errored, or has unread bytes (bytes nobody asked
   * for would be taken for the next answer: response queue poisoning). Must not cost a system call.
   */
  isReusable(): boolean;
  /** Closes now. Must lead to `pool.closed(connection)` exactly once, at once or later. */
  destroy(): void;
}

/**
 * What a pool knows of one connection. Users may read `requests`, `reused`, `connectMs`, `createdAt`, `idleSince`
 * and `state`; only the pool writes.
 */
export class PoolSlot {
  /** The connection this slot belongs to. */
  readonly connection: PoolableConnection;
  /** Where the connection is. */
  state: SlotState;
  /** Uses that ended with `release`. 0 while the first request is under way: fresh, never used. */
  requests: number;
  /**
   * Whether it has been idle or used before the present use, so that the backend may have closed it unseen. A
   * connection made in advance (`minIdle`) has `requests === 0` and `reused === true`.
   */
  reused: boolean;
  /** Clock value when the connect was done, in milliseconds. */
  readonly createdAt: number;
  /** Clock value when it last became idle, in milliseconds; `createdAt` before the first time. */
  idleSince: number;
  /** Clock value after which it is not used again (`maxLifetime`, less some jitter), or `Infinity`. */
  readonly expiresAt: number;
  /** How long the connect took, in milliseconds. */
  readonly connectMs: number;
  /** A connection over the limit (policy `overflow`): it holds no permit and is closed after its use. */
  readonly overflow: boolean;
  /** Destroyed in favour of another thread. @internal */
  donated: boolean;
  /** Neighbour in the idle list that was put there before. @internal */
  older: PoolSlot | undefined;
  /** Neighbour in the idle list that was put there after. @internal */
  newer: PoolSlot | undefined;

  constructor(
    connection: PoolableConnection,
    createdAt: number,
    expiresAt: number,
    connectMs: number,
    overflow: boolean,
  ) {
    this.connection = connection;
    this.state = 'active';
    this.requests = 0;
    this.reused = false;
    this.createdAt = createdAt;
    this.idleSince = createdAt;
    this.expiresAt = expiresAt;
    this.connectMs = connectMs;
    this.overflow = overflow;
    this.donated = false;
    this.older = undefined;
    this.newer = undefined;
  }
}
