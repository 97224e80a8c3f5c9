import type { AdaptiveWeightOptions } from './adaptive-weights.ts';
import type { AffinityOptions } from './affinity.ts';
import type { BackendOptions } from './backend.ts';
import { type CircuitBreakerOptions } from './circuit-breaker.ts';
import { type EjectionOptions } from './ejection.ts';
import { type FailureOptions } from './failure-counts.ts';
import type { RetryOptions } from './retry.ts';
import type { RetryBudgetOptions } from './retry-budget.ts';
import type { Algorithm } from './selector.ts';
import type { BackendTable } from './shared-state.ts';
import type { SlowStartOptions } from './slow-start.ts';
import type { StateChangeListener } from './state-changes.ts';

/** What to do when no backend may be picked. */
export type AllDownPolicy = 'bestEffort' | 'reject';

/** What an update may change; everything that is absent stays as it is. */
export interface UpstreamGroupChange {
  readonly backends?: readonly BackendOptions[];
  /** Default `round-robin`. */
  readonly algorithm?: Algorithm;
  /** Session affinity by cookie or client address; default none. */
  readonly affinity?: AffinityOptions | 'none';
  readonly failures?: Partial<FailureOptions>;
  /** Passive health checks; `false` switches them off. */
  readonly ejection?: Partial<EjectionOptions> | false;
  /** Circuit breaker per backend; `false` switches it off. */
  readonly circuitBreaker?: Partial<CircuitBreakerOptions> | false;
  readonly slowStart?: Partial<SlowStartOptions> | false;
  readonly retry?: Partial<RetryOptions>;
  readonly retryBudget?: Partial<RetryBudgetOptions>;
  /** Weights that follow the response time; `true` for the defaults of its options, default `false`. */
  readonly adaptiveWeights?: Partial<AdaptiveWeightOptions> | boolean;
  /** Default `bestEffort`, within the retry budget. */
  readonly allDown?: AllDownPolicy;
}

/** A group of backends that serve the same thing. */
export interface UpstreamGroupOptions extends UpstreamGroupChange {
  /** For logs and statistics. */
  readonly name: string;
  readonly backends: readonly BackendOptions[];
  /** State of a backend that nobody has seen yet; default `healthy`: healthy until proven otherwise. */
  readonly initialState?: 'healthy' | 'unhealthy';
  /** Shared state; default: a private table for this thread, large enough for twice the backends. */
  readonly table?: BackendTable;
  /** Random numbers from 0 up to 1; default `Math.random`. */
  readonly random?: () => number;
  readonly onStateChange?: StateChangeListener;
}
