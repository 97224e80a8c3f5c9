import type { ConnectAttempt } from './connect-attempt.ts';
import { PoolSlot, type PoolableConnection } from './connection.ts';
import { Connects } from './connects.ts';
import { Demand } from './demand.ts';
import { Holdings } from './holdings.ts';
import { Lobby } from './lobby.ts';
import { LocalPermits, type Permits } from './permits.ts';
import { resolveLimits, type PoolLimits, type PoolOptions, type ResolvedLimits } from './pool-options.ts';
import { snapshot, type PoolStats } from './pool-stats.ts';
import type { PoolWaiter, WaiterNode } from './waiter.ts';

const DEFAULT_MAX_CONNECTIONS = 32;
/** Share of `maxLifetime` that is taken off at random, so that connections made together do not end together. */
const LIFETIME_JITTER = 0.1;
/** How much earlier than the backend says an idle connection is closed, in milliseconds: its close is under way by then. */
const HINT_MARGIN_MS = 1000;

/**
 * The connections to one backend, for one event loop. Idle ones are used last in, first out; waiters are served
 * first come, first served. It knows nothing of HTTP or sockets, and keeps no timer: the owner calls `upkeep`.
 *
 * Connects are not tied to waiters: there is one under way for each waiter while permits last, a new connection
 * goes to whoever has waited longest, and a connect that fails fails whoever has waited longest.
 */
export class ConnectionPool<C extends PoolableConnection> {
  readonly #permits: Permits;
  readonly #clock: () => number;
  readonly #random: () => number;
  readonly #connects: Connects<C>;
  readonly #lobby: Lobby<C>;
  readonly #holdings: Holdings;
  #limits: ResolvedLimits;
  #hint = Infinity;
  #draining = false;
  #pumping = false;
  /** `start` was called. */
  #started = false;
  #lastUsed = -Infinity;

  /** Opens no connection. Throws a `RangeError` for a limit that makes no sense. */
  constructor(options: PoolOptions<C>) {
    const limits = resolveLimits(options);
    const defer = options.defer ?? queueMicrotask;
    this.#limits = limits;
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.#permits = options.permits ?? new LocalPermits(limits.maxConnections ?? DEFAULT_MAX_CONNECTIONS);
    if (limits.maxConnections !== undefined) this.#permits.resize(limits.maxConnections);
    this.#permits.listen({
      permitAvailable: () => this.#takeGiven(),
      permitWanted: () => this.#holdings.donate(),
    });
    this.#lobby = new Lobby<C>(defer);
    const demand = new Demand(options.shrinkDelay ?? 10_000, options.shrinkRate ?? 0.1, this.#clock());
    this.#holdings = new Holdings(this.#permits, demand, limits.idleTimeout);
    this.#connects = new Connects<C>(
      options.connector,
      {
        connected: (attempt, connection, connectMs) => this.#connected(attempt, connection, connectMs),
        connectFailed: (attempt, error) => this.#connectFailed(attempt, error),
      },
      this.#clock,
      this.#random,
      defer,
      limits.connectTimeout,
      limits.backoff,
    );
  }

  /** How many wait: while it is not 0, `upkeep` should be called each 100 ms. */
  get waiting(): number {
    return this.#lobby.size;
  }

  /** Whoever asks now waits behind others for whom there is no connection: another pool may have one. */
  get congested(): boolean {
    return this.#lobby.size > this.#connects.size && this.#holdings.idle === 0;
  }

  /** It was drained, and nothing is left of it: no connection, no connect, no waiter. */
  get isDone(): boolean {
    return this.#draining && this.size === 0 && this.#lobby.size === 0;
  }

  /** Connections in whatever state, and connects under way. */
  get size(): number {
    return this.#holdings.size + this.#connects.pending;
  }

  /** Keeps `minIdle` connections ready from now on, rather than from the first use. */
  start(): void {
    this.#started = true;
    this.#refill(this.#clock());
  }

  /**
   * An idle connection at once, or `undefined`: then the waiter is called later, never inside this call, with a
   * connection or an error. Throws if the waiter waits already.
   */
  acquire(waiter: PoolWaiter<C>): C | undefined {
    const now = this.#clock();
    this.#lastUsed = now;
    const slot = this.#holdings.takeIdle(now);
    // A slot is made for a connection of this pool, so it has no other type.
    if (slot !== undefined) return slot.connection as C;
    this.#acquireSlowly(waiter, false);
    return undefined;
  }

  /**
   * A connection that never was idle or used, for a request that hit a stale one. The waiter is called later.
   * An idle connection is closed if that is what it takes.
   */
  acquireFresh(waiter: PoolWaiter<C>): void {
    this.#lastUsed = this.#clock();
    this.#acquireSlowly(waiter, true);
  }

  /**
   * The waiter wants nothing any more and hears nothing more. A connect under way for it goes to the next waiter,
   * or the connection becomes idle. No effect if it does not wait.
   */
  cancel(waiter: PoolWaiter<C>): void {
    if (!this.#lobby.cancel(waiter)) return;
    if (this.#draining) this.#connects.abandonSpare(this.#lobby.size);
    this.#settleWants();
  }

  /**
   * Gives back a connection that is at a message boundary and may be used again. No effect if it has closed in the
   * meantime; throws if it is idle already, since then two users believe that they have it.
   */
  release(connection: C): void {
    const slot = connection.slot;
    if (slot === undefined || slot.state === 'closed' || slot.state === 'closing') return;
    if (slot.state === 'idle') throw new Error('the connection was released already');
    const now = this.#clock();
    slot.requests++;
    slot.reused = true;
    if (slot.overflow || slot.requests >= this.#limits.maxRequestsPerConnection || now >= slot.expiresAt) {
      this.#holdings.close(slot);
    } else if (this.#holdings.isExcess()) this.#holdings.close(slot);
    else if (this.#lobby.size > 0 && this.#serve(slot, connection, now)) return;
    else if (this.#draining) this.#holdings.close(slot);
    else this.#holdings.shelve(slot, now);
  }

  /** Gives back a connection that must not be used again; it is destroyed. No effect if it has closed. */
  discard(connection: C): void {
    const slot = connection.slot;
    if (slot === undefined || slot.state === 'closed' || slot.state === 'closing') return;
    this.#holdings.close(slot);
  }

  /** A connection is gone, whatever it was doing: its permit is free. Idempotent. */
  closed(connection: C): void {
    const slot = connection.slot;
    if (slot === undefined || slot.state === 'closed') return;
    this.#holdings.gone(slot);
    this.#pump();
    this.#closePermitsWhenDone();
  }

  /**
   * The backend closes idle connections after this many milliseconds (`Keep-Alive: timeout`, given in seconds): ours
   * close a second before. The last hint counts; one that is not a number from 0 is ignored.
   */
  hintIdleTimeout(ms: number): void {
    if (!(ms >= 0) || ms === this.#hint) return;
    this.#hint = ms;
    this.#setIdleTimeout();
  }

  /**
   * What time brings: queue timeouts, the trial after a back-off, and (about each second, however often it is
   * called) eviction, sizing and refill. To be called each second, and each 100 ms while `waiting` is not 0: a
   * waiter times out at the first call at or after its time. `now` is a value of the clock.
   */
  upkeep(now: number): void {
    if (this.#lobby.size > 0) {
      this.#lobby.expire(now - this.#limits.queueTimeout, this.#connects.size);
      this.#pump();
      if (this.#lobby.size > this.#connects.size) this.#permits.remind();
    }
    this.#holdings.donate();
    if (!this.#holdings.isDue(now)) return;
    this.#holdings.tidy(now, Math.max(this.#limits.maxIdle, this.#limits.minIdle));
    this.#refill(now);
  }

  /**
   * Takes nothing new: closes idle connections now and those in use when they are released. Who waits already is
   * still served.
   */
  drain(): void {
    this.#draining = true;
    this.#holdings.evictAll();
    this.#connects.abandonSpare(this.#lobby.size);
    this.#closePermitsWhenDone();
  }

  /** Other limits from now on; what is absent stays. Connections above them go when they are idle or released. */
  update(options: PoolLimits): void {
    const limits = resolveLimits(options, this.#limits);
    if (options.maxConnections !== undefined) this.#permits.resize(options.maxConnections);
    this.#limits = limits;
    this.#setIdleTimeout();
    this.#connects.timeout = limits.connectTimeout;
    this.#connects.updateBackoff(limits.backoff);
    this.#holdings.shed();
    this.#pump();
  }

  /** The figures of this moment. */
  stats(): PoolStats {
    return snapshot(this.#connects, this.#holdings, this.#lobby, this.#draining, this.#clock());
  }

  #acquireSlowly(waiter: PoolWaiter<C>, fresh: boolean): void {
    if (this.#draining) return this.#lobby.refuse(waiter, 'POOL_DRAINING');
    const now = this.#clock();
    if (this.#connects.blocked(now)) return this.#lobby.refuse(waiter, 'POOL_BACKOFF');
    const node = this.#lobby.enqueue(waiter, fresh, now);
    this.#pump();
    const lacking = this.#lobby.size - this.#connects.size;
    if (lacking <= 0) return;
    // `settleWants` closes an idle connection for it, and the permit of one being closed is as good as there.
    if (fresh && this.#holdings.returning > 0) return;
    this.#lobby.exhausted++;
    this.#applyPolicy(node, lacking);
    this.#settleWants();
  }

  #applyPolicy(node: WaiterNode<C>, lacking: number): void {
    const { onExhausted, maxQueue, maxOverflow } = this.#limits;
    if (onExhausted === 'queue') {
      if (lacking > maxQueue) this.#lobby.fail(node, 'POOL_QUEUE_FULL');
    } else if (onExhausted === 'overflow' && this.#holdings.overflow < (maxOverflow ?? this.#permits.max)) {
      this.#holdings.overflow++;
      this.#connects.start(true);
    } else this.#lobby.fail(node, 'POOL_EXHAUSTED');
  }

  /** Starts connects until there is one for each waiter, or no permit. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#lobby.size > this.#connects.size) {
      if (this.#connects.blocked(this.#clock()) || !this.#permits.tryTake()) break;
      this.#connects.start(false);
    }
    this.#pumping = false;
    this.#settleWants();
  }

  /** Another thread gave permits back: they are taken, and if that helped but was not enough, more are asked for. */
  #takeGiven(): void {
    const before = this.#connects.pending;
    this.#pump();
    if (this.#connects.pending > before && this.#lobby.size > this.#connects.size) this.#permits.remind();
  }

  /** After each change to waiters or connects: what about those for whom no connect is under way? */
  #settleWants(): void {
    const lacking = this.#lobby.size - this.#connects.size;
    if (lacking <= 0) this.#permits.stopWaiting();
    else if (this.#connects.blocked(this.#clock())) {
      // Nothing is to be had of a permit now. Without a connection that could come back to the waiters, all that
      // is left is another backend, and the sooner they know the better.
      this.#permits.stopWaiting();
      if (this.#holdings.active === 0 && this.#connects.size === 0) this.#lobby.failAll('POOL_BACKOFF');
    } else {
      // With idle connections there, only those who want a fresh one wait.
      if (lacking > this.#holdings.returning) this.#holdings.evictOldest();
      if (this.#lobby.size > this.#connects.size) this.#permits.wait();
    }
  }

  #connected(attempt: ConnectAttempt<C>, connection: C, connectMs: number): void {
    const now = this.#clock();
    const life = this.#limits.maxLifetime * (1 - LIFETIME_JITTER * this.#random());
    const slot = new PoolSlot(connection, now, now + life, connectMs, attempt.overflow);
    connection.slot = slot;
    const node = this.#lobby.first;
    if (node === undefined) {
      this.#holdings.adopt(slot, now, !slot.overflow && !this.#draining);
      this.#closePermitsWhenDone();
      return;
    }
    this.#holdings.activateFresh();
    const waiter = this.#lobby.take(node);
    this.#pump();
    waiter.connectionReady(connection, false);
  }

  #connectFailed(attempt: ConnectAttempt<C>, error: unknown): void {
    if (attempt.overflow) this.#holdings.overflow--;
    else this.#permits.give();
    const node = this.#lobby.first;
    // A connect that nobody was in need of fails nobody.
    if (node !== undefined && !attempt.abandoned && this.#lobby.size > this.#connects.size) {
      this.#lobby.fail(node, 'POOL_CONNECT_FAILED', error);
    }
    this.#pump();
    this.#closePermitsWhenDone();
  }

  /** Gives a connection that was just released to a waiter, or closes it in favour of one. False if it becomes idle. */
  #serve(slot: PoolSlot, connection: C, now: number): boolean {
    if (this.#holdings.yieldToStarving(slot, now)) return true;
    const node = this.#lobby.firstForUsed;
    const coming = this.#connects.size + this.#holdings.returning;
    const blocked = this.#connects.blocked(now);
    // Those who want a fresh connection need the permit of this one, in their turn.
    const freshFirst = coming === 0 && !blocked && this.#lobby.first !== node;
    if (node === undefined || freshFirst) {
      if (blocked || this.#lobby.size <= coming) return false;
      this.#holdings.close(slot);
      return true;
    }
    if (!connection.isReusable()) {
      this.#holdings.close(slot);
      return true;
    }
    this.#holdings.passOn();
    const waiter = this.#lobby.take(node);
    this.#settleWants();
    waiter.connectionReady(connection, true);
    return true;
  }

  /** Makes up for idle connections that are missing, unless the pool has not been used for long. */
  #refill(now: number): void {
    const unused = !this.#started && now - this.#lastUsed > this.#limits.idleTimeout;
    if (this.#draining || unused || this.#permits.othersWait()) return;
    const spare = this.#holdings.idle + this.#connects.size - this.#lobby.size;
    for (let missing = this.#limits.minIdle - spare; missing > 0; missing--) {
      if (this.#connects.blocked(now) || !this.#permits.tryTake()) return;
      this.#connects.start(false);
    }
  }

  #setIdleTimeout(): void {
    this.#holdings.idleTimeout = Math.min(this.#limits.idleTimeout, Math.max(0, this.#hint - HINT_MARGIN_MS));
  }

  #closePermitsWhenDone(): void {
    if (this.isDone) this.#permits.close();
  }
}
