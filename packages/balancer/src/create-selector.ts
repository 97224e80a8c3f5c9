import { BalancerError } from './error.ts';
import { IpHash } from './ip-hash.ts';
import type { LatencyAverage } from './latency-average.ts';
import { LeastConnections } from './least-connections.ts';
import type { LoadTree } from './load-tree.ts';
import { PeakEwma } from './peak-ewma.ts';
import { RandomOfTwo } from './random-of-two.ts';
import { RoundRobin } from './round-robin.ts';
import type { Algorithm, Selector } from './selector.ts';
import type { BackendTable } from './shared-state.ts';
import { WeightedRoundRobin } from './weighted-round-robin.ts';

/** What the algorithms work with. */
export interface SelectorParts {
  readonly table: BackendTable;
  readonly random: () => number;
  /** Needed by `least-connections`. */
  readonly tree: LoadTree | undefined;
  /** Needed by `peak-ewma`. */
  readonly average: LatencyAverage | undefined;
}

/** @throws {BalancerError} `invalidOption` for an algorithm that does not exist */
export function createSelector(algorithm: Algorithm, parts: SelectorParts): Selector {
  const { table, random, tree, average } = parts;
  if (algorithm === 'round-robin') return new RoundRobin(table);
  if (algorithm === 'weighted-round-robin') return new WeightedRoundRobin(table);
  if (algorithm === 'least-connections' && tree !== undefined) return new LeastConnections(tree);
  if (algorithm === 'ip-hash') return new IpHash();
  if (algorithm === 'random') return new RandomOfTwo(table, random);
  if (algorithm === 'peak-ewma' && average !== undefined) return new PeakEwma(table, random, average);
  throw new BalancerError('invalidOption', `there is no algorithm ${String(algorithm)}`);
}
