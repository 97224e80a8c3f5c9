import { AdaptiveWeights, adaptiveWeightOptions } from './adaptive-weights.ts';
import { AffinityCookie } from './affinity.ts';
import { createSelector } from './create-selector.ts';
import { BalancerError } from './error.ts';
import type { UpstreamGroupChange } from './group-options.ts';
import { GroupPolicies } from './group-policies.ts';
import { LatencyAverage } from './latency-average.ts';
import { LoadTree } from './load-tree.ts';
import { type RetryOptions, retryOptions } from './retry.ts';
import { type RetryBudgetOptions, retryBudgetOptions } from './retry-budget.ts';
import type { Algorithm, Selector } from './selector.ts';
import type { BackendTable } from './shared-state.ts';
import type { StateChanges } from './state-changes.ts';

/**
 * The options of a group, checked and turned into the objects that act on them. Made whole before any of it
 * is used: an update with a mistake changes nothing. What is switched off is `undefined` and costs nothing.
 */
export class GroupConfiguration {
  readonly options: UpstreamGroupChange;
  readonly policies: GroupPolicies;
  readonly selector: Selector;
  readonly cookie: AffinityCookie | undefined;
  readonly budget: RetryBudgetOptions;
  readonly retry: RetryOptions;
  readonly bestEffort: boolean;
  /** Only for `least-connections`. */
  readonly tree: LoadTree | undefined;
  /** Only for `peak-ewma`. */
  readonly average: LatencyAverage | undefined;
  readonly adaptive: AdaptiveWeights | undefined;

  /** @throws {BalancerError} `invalidOption` for a value out of range */
  constructor(
    options: UpstreamGroupChange,
    table: BackendTable,
    changes: StateChanges,
    random: () => number,
  ) {
    const { affinity = 'none', adaptiveWeights = false, allDown = 'bestEffort' } = options;
    if (allDown !== 'bestEffort' && allDown !== 'reject') {
      throw new BalancerError('invalidOption', `allDown is bestEffort or reject, found ${String(allDown)}`);
    }
    const algorithm = effectiveAlgorithm(options);
    this.options = options;
    this.policies = new GroupPolicies(options, table, changes);
    this.tree = algorithm === 'least-connections' ? new LoadTree(table, this.policies.slowStart) : undefined;
    this.average = algorithm === 'peak-ewma' ? new LatencyAverage(table) : undefined;
    this.selector = createSelector(algorithm, { table, random, tree: this.tree, average: this.average });
    this.cookie =
      typeof affinity === 'object' && affinity.by === 'cookie' ? new AffinityCookie(affinity) : undefined;
    this.budget = retryBudgetOptions(options.retryBudget);
    this.retry = retryOptions(options.retry);
    this.bestEffort = allDown === 'bestEffort';
    this.adaptive =
      adaptiveWeights === false
        ? undefined
        : new AdaptiveWeights(adaptiveWeightOptions(adaptiveWeights === true ? {} : adaptiveWeights), table);
  }
}

/** Affinity by address is the consistent hash, whatever else is configured. */
function effectiveAlgorithm(options: UpstreamGroupChange): Algorithm {
  const { affinity, algorithm = 'round-robin' } = options;
  return typeof affinity === 'object' && affinity.by === 'address' ? 'ip-hash' : algorithm;
}
