import type { BackendPool, ConnectionWaiter, PoolFailure } from '../../contracts.ts';
import type { Attempt } from '../connecting.ts';
import type { BackendStream } from '../stream.ts';
import { BACKOFF_FIRST, BACKOFF_MOST, MAX_SESSIONS, MAX_STREAMS } from './bounds.ts';
import type { Http2Connector } from './connector.ts';
import { completeLimits, type Http2PoolLimits, type Http2PoolStats } from './pool-limits.ts';
import type { Http2BackendSession } from './session.ts';
import type { SessionLife, SessionOwner } from './session-life.ts';

type Waiter = ConnectionWaiter<BackendStream>;

/** A connect under way, until the backend has greeted or it has failed. */
class Opening implements Attempt<Http2BackendSession> {
  readonly timeout: number;
  readonly startedAt: number;
  readonly #pool: Http2BackendPool;
  context: unknown = undefined;
  session: Http2BackendSession | undefined = undefined;

  constructor(pool: Http2BackendPool, timeout: number, now: number) {
    this.#pool = pool;
    this.timeout = timeout;
    this.startedAt = now;
  }

  succeeded(session: Http2BackendSession): void {
    this.session = session;
    session.greet(this.timeout);
  }

  failed(error: unknown): void {
    this.#pool.openingFailed(this, error);
  }
}

/**
 * The HTTP/2 connections of one worker to one backend: few, each with many streams. Requests share a connection as
 * long as it has a place; another one is made only when all are full.
 */
export class Http2BackendPool implements BackendPool<BackendStream>, SessionOwner {
  readonly #connector: Http2Connector;
  readonly #clock: () => number;
  #limits: Required<Http2PoolLimits>;
  /** Those that take new streams. */
  readonly #sessions: SessionLife[] = [];
  /** Those that only end what they have. */
  readonly #leaving: Set<SessionLife> = new Set();
  readonly #openings: Set<Opening> = new Set();
  /** Who waits, with the time at which that is too long; in the order in which they came. */
  readonly #waiters: Map<Waiter, number> = new Map();
  /** Those of them that want a connection made after they asked. */
  readonly #fresh: Set<Waiter> = new Set();
  /** Streams that the backend took on the last connection that was made. */
  #places = MAX_STREAMS;
  #backoff = 0;
  #blockedUntil = 0;
  #draining = false;
  #created = 0;
  #failed = 0;
  #acquired = 0;
  #reused = 0;
  #exhausted = 0;
  #timedOut = 0;
  #cancelled = 0;
  #refused = 0;
  #evicted = 0;
  #connectSum = 0;
  #connectMax = 0;

  /** @param clock monotonic milliseconds */
  constructor(connector: Http2Connector, clock: () => number, limits: Http2PoolLimits = {}) {
    this.#connector = connector;
    this.#clock = clock;
    this.#limits = completeLimits(limits);
  }

  // ---- BackendPool ------------------------------------------------------------------------------------------

  get congested(): boolean {
    return this.#waiters.size > this.#openings.size * this.#places;
  }

  get isDone(): boolean {
    return this.#draining && this.size === 0 && this.#waiters.size === 0;
  }

  acquire(waiter: Waiter): BackendStream | undefined {
    const session = this.#roomy();
    if (session !== undefined) {
      this.#reused++;
      return this.#lend(session);
    }
    this.#exhausted++;
    this.#enqueue(waiter, this.#wants(this.#waiters.size + 1));
    return undefined;
  }

  acquireFresh(waiter: Waiter): void {
    // Whatever is lost with a connection is lost at once: one new connection serves all of it.
    if (this.#enqueue(waiter, this.#openings.size === 0)) this.#fresh.add(waiter);
  }

  cancel(waiter: Waiter): void {
    if (this.#leave(waiter)) this.#cancelled++;
    if (this.#draining) this.drain();
  }

  upkeep(now: number): void {
    for (const [waiter, deadline] of this.#waiters) {
      if (deadline > now) break;
      // A connect under way has a timeout of its own.
      if (this.#openings.size > 0) break;
      this.#leave(waiter);
      this.#timedOut++;
      waiter.connectionFailed({ code: 'POOL_QUEUE_TIMEOUT' });
    }
    const { idleTimeout, maxLifetime } = this.#limits;
    for (const session of [...this.#sessions]) {
      const old = now - session.createdAt >= maxLifetime;
      const idle = session.active === 0 && now - session.idleSince >= idleTimeout;
      if (!old && !idle) continue;
      this.#evicted++;
      session.retire();
    }
  }

  drain(): void {
    this.#draining = true;
    if (this.#waiters.size > 0) return;
    for (const opening of this.#openings) this.#connector.abandon(opening);
    for (const session of [...this.#sessions]) session.retire();
  }

  /** Other limits from now on. */
  update(limits: Http2PoolLimits): void {
    this.#limits = completeLimits(limits);
  }

  /** Connections, and connects under way. */
  get size(): number {
    return this.#sessions.length + this.#leaving.size + this.#openings.size;
  }

  stats(): Http2PoolStats {
    const all = [...this.#sessions, ...this.#leaving];
    const busy = all.filter(({ active }) => active > 0);
    return {
      created: this.#created,
      failed: this.#failed,
      active: busy.length,
      idle: all.length - busy.length,
      connecting: this.#openings.size,
      streams: busy.reduce((sum, { active }) => sum + active, 0),
      waiting: this.#waiters.size,
      acquired: this.#acquired,
      reused: this.#reused,
      exhausted: this.#exhausted,
      timedOut: this.#timedOut,
      cancelled: this.#cancelled,
      refused: this.#refused,
      evicted: this.#evicted,
      backingOff: this.#clock() < this.#blockedUntil,
      draining: this.#draining,
      connectMs: { count: this.#created, sum: this.#connectSum, max: this.#connectMax },
    };
  }

  // ---- Waiting ----------------------------------------------------------------------------------------------

  #roomy(): SessionLife | undefined {
    // Who came first is served first; but nobody waits for those who wait for a new connection.
    if (this.#waiters.size > this.#fresh.size) return undefined;
    return this.#sessions.find(({ hasRoom }) => hasRoom);
  }

  /** Whether those who wait are too many for the connects under way, and another connection is allowed. */
  #wants(waiters: number): boolean {
    if (waiters <= this.#openings.size * this.#places) return false;
    return this.#sessions.length + this.#openings.size < Math.min(MAX_SESSIONS, this.#limits.maxConnections);
  }

  /** False: `waiter` is refused. */
  #enqueue(waiter: Waiter, connect: boolean): boolean {
    const now = this.#clock();
    if (this.#draining) return this.#refuse(waiter, 'POOL_DRAINING');
    if (this.#waiters.size >= this.#limits.maxQueue) return this.#refuse(waiter, 'POOL_QUEUE_FULL');
    if (connect && now < this.#blockedUntil) {
      if (this.#sessions.length === 0) return this.#refuse(waiter, 'POOL_BACKOFF');
    } else if (connect) {
      this.#open(now);
    }
    this.#waiters.set(waiter, now + this.#limits.queueTimeout);
    return true;
  }

  #leave(waiter: Waiter): boolean {
    this.#fresh.delete(waiter);
    return this.#waiters.delete(waiter);
  }

  /** In a microtask of its own: nothing is called inside `acquire`. */
  #refuse(waiter: Waiter, code: string): false {
    this.#refused++;
    this.#waiters.set(waiter, Infinity);
    queueMicrotask(() => {
      if (this.#leave(waiter)) waiter.connectionFailed({ code });
    });
    return false;
  }

  #open(now: number): void {
    const opening = new Opening(this, this.#limits.connectTimeout, now);
    this.#openings.add(opening);
    this.#connector.connect(opening, this);
  }

  #lend(session: SessionLife): BackendStream {
    this.#acquired++;
    const stream = session.lend();
    if (session.requests >= this.#limits.maxRequestsPerConnection) session.retire();
    return stream;
  }

  #serve(fresh: boolean): void {
    for (const [waiter, deadline] of this.#waiters) {
      // About to be refused; or not served by this.
      if (deadline === Infinity || (!fresh && this.#fresh.has(waiter))) continue;
      const session = this.#sessions.find(({ hasRoom }) => hasRoom);
      if (session === undefined) return this.#grow();
      this.#leave(waiter);
      if (!fresh) this.#reused++;
      waiter.connectionReady(this.#lend(session), !fresh);
    }
    if (this.#draining) this.drain();
  }

  /** All places are taken, and somebody waits. */
  #grow(): void {
    const now = this.#clock();
    if (now >= this.#blockedUntil && this.#wants(this.#waiters.size)) this.#open(now);
  }

  // ---- SessionOwner -----------------------------------------------------------------------------------------

  sessionReady(session: SessionLife): void {
    const opening = this.#openingOf(session);
    if (opening !== undefined) {
      this.#openings.delete(opening);
      const took = this.#clock() - opening.startedAt;
      this.#connectSum += took;
      this.#connectMax = Math.max(this.#connectMax, took);
    }
    this.#created++;
    this.#places = Math.max(1, session.places);
    this.#backoff = this.#blockedUntil = 0;
    // In front: who waits for a new one gets this.
    this.#sessions.unshift(session);
    this.#serve(true);
  }

  sessionHasRoom(_session: SessionLife): void {
    if (this.#waiters.size > 0) this.#serve(false);
    else if (this.#draining) this.drain();
  }

  sessionLeaving(session: SessionLife): void {
    const at = this.#sessions.indexOf(session);
    if (at !== -1) this.#sessions.splice(at, 1);
    this.#leaving.add(session);
    this.#replace();
  }

  sessionGone(session: SessionLife, failure: Error): void {
    const opening = this.#openingOf(session);
    if (opening !== undefined) return this.openingFailed(opening, failure);
    const at = this.#sessions.indexOf(session);
    if (at !== -1) this.#sessions.splice(at, 1);
    this.#leaving.delete(session);
    this.#replace();
  }

  /** Who waits for a place on a connection that is gone needs another one. */
  #replace(): void {
    if (this.#waiters.size === 0 || this.#sessions.length + this.#openings.size > 0) return;
    const now = this.#clock();
    if (now >= this.#blockedUntil) this.#open(now);
    else this.#failAll({ code: 'POOL_BACKOFF' });
  }

  #openingOf(session: SessionLife): Opening | undefined {
    for (const opening of this.#openings) if (opening.session === session) return opening;
    return undefined;
  }

  /** For `Opening`: the connect failed, or the backend did not greet. */
  openingFailed(opening: Opening, cause: unknown): void {
    if (!this.#openings.delete(opening)) return;
    this.#failed++;
    this.#backoff = Math.min(BACKOFF_MOST, this.#backoff === 0 ? BACKOFF_FIRST : this.#backoff * 2);
    this.#blockedUntil = this.#clock() + this.#backoff;
    if (this.#openings.size > 0) return;
    // With no new connection to come, what there is has to do.
    this.#fresh.clear();
    if (this.#sessions.length > 0) return this.#serve(false);
    this.#failAll({ code: 'POOL_CONNECT_FAILED', cause });
  }

  #failAll(failure: PoolFailure): void {
    for (const waiter of [...this.#waiters.keys()]) {
      if (this.#leave(waiter)) waiter.connectionFailed(failure);
    }
  }
}
