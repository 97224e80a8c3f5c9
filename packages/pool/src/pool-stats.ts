import type { ConnectTimes } from './connect-times.ts';

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
