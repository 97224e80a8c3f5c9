import { BalancerError } from './error.ts';
import { IpHash } from './ip-hash.ts';
import { LatencyAverage } from './latency-average.ts';
import { LeastConnections } from './least-connections.ts';
import { LoadTree } from './load-tree.ts';
import { PeakEwma } from './peak-ewma.ts';
import { RandomOfTwo } from './random-of-two.ts';
import { RoundRobin } from './round-robin.ts';
import type { Algorithm, Selector } from './selector.ts';
import type { BackendTable } from './shared-state.ts';
import { WeightedRoundRobin } from './weighted-round-robin.ts';

/** @throws {BalancerError} `invalidOption` for an algorithm that does not exist */
export function createSelector(
  algorithm: Algorithm,
  table: BackendTable,
  random: () => number,
  tree: LoadTree | undefined,
  average: LatencyAverage | undefined,
): Selector {
  switch (algorithm) {
    case 'round-robin':
      return new RoundRobin(table);
    case 'weighted-round-robin':
      return new WeightedRoundRobin(table);
    case 'least-connections':
      return new LeastConnections(tree ?? new LoadTree(table));
    case 'ip-hash':
      return new IpHash();
    case 'random':
      return new RandomOfTwo(table, random);
    case 'peak-ewma':
      return new PeakEwma(table, random, average ?? new LatencyAverage(table));
    default:
      throw new BalancerError('invalidOption', `there is no algorithm ${String(algorithm)}`);
  }
}
