export { answerFor, type LocalAnswer } from './answers.ts';
export { reasonPhrase } from './reason-phrases.ts';
export type {
  CacheDecision,
  CacheFollower,
  CacheFollowerSink,
  CachePlan,
  CacheRequest,
  CacheResponse,
  CacheWriter,
  ResponseCache,
  StoredAnswer,
} from './cache-contract.ts';
export type { AcceptTurns } from './accept-turns.ts';
export type { SharedAddresses } from './address-counts.ts';
export { BackendConnection } from './backend/connection.ts';
export type { Attempt, BackendTls } from './backend/connecting.ts';
export { BackendConnector } from './backend/connector.ts';
export { Http2Connector } from './backend/http2/connector.ts';
export { Http2BackendPool } from './backend/http2/pool.ts';
export type { Http2PoolLimits, Http2PoolStats } from './backend/http2/pool-limits.ts';
export type { BackendStream } from './backend/stream.ts';
export { keepAliveTimeout, mayReuse } from './backend/reuse.ts';
export { ConnectionState, connectionStateNames } from './connection-state.ts';
export {
  AttemptOutcome,
  silentLog,
  type BackendPool,
  type Balancer,
  type BackendTarget,
  type ConnectionSlot,
  type ConnectionSource,
  type ConnectionWaiter,
  type EventLog,
  type FailedAttempt,
  type PickContext,
  type PoolFailure,
  type RetryDecision,
} from './contracts.ts';
export { Counters, counterNames, countersByteLength, latencyBounds } from './counters.ts';
export { Engine, type EngineOptions } from './engine.ts';
export {
  Hooks,
  type BackendEvent,
  type ConnectionEvent,
  type ErrorEvent,
  type RequestEvent,
  type ResponseEvent,
  type SentEvent,
} from './engine-hooks.ts';
export { Exchange } from './exchange.ts';
export type { ExchangeOutcome } from './exchange-outcome.ts';
export { ProxyFailure, failures, type FailureCode, type FailureSource, type Retryable } from './failure.ts';
export {
  HookPoint,
  type HookFailure,
  type HookHandler,
  type HookOptions,
  type HookVerdict,
} from './hooks.ts';
export type { Listener, ListenOptions, ListenTls } from './listener.ts';
export type { ListenerPolicy } from './listener-policy.ts';
export {
  MAX_PROXY_HEADER,
  decodeProxyHeader,
  encodeProxyHeader,
  type ConnectionEnds,
  type DecodedProxyHeader,
  type ProxyProtocolVersion,
} from './proxy-protocol.ts';
export { isIdempotent, mayReplay } from './repeat.ts';
export { RouteTable, hostName, type Route, type RouteTarget } from './routes.ts';
export type { AccessLog, Admission } from './runtime.ts';
export {
  defaultForwarding,
  defaultLimits,
  defaultTimeouts,
  type Forwarding,
  type Limits,
  type SettingsInput,
  type Timeouts,
} from './settings.ts';
export { Timer, TimerWheel, intervalTicker, type Ticker, type TimerWheelOptions } from './timer-wheel.ts';
export { TrustedProxies } from './trusted-proxies.ts';
export { Upstream, type BackendEntry, type UpstreamOptions } from './upstream.ts';
