export type { Availability } from './availability.ts';
export type { AdaptiveWeightOptions } from './adaptive-weights.ts';
export type { AddressAffinityOptions, AffinityOptions, CookieAffinityOptions } from './affinity.ts';
export {
  type Backend,
  type BackendAddress,
  type BackendOptions,
  type BackendProtocol,
  parseBackendUrl,
} from './backend.ts';
export type { BackendSet } from './backend-set.ts';
export type { CircuitBreakerOptions } from './circuit-breaker.ts';
export type { EjectionOptions } from './ejection.ts';
export { BalancerError, type BalancerErrorCode } from './error.ts';
export type { FailureOptions } from './failure-counts.ts';
export type { AllDownPolicy, UpstreamGroupChange, UpstreamGroupOptions } from './group-options.ts';
export { AttemptOutcome, attemptOutcomeNames } from './outcome.ts';
export { RetryBudget, type RetryBudgetOptions } from './retry-budget.ts';
export type { Algorithm, PickContext, Selector } from './selector.ts';
export { BackendTable, type BackendTableOptions } from './shared-state.ts';
export type { SlowStartOptions } from './slow-start.ts';
export type { BackendCondition, BackendState, StateChangeListener } from './state-changes.ts';
export type { Administration } from './state-control.ts';
export { UpstreamGroup } from './upstream-group.ts';
export {
  DnsBackends,
  type DnsBackendsOptions,
  type NameResolver,
  type ResolvedAddress,
} from './dns-backends.ts';
export {
  HealthChecker,
  type HealthCheckOptions,
  type Probe,
  type ProbeAnswer,
  type Prober,
} from './health-check.ts';
export type { HealthExpectation } from './health-expectation.ts';
export { nodeResolver, type NodeResolverOptions } from './node-resolver.ts';
export {
  type FailedAttempt,
  mayRetry,
  type NoRetryReason,
  type RetryCircumstances,
  type RetryDecision,
  retryDelay,
  type RetryOptions,
  retryOptions,
} from './retry.ts';
export type { Scheduler } from './scheduler.ts';
export type { BackendStatistics, LatencyStatistics } from './statistics.ts';
