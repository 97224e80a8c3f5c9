import type { ConnectTimes } from './connect-times.ts';
import type { PoolableConnection } from './connection.ts';
import type { Connects } from './connects.ts';
import type { Holdings } from './holdings.ts';
import type { Lobby } from './lobby.ts';

/** A copy of a pool's figures. Counters only grow; gauges are of this moment. */
export interface PoolStats {
  /** Counter: connects that succeeded. */
  readonly created: number;
  /** Gauge: connections in use, temporary ones among them. */
  readonly active: number;
  /** Gauge: idle connections. */
  readonly idle: number;
  /** Gauge: connects under way. */
  readonly connecting: number;
  /** Gauge: temporary connections over the limit, connecting or in use. */
  readonly overflow: number;
  /** Gauge: waiters in the queue, those whose connect is under way among them. */
  readonly waiting: number;
  /** Counter: connections given out. */
  readonly acquired: number;
  /** Counter: of these, connections that were idle or used before. */
  readonly reused: number;
  /** Counter: acquires that found all connections busy, whatever the policy then did. */
  readonly exhausted: number;
  /** Counter: idle connections that the pool closed (time, life, size, staleness, for another thread). */
  readonly evicted: number;
  /** Counter: idle connections found closed or with unread bytes; some of them are evicted, the backend closed the rest. */
  readonly stale: number;
  /** Counter: connects that failed. */
  readonly failed: number;
  /** Counter: waiters that left with `POOL_QUEUE_TIMEOUT`. */
  readonly timedOut: number;
  /** Counter: waiters that left by `cancel`. */
  readonly cancelled: number;
  /** Counter: acquires refused: exhausted, queue full, back-off, draining. */
  readonly refused: number;
  /** Whether connects wait because others failed. */
  readonly backingOff: boolean;
  /** Whether the pool drains. */
  readonly draining: boolean;
  /** How long connects took. */
  readonly connectMs: ConnectTimes;
}

/** Puts the figures of a pool's parts together. */
export function snapshot<C extends PoolableConnection>(
  connects: Connects<C>,
  holdings: Holdings,
  lobby: Lobby<C>,
  draining: boolean,
  now: number,
): PoolStats {
  return {
    created: connects.created,
    active: holdings.active,
    idle: holdings.idle,
    connecting: connects.pending,
    overflow: holdings.overflow,
    waiting: lobby.size,
    acquired: holdings.acquired,
    reused: holdings.reused,
    exhausted: lobby.exhausted,
    evicted: holdings.evicted,
    stale: holdings.stale,
    failed: connects.failed,
    timedOut: lobby.timedOut,
    cancelled: lobby.cancelled,
    refused: lobby.refused,
    backingOff: connects.blocked(now),
    draining,
    connectMs: connects.times,
  };
}
