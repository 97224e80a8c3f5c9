import type { PoolableConnection } from './connection.ts';

/** Makes connections for a pool. */
export interface Connector<C extends PoolableConnection> {
  /**
   * Starts a connect (with TLS, if it is wanted). Later, or at once, exactly one of `attempt.succeeded` and
   * `attempt.failed` is called; the connector fails it after `attempt.timeout` milliseconds. An exception counts
   * as `failed`.
   */
  connect(attempt: ConnectAttempt<C>): void;
  /**
   * Nobody wants the outcome any more (the pool drains and its waiter left). The connector may stop, and then
   * calls `attempt.failed`; a success that comes all the same is closed. Without it, connects end by themselves.
   */
  abandon?(attempt: ConnectAttempt<C>): void;
}

/** Who is told how an attempt ended. @internal */
export interface AttemptOwner<C extends PoolableConnection> {
  attemptSucceeded(attempt: ConnectAttempt<C>, connection: C): void;
  attemptFailed(attempt: ConnectAttempt<C>, error: unknown): void;
}

/** One connect under way. */
export class ConnectAttempt<C extends PoolableConnection> {
  /** Clock value when it began, in milliseconds. */
  readonly startedAt: number;
  /** `connectTimeout` in milliseconds, for the connector to enforce. */
  readonly timeout: number;
  /** For a connection over the limit, without a permit. */
  readonly overflow: boolean;
  /** Which round of the back-off it belongs to. @internal */
  readonly round: number;
  /** The pool asked the connector to stop; its failure says nothing about the backend. @internal */
  abandoned: boolean;
  /** For the connector's own use: the socket, for example, so that `abandon` finds it. */
  context: unknown;
  #owner: AttemptOwner<C> | undefined;

  /** @internal */
  constructor(owner: AttemptOwner<C>, startedAt: number, timeout: number, overflow: boolean, round: number) {
    this.startedAt = startedAt;
    this.timeout = timeout;
    this.overflow = overflow;
    this.round = round;
    this.abandoned = false;
    this.context = undefined;
    this.#owner = owner;
  }

  /** The connection is ready for a request. After the attempt has ended, the connection is closed instead. */
  succeeded(connection: C): void {
    const owner = this.#owner;
    this.#owner = undefined;
    if (owner === undefined) connection.destroy();
    else owner.attemptSucceeded(this, connection);
  }

  /** There is no connection; `error` becomes the `cause` of what the waiter gets. No effect after the end. */
  failed(error: unknown): void {
    const owner = this.#owner;
    this.#owner = undefined;
    if (owner !== undefined) owner.attemptFailed(this, error);
  }
}
