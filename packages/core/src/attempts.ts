import type { RequestHead } from '@rp/parser';
import { AttemptAccount } from './attempt-account.ts';
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
  readonly #account: AttemptAccount = new AttemptAccount();
  /** The backend was in service when the wait for a connection to it began. */
  #hopeful = false;
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
    this.#waiting = this.#reused = this.#replayed = this.#hopeful = false;
    this.#account.reset();
    this.#count = 0;
    this.#tried = undefined;
  }

  /** A response came: what is kept of the request may go. */
  answered(): void {
    // What failed before did not end the request.
    this.#exchange.failure = undefined;
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
    exchange.attemptedAt = this.#runtime.now;
    const entry = upstream.pick(exchange, this.#tried);
    if (entry === undefined) {
      return exchange.fail(exchange.failure ?? new ProxyFailure('NO_BACKEND', `upstream ${upstream.name}`));
    }
    this.#enter(entry);
  }

  #enter(entry: BackendEntry): void {
    const exchange = this.#exchange;
    const now = exchange.attemptedAt;
    if (!this.#runtime.hooks.backendSelected.active) return this.#connect(entry, now, false);
    exchange.backendSelected(entry.target.key, () => this.#connect(entry, now, false));
  }

  #connect(entry: BackendEntry, now: number, fresh: boolean): void {
    const exchange = this.#exchange;
    exchange.backend = entry;
    this.#count++;
    this.#account.open(exchange, now);
    if (fresh) {
      this.#waiting = true;
      return entry.pool.acquireFresh(this);
    }
    const connection = entry.pool.acquire(this);
    if (connection !== undefined) return this.#use(connection, true);
    this.#waiting = true;
    this.#hopeful = exchange.upstream!.balancer.isInService(entry.target);
  }

  // ---- From the pool ----------------------------------------------------------------------------------------

  connectionReady(connection: BackendStream, reused: boolean): void {
    this.#waiting = false;
    const hopeful = this.#hopeful;
    this.#hopeful = false;
    if (hopeful && this.#movesOn(connection)) return;
    this.#use(connection, reused);
  }

  /** Nothing was sent yet: whoever waited for a backend that has failed others meanwhile goes elsewhere, if it can. */
  #movesOn(connection: BackendStream): boolean {
    const exchange = this.#exchange;
    const upstream = exchange.upstream!;
    const { target } = exchange.backend!;
    if (upstream.balancer.isInService(target)) return false;
    const other = upstream.pick(exchange, [...(this.#tried ?? []), target]);
    if (other === undefined) return false;
    this.connection = connection;
    this.abandon();
    this.#close(AttemptOutcome.cancelled);
    this.#count--;
    exchange.attemptedAt = this.#runtime.now;
    this.#enter(other);
    return true;
  }

  #use(connection: BackendStream, reused: boolean): void {
    this.connection = connection;
    this.#reused = reused;
    const { request } = this.#exchange;
    const refusal = request.upgrade === '' ? undefined : connection.refusesUpgrade(request);
    if (refusal === undefined) this.#exchange.connected(connection);
    else this.#exchange.fail(refusal);
  }

  connectionFailed(failure: PoolFailure): void {
    this.#waiting = this.#hopeful = false;
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

  /**
   * The backend answered, with a status for which another one is to be asked instead, and nothing of it was passed on.
   *
   * @returns whether that is what happens now: the response is of no use any more
   */
  isRepeated(status: number): boolean {
    const exchange = this.#exchange;
    const upstream = exchange.upstream!;
    if (upstream.repeats === undefined || !upstream.repeats(status)) return false;
    const { target } = exchange.backend!;
    const now = this.#runtime.now;
    const failed = {
      retryable: 'yes',
      connectionReused: this.#reused,
      requestSent: true,
      idempotent: isIdempotent(exchange.request.method),
      responseStarted: exchange.responseStarted,
      bodyReplayable: this.#body.isReplayable(exchange.request, true),
      attempts: this.#count,
    } as const;
    const decision = upstream.balancer.mayRetry(failed, [...(this.#tried ?? []), target], now);
    if (!decision.retry) return false;
    (this.#tried ??= []).push(target);
    this.abandon();
    this.end(AttemptOutcome.status5xx);
    this.#retry(decision.delayMs, now);
    return true;
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
    this.#close(outcome);
  }

  #close(outcome: AttemptOutcome): void {
    this.#account.close(outcome, this.#exchange, this.#runtime.now);
  }

  /** The response comes too slowly: that is held against its backend, and it goes on all the same. */
  trickles(): void {
    this.#account.judge(AttemptOutcome.success, this.#exchange, this.#runtime.now, true);
  }

  /**
   * The connections on both sides are one tunnel from now on, and the exchange ends.
   *
   * @returns what to call when the tunnel ends: until then the backend has it to carry
   */
  tunnelled(): () => void {
    this.connection = undefined;
    this.#account.judge(AttemptOutcome.success, this.#exchange, this.#runtime.now, false);
    this.#releaseRetry();
    return this.#account.leaveOpen(this.#exchange);
  }
}
