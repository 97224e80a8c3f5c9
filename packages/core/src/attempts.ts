import type { RequestHead } from '@rp/parser';
import { failureOf, outcomeOf } from './attempt-failure.ts';
import type { BackendStream } from './backend/stream.ts';
import {
  AttemptOutcome,
  type BackendTarget,
  type ConnectionWaiter,
  type PickContext,
  type PoolFailure,
} from './contracts.ts';
import { Counter } from './counters.ts';
import { MovedAway, ProxyFailure } from './failure.ts';
import { isIdempotent, mayReplay } from './repeat.ts';
import type { RequestBody } from './request-body.ts';
import type { Runtime } from './runtime.ts';
import { Timer } from './timer-wheel.ts';
import type { BackendEntry, Upstream } from './upstream.ts';

/** What the attempts ask of the exchange that they are made for. */
export interface AttemptedExchange extends PickContext {
  readonly request: RequestHead;
  readonly requestId: string;
  readonly responseStarted: boolean;
  readonly upstream: Upstream | undefined;
  readonly firstByteAt: number;
  backend: BackendEntry | undefined;
  failure: ProxyFailure | undefined;
  retries: number;
  attemptedAt: number;
  connectedAt: number;
  /** Asks the handlers of `backendSelected`, of which there are some. */
  backendSelected(backend: string, next: () => void): void;
  /** There is a connection: send the request. */
  connected(connection: BackendStream): void;
  fail(failure: ProxyFailure): void;
}

class RetryTimer extends Timer {
  readonly #attempts: Attempts;

  constructor(attempts: Attempts) {
    super();
    this.#attempts = attempts;
  }

  override expired(): void {
    this.#attempts.next();
  }
}

/**
 * The attempts of one exchange on the backends of its upstream: picks one, borrows a connection, and tries again
 * where that does no harm. The same object serves one exchange after the other.
 */
export class Attempts implements ConnectionWaiter<BackendStream> {
  readonly #runtime: Runtime;
  readonly #exchange: AttemptedExchange;
  readonly #body: RequestBody;

  poolNode: unknown = undefined;
  /** Lent for the current attempt. */
  connection: BackendStream | undefined = undefined;
  #waiting = false;
  #reused = false;
  #replayed = false;
  #count = 0;
  #open = false;
  #tried: BackendTarget[] | undefined = undefined;
  #retryHeld = false;
  #retryTimer: RetryTimer | undefined = undefined;

  constructor(runtime: Runtime, exchange: AttemptedExchange, body: RequestBody) {
    this.#runtime = runtime;
    this.#exchange = exchange;
    this.#body = body;
  }

  /** Another exchange begins. */
  reset(): void {
    this.connection = undefined;
    this.#waiting = this.#reused = this.#replayed = this.#open = false;
    this.#count = 0;
    this.#tried = undefined;
  }

  /** A response came: what is kept of the request may go. */
  answered(): void {
    this.#body.answered();
  }

  /** The exchange has ended: nothing is kept of it. */
  forget(): void {
    this.#tried = undefined;
  }

  /** Picks a backend and asks its pool for a connection. */
  next(): void {
    const exchange = this.#exchange;
    const upstream = exchange.upstream!;
    const now = (exchange.attemptedAt = this.#runtime.now);
    const entry = upstream.pick(exchange, this.#tried);
    if (entry === undefined) {
      return exchange.fail(exchange.failure ?? new ProxyFailure('NO_BACKEND', `upstream ${upstream.name}`));
    }
    if (exchange.request.upgrade !== '' && speaksHttp2(entry.target)) {
      return exchange.fail(
        new ProxyFailure('NOT_IMPLEMENTED', `no upgrades over HTTP/2: ${entry.target.key}`),
      );
    }
    if (!this.#runtime.hooks.backendSelected.active) return this.#connect(entry, now, false);
    exchange.backendSelected(entry.target.key, () => this.#connect(entry, now, false));
  }

  #connect(entry: BackendEntry, now: number, fresh: boolean): void {
    const exchange = this.#exchange;
    exchange.backend = entry;
    this.#count++;
    this.#open = true;
    exchange.upstream!.balancer.started(entry.target, now);
    if (fresh) {
      this.#waiting = true;
      return entry.pool.acquireFresh(this);
    }
    const connection = entry.pool.acquire(this);
    if (connection === undefined) this.#waiting = true;
    else this.connectionReady(connection, true);
  }

  // ---- From the pool ----------------------------------------------------------------------------------------

  connectionReady(connection: BackendStream, reused: boolean): void {
    this.#waiting = false;
    this.connection = connection;
    this.#reused = reused;
    this.#exchange.connected(connection);
  }

  connectionFailed(failure: PoolFailure): void {
    this.#waiting = false;
    this.failed(failureOf(failure));
  }

  // ---- When one fails ---------------------------------------------------------------------------------------

  /** The connection has been given back already, or there never was one. */
  failed(failure: ProxyFailure): void {
    this.connection = undefined;
    const exchange = this.#exchange;
    const entry = exchange.backend!;
    const now = this.#runtime.now;
    const sent = exchange.connectedAt !== 0;
    exchange.failure = failure;
    this.#log(entry, failure);
    if (exchange.responseStarted) {
      this.end(outcomeOf(failure));
      return exchange.fail(failure);
    }
    const refused = failure.code === 'BACKEND_REFUSED';
    const idempotent = isIdempotent(exchange.request.method);
    const bodyReplayable = this.#body.isReplayable(exchange.request, sent);
    const replay =
      failure instanceof MovedAway
        ? bodyReplayable
        : mayReplay(failure.code, this.#reused, idempotent, bodyReplayable);
    if (replay && !this.#replayed) return this.#replay(entry, now, true);
    this.end(outcomeOf(failure));
    (this.#tried ??= []).push(entry.target);
    const failed = {
      retryable: failure.retryable,
      connectionReused: this.#reused,
      // No backend has looked at what was refused (RFC 9113 §8.7).
      requestSent: sent && !refused,
      idempotent,
      responseStarted: false,
      bodyReplayable,
      attempts: this.#count,
    };
    const decision = exchange.upstream!.balancer.mayRetry(failed, this.#tried, now);
    if (decision.retry) return this.#retry(decision.delayMs, now);
    const nowhereElse = decision.why === 'noOtherBackend';
    if (refused && sent && nowhereElse && !this.#replayed) return this.#replay(entry, now, false);
    exchange.fail(failure);
  }

  /**
   * A stale connection says nothing about its backend: the same one gets the request again.
   *
   * @param fresh never on a connection that was there before
   */
  #replay(entry: BackendEntry, now: number, fresh: boolean): void {
    this.end(AttemptOutcome.cancelled);
    this.#replayed = true;
    this.#exchange.retries++;
    this.#runtime.counters.cells[Counter.replays]!++;
    this.#exchange.connectedAt = 0;
    this.#connect(entry, now, fresh);
  }

  #retry(delay: number, now: number): void {
    this.#exchange.retries++;
    this.#retryHeld = true;
    this.#runtime.counters.cells[Counter.retries]!++;
    this.#exchange.connectedAt = 0;
    if (delay === 0) return this.next();
    this.#retryTimer ??= new RetryTimer(this);
    this.#runtime.wheel.arm(this.#retryTimer, delay, now);
  }

  /** The place in the retry budget is free again. */
  #releaseRetry(): void {
    if (!this.#retryHeld) return;
    this.#retryHeld = false;
    this.#exchange.upstream!.balancer.retryBudget.release();
  }

  #log(entry: BackendEntry, failure: ProxyFailure): void {
    const { code, detail } = failure;
    this.#runtime.log.warn(
      { requestId: this.#exchange.requestId, backend: entry.target.key, code, detail },
      'an attempt on a backend failed',
    );
  }

  // ---- The end of one ---------------------------------------------------------------------------------------

  /** Gives up whatever the current attempt holds. */
  drop(outcome: AttemptOutcome): void {
    if (this.#retryTimer !== undefined) this.#runtime.wheel.disarm(this.#retryTimer);
    if (this.#waiting) {
      this.#waiting = false;
      this.#exchange.backend!.pool.cancel(this);
    }
    this.abandon();
    this.end(outcome);
  }

  /** What is left of the response is of no use. */
  abandon(): void {
    const connection = this.connection;
    this.connection = undefined;
    connection?.abandon();
  }

  end(outcome: AttemptOutcome): void {
    this.#releaseRetry();
    if (!this.#open) return;
    this.#open = false;
    const { attemptedAt, firstByteAt, upstream, backend } = this.#exchange;
    const now = this.#runtime.now;
    // Long downloads are no slow backends: what counts is the time to the head.
    const until = firstByteAt > attemptedAt ? firstByteAt : now;
    upstream!.balancer.finished(backend!.target, outcome, now, until - attemptedAt);
  }
}

function speaksHttp2({ protocol }: BackendTarget): boolean {
  return protocol === 'h2' || protocol === 'h2c';
}
