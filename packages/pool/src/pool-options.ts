import type { BackoffSettings } from './backoff.ts';
import type { Connector } from './connect-attempt.ts';
import type { PoolableConnection } from './connection.ts';
import type { Permits } from './permits.ts';

/** What happens when every connection is busy: wait, make a temporary connection, or fail at once. */
export type ExhaustedPolicy = 'queue' | 'overflow' | 'fail';

/** Delays after failed connects. */
export interface BackoffOptions {
  /** First delay in milliseconds, 0 switches the back-off off. Default 100. */
  readonly initial?: number;
  /** Longest delay in milliseconds. Default 5,000. */
  readonly max?: number;
  /** By how much each further failure lengthens the delay, from 1. Default 2. */
  readonly factor?: number;
  /** Share of the delay that is random, 0 to 1, so that threads do not try all at once. Default 0.2. */
  readonly jitter?: number;
}

/** What can be changed while the pool runs, see `ConnectionPool.update`. Times are milliseconds. */
export interface PoolLimits {
  /** Limit of connections, set on the permits (so, if they are shared, for all threads). Default 32, or the permits' own. */
  readonly maxConnections?: number;
  /** Idle connections to keep ready once the pool was used or started. Default 4. */
  readonly minIdle?: number;
  /** Idle connections that are kept when demand has gone; more are given up slowly. Default 16. */
  readonly maxIdle?: number;
  /** Longest idle time. Default 300,000. */
  readonly idleTimeout?: number;
  /** Longest connect, for the connector to enforce. Default 5,000. */
  readonly connectTimeout?: number;
  /** Longest life of a connection, less up to a tenth at random. Default `Infinity`. */
  readonly maxLifetime?: number;
  /** Requests a connection may carry. Default `Infinity`. */
  readonly maxRequestsPerConnection?: number;
  /** Default `queue`. */
  readonly onExhausted?: ExhaustedPolicy;
  /** Longest wait for a connection to become free. Default 5,000. */
  readonly queueTimeout?: number;
  /** Longest queue. Default 1,024. */
  readonly maxQueue?: number;
  /** Connections over the limit at one time, for `overflow`. Default: as many as the limit. */
  readonly maxOverflow?: number;
  readonly backoff?: BackoffOptions;
}

/** How a pool is made. */
export interface PoolOptions<C extends PoolableConnection> extends PoolLimits {
  /** Makes the connections. */
  readonly connector: Connector<C>;
  /** The right to have connections; default: `LocalPermits` of `maxConnections`. One object per pool. */
  readonly permits?: Permits;
  /** Monotonic time in milliseconds; may be read once per turn of the event loop. */
  readonly clock: () => number;
  /** 0 ≤ x < 1, for jitter. Default `Math.random`. */
  readonly random?: () => number;
  /** Runs a callback after the present call has ended. Default `queueMicrotask`. */
  readonly defer?: (callback: () => void) => void;
  /** How long a peak of demand is remembered before connections are given up, in milliseconds. Default 10,000. */
  readonly shrinkDelay?: number;
  /** Share of the connections above demand that is given up per second after that, 0 to 1. Default 0.1. */
  readonly shrinkRate?: number;
}

/** `PoolLimits` with every default filled in. */
export interface ResolvedLimits {
  readonly maxConnections: number | undefined;
  readonly minIdle: number;
  readonly maxIdle: number;
  readonly idleTimeout: number;
  readonly connectTimeout: number;
  readonly maxLifetime: number;
  readonly maxRequestsPerConnection: number;
  readonly onExhausted: ExhaustedPolicy;
  readonly queueTimeout: number;
  readonly maxQueue: number;
  readonly maxOverflow: number | undefined;
  readonly backoff: BackoffSettings;
}

const POLICIES: readonly string[] = ['queue', 'overflow', 'fail'];

function atLeast(name: string, value: number, least: number): number {
  if (value >= least) return value;
  throw new RangeError(`${name} must be a number from ${least}, not ${value}`);
}

function share(name: string, value: number): number {
  if (value >= 0 && value <= 1) return value;
  throw new RangeError(`${name} must be from 0 to 1, not ${value}`);
}

function resolveBackoff(options: BackoffOptions, base: BackoffSettings | undefined): BackoffSettings {
  return {
    initial: atLeast('backoff.initial', options.initial ?? base?.initial ?? 100, 0),
    max: atLeast('backoff.max', options.max ?? base?.max ?? 5_000, 0),
    factor: atLeast('backoff.factor', options.factor ?? base?.factor ?? 2, 1),
    jitter: share('backoff.jitter', options.jitter ?? base?.jitter ?? 0.2),
  };
}

/** Checks limits and fills in what is absent, from `base` or the defaults. Throws a `RangeError` that names the option. */
export function resolveLimits(options: PoolLimits, base?: ResolvedLimits): ResolvedLimits {
  const onExhausted = options.onExhausted ?? base?.onExhausted ?? 'queue';
  if (!POLICIES.includes(onExhausted)) {
    throw new RangeError(`onExhausted must be queue, overflow or fail, not ${onExhausted}`);
  }
  const maxOverflow = options.maxOverflow ?? base?.maxOverflow;
  return {
    maxConnections: options.maxConnections ?? base?.maxConnections,
    minIdle: atLeast('minIdle', options.minIdle ?? base?.minIdle ?? 4, 0),
    maxIdle: atLeast('maxIdle', options.maxIdle ?? base?.maxIdle ?? 16, 0),
    idleTimeout: atLeast('idleTimeout', options.idleTimeout ?? base?.idleTimeout ?? 300_000, 0),
    connectTimeout: atLeast('connectTimeout', options.connectTimeout ?? base?.connectTimeout ?? 5_000, 1),
    maxLifetime: atLeast('maxLifetime', options.maxLifetime ?? base?.maxLifetime ?? Infinity, 1),
    maxRequestsPerConnection: atLeast(
      'maxRequestsPerConnection',
      options.maxRequestsPerConnection ?? base?.maxRequestsPerConnection ?? Infinity,
      1,
    ),
    onExhausted,
    queueTimeout: atLeast('queueTimeout', options.queueTimeout ?? base?.queueTimeout ?? 5_000, 0),
    maxQueue: atLeast('maxQueue', options.maxQueue ?? base?.maxQueue ?? 1_024, 0),
    maxOverflow: maxOverflow === undefined ? undefined : atLeast('maxOverflow', maxOverflow, 0),
    backoff: resolveBackoff(options.backoff ?? {}, base?.backoff),
  };
}
