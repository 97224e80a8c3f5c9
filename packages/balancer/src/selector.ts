import type { Availability } from './availability.ts';
import type { Backend } from './backend.ts';
import type { BackendSet } from './backend-set.ts';

/** The selection algorithms. */
export type Algorithm =
  | 'round-robin'
  | 'weighted-round-robin'
  | 'least-connections'
  | 'ip-hash'
  | 'random'
  | 'peak-ewma';

/** What a pick may depend on. Reused by the caller: nothing keeps it. */
export interface PickContext {
  /** Address of the client, without port. */
  clientAddress: string;
  /** The raw `Cookie` field, or the affinity value alone. */
  cookie: string | undefined;
  /** Milliseconds, the same monotonic clock in all threads. */
  now: number;
}

/**
 * One algorithm. It proposes backends of the set in its order until one is admitted; whether a backend may
 * be used is not its business.
 */
export interface Selector {
  readonly algorithm: Algorithm;
  /** The first admitted backend, `undefined` when none of the set is admitted. */
  select(set: BackendSet, context: PickContext, availability: Availability): Backend | undefined;
}
