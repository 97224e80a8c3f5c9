import { Backoff, type BackoffSettings } from './backoff.ts';
import { ConnectAttempt, type AttemptOwner, type Connector } from './connect-attempt.ts';
import { ConnectTimer, type ConnectTimes } from './connect-times.ts';
import type { PoolableConnection } from './connection.ts';

/** What the pool does with outcomes. */
export interface ConnectsListener<C extends PoolableConnection> {
  connected(attempt: ConnectAttempt<C>, connection: C, connectMs: number): void;
  /** `abandoned` attempts are no longer in `size`. */
  connectFailed(attempt: ConnectAttempt<C>, error: unknown): void;
}

/** The connects under way, and the back-off that decides whether there may be more. */
export class Connects<C extends PoolableConnection> implements AttemptOwner<C> {
  readonly #connector: Connector<C>;
  readonly #listener: ConnectsListener<C>;
  readonly #clock: () => number;
  readonly #defer: (callback: () => void) => void;
  readonly #backoff: Backoff;
  readonly #timer = new ConnectTimer();
  /** All that have not ended, abandoned ones too. */
  readonly #attempts = new Set<ConnectAttempt<C>>();
  #abandoned = 0;
  #starting = false;
  /** For attempts started from now on, in milliseconds. */
  timeout: number;
  /** Connects that succeeded. */
  created: number = 0;
  /** Connects that failed. */
  failed: number = 0;

  constructor(
    connector: Connector<C>,
    listener: ConnectsListener<C>,
    clock: () => number,
    random: () => number,
    defer: (callback: () => void) => void,
    timeout: number,
    backoff: BackoffSettings,
  ) {
    this.#connector = connector;
    this.#listener = listener;
    this.#clock = clock;
    this.#defer = defer;
    this.#backoff = new Backoff(backoff, random);
    this.timeout = timeout;
  }

  /** Connects under way whose outcome is wanted. */
  get size(): number {
    return this.#attempts.size - this.#abandoned;
  }

  /** Connects under way, abandoned ones too: all that hold permits. */
  get pending(): number {
    return this.#attempts.size;
  }

  /** How long connects took. */
  get times(): ConnectTimes {
    return this.#timer.snapshot();
  }

  /** Whether failures forbid to start one now. */
  blocked(now: number): boolean {
    return this.#backoff.blocks(now);
  }

  /** New settings of the back-off. */
  updateBackoff(settings: BackoffSettings): void {
    this.#backoff.update(settings);
  }

  /** Starts one. The caller has the permit for it. */
  start(overflow: boolean): void {
    const attempt = new ConnectAttempt<C>(this, this.#clock(), this.timeout, overflow, this.#backoff.round);
    this.#attempts.add(attempt);
    this.#backoff.started();
    const outer = this.#starting;
    this.#starting = true;
    try {
      this.#connector.connect(attempt);
    } catch (error) {
      attempt.failed(error);
    } finally {
      this.#starting = outer;
    }
  }

  /** Gives up all but `wanted` of those under way, the newest first, if the connector can. */
  abandonSpare(wanted: number): void {
    if (this.#connector.abandon === undefined || this.size <= wanted) return;
    for (const attempt of Array.from(this.#attempts).toReversed()) {
      if (this.size <= wanted) return;
      if (attempt.abandoned) continue;
      attempt.abandoned = true;
      this.#abandoned++;
      this.#connector.abandon(attempt);
    }
  }

  attemptSucceeded(attempt: ConnectAttempt<C>, connection: C): void {
    if (!this.#starting) this.#succeed(attempt, connection);
    // Inside `connect`, so perhaps inside `acquire`, where nobody may be handed a connection.
    else this.#defer(() => this.#succeedLater(attempt, connection));
  }

  attemptFailed(attempt: ConnectAttempt<C>, error: unknown): void {
    this.#end(attempt);
    if (attempt.abandoned) this.#backoff.abandoned(attempt.round);
    else {
      this.failed++;
      this.#backoff.failed(attempt.round, this.#clock());
    }
    this.#listener.connectFailed(attempt, error);
  }

  #succeed(attempt: ConnectAttempt<C>, connection: C): void {
    this.#end(attempt);
    const connectMs = this.#clock() - attempt.startedAt;
    this.created++;
    this.#timer.record(connectMs);
    this.#backoff.succeeded();
    this.#listener.connected(attempt, connection, connectMs);
  }

  /** Until now the pool did not know the connection, and may have missed its end. */
  #succeedLater(attempt: ConnectAttempt<C>, connection: C): void {
    if (connection.isReusable()) return this.#succeed(attempt, connection);
    connection.destroy();
    this.attemptFailed(attempt, new Error('the connection was closed before it could be used'));
  }

  #end(attempt: ConnectAttempt<C>): void {
    this.#attempts.delete(attempt);
    if (attempt.abandoned) this.#abandoned--;
  }
}
