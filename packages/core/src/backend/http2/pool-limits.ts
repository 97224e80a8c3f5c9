import { MAX_SESSIONS } from './bounds.ts';

/** Limits of one pool, in milliseconds and numbers; the names are those of HTTP/1 pools. */
export interface Http2PoolLimits {
  /** Connections, up to 4. Default 4: each carries up to 100 requests at a time. */
  readonly maxConnections?: number;
  /** To connect, and for the backend's SETTINGS. Default 5,000. */
  readonly connectTimeout?: number;
  /** Longest wait for a place while all connections are full. Default 5,000. */
  readonly queueTimeout?: number;
  /** Requests that may wait for a place. Default 1,024. */
  readonly maxQueue?: number;
  /** A connection without requests is closed after it. Default 300,000. */
  readonly idleTimeout?: number;
  /** Default `Infinity`. */
  readonly maxLifetime?: number;
  /** Default `Infinity`. */
  readonly maxRequestsPerConnection?: number;
}

export interface Http2PoolStats {
  /** Connects that succeeded; that failed. */
  readonly created: number;
  readonly failed: number;
  /** Connections with and without requests under way, and connects under way. */
  readonly active: number;
  readonly idle: number;
  readonly connecting: number;
  /** Requests under way, and requests that wait for a place. */
  readonly streams: number;
  readonly waiting: number;
  /** Streams given out; of these, on connections that were there before. */
  readonly acquired: number;
  readonly reused: number;
  /** Waits that found all places taken; that ended without a place; that were given up; that were refused at once. */
  readonly exhausted: number;
  readonly timedOut: number;
  readonly cancelled: number;
  readonly refused: number;
  /** Idle connections closed for their age. */
  readonly evicted: number;
  /** Connects wait because one failed. */
  readonly backingOff: boolean;
  readonly draining: boolean;
  /** Milliseconds that connects took, SETTINGS included: how many, their sum, the slowest. */
  readonly connectMs: { readonly count: number; readonly sum: number; readonly max: number };
}

/** With the defaults for what is not said. */
export function completeLimits(limits: Http2PoolLimits): Required<Http2PoolLimits> {
  return {
    maxConnections: limits.maxConnections ?? MAX_SESSIONS,
    connectTimeout: limits.connectTimeout ?? 5_000,
    queueTimeout: limits.queueTimeout ?? 5_000,
    maxQueue: limits.maxQueue ?? 1_024,
    idleTimeout: limits.idleTimeout ?? 300_000,
    maxLifetime: limits.maxLifetime ?? Infinity,
    maxRequestsPerConnection: limits.maxRequestsPerConnection ?? Infinity,
  };
}
