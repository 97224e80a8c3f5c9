/**
 * What the engine needs of the parts that are injected into it. `@rp/pool` and `@rp/balancer` fit these shapes;
 * so may anybody else's.
 */

/** One server behind the proxy. */
export interface BackendTarget {
  /** Stable identity, for logs and statistics. */
  readonly key: string;
  readonly protocol: 'http' | 'https' | 'h2' | 'h2c';
  readonly host: string;
  readonly port: number;
}

/** What a choice of a backend may depend on. */
export interface PickContext {
  clientAddress: string;
  /** The `Cookie` field as it came, for affinity. */
  cookie: string | undefined;
  /** Monotonic milliseconds. */
  now: number;
}

/** How one attempt on a backend ended, as far as its health is concerned. `@rp/balancer` numbers them alike. */
export const AttemptOutcome = {
  success: 0,
  status5xx: 1,
  /** No connection could be made. */
  connectFailed: 2,
  /** The connection was lost, or what came was no valid response. */
  reset: 3,
  timedOut: 4,
  /** The client left, or the proxy gave up for reasons of its own: says nothing about the backend. */
  cancelled: 5,
} as const;
export type AttemptOutcome = (typeof AttemptOutcome)[keyof typeof AttemptOutcome];

/** What is known of a failed attempt, for the decision to try again elsewhere. */
export interface FailedAttempt {
  /** What the failure itself allows. */
  readonly retryable: 'yes' | 'no' | 'reusedOnly';
  readonly connectionReused: boolean;
  /** Any byte of the request may have reached the backend. */
  readonly requestSent: boolean;
  /** Whether the method may be repeated (RFC 9110 §9.2.2). */
  readonly idempotent: boolean;
  /** Any byte of a response came. */
  readonly responseStarted: boolean;
  /** There is no body, or all of it that was read is still there. */
  readonly bodyReplayable: boolean;
  /** Attempts so far, at least 1. */
  readonly attempts: number;
}

/** `why`: `noOtherBackend` where there is none to try; other words are for people. */
export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number }
  | { readonly retry: false; readonly why?: string };

/** Picks backends and hears how they did. One per upstream group; `UpstreamGroup` of `@rp/balancer` is one. */
export interface Balancer<B extends BackendTarget = BackendTarget> {
  /** A backend that is not in `tried`; undefined if there is none. */
  pick(context: PickContext, tried: readonly B[] | undefined): B | undefined;
  started(backend: B, now: number): void;
  finished(backend: B, outcome: AttemptOutcome, now: number, latencyMs: number): void;
  /** The first half of `finished`, where the outcome is known long before the end (`trickles`: and it is a bad one), */
  judged(backend: B, outcome: AttemptOutcome, now: number, latencyMs: number, trickles: boolean): void;
  /** and the second half, at the end. */
  released(backend: B): void;
  /** False: picked before, but not to be used any more. */
  isInService(backend: B): boolean;
  /** A yes takes a place in the retry budget until `retryBudget.release`. */
  mayRetry(failed: FailedAttempt, tried: readonly B[], now: number): RetryDecision;
  readonly retryBudget: { release(): void };
  /** A value for `Retry-After` when nothing can be picked, in seconds. */
  retryAfterSeconds(now: number): number;
  /** A `Set-Cookie` value that binds the client to `backend`, or undefined where it is bound already. */
  affinityCookie(backend: B, cookieField: string | undefined): string | undefined;
}

/** The bookkeeping that a pool keeps on a connection. */
export interface ConnectionSlot {
  /** Exchanges that this connection has carried. */
  requests: number;
}

export interface PoolFailure {
  readonly code: string;
  readonly cause?: unknown;
}

/** Who waits for a connection. */
export interface ConnectionWaiter<C> {
  /** The pool's place for its queue node; `undefined` at first. */
  poolNode: unknown;
  connectionReady(connection: C, reused: boolean): void;
  connectionFailed(failure: PoolFailure): void;
}

/** What exchanges and the engine need of the pool of one backend, whatever its protocol. */
export interface BackendPool<S> {
  /** Whoever asks now waits behind others who wait already. */
  readonly congested: boolean;
  /** It was drained, and nothing is left of it. */
  readonly isDone: boolean;
  /** A connection, or stream of one, at once; or undefined, then `waiter` is called later. */
  acquire(waiter: ConnectionWaiter<S>): S | undefined;
  /** Never a used connection. */
  acquireFresh(waiter: ConnectionWaiter<S>): void;
  cancel(waiter: ConnectionWaiter<S>): void;
  /** Idle eviction, refill, queue time-outs: called about ten times a second. */
  upkeep(now: number): void;
  /** Closes what is idle, and the rest when it comes back. */
  drain(): void;
}

/** Connections to one backend that carry one exchange at a time, and are given back after it. */
export interface ConnectionSource<C> extends BackendPool<C> {
  release(connection: C): void;
  discard(connection: C): void;
  closed(connection: C): void;
  hintIdleTimeout(milliseconds: number): void;
}

/** For structured logs; every call is one event. */
export interface EventLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: EventLog = { debug() {}, info() {}, warn() {}, error() {} };
