import { BalancerError } from './error.ts';
import { RoundRobin } from './round-robin.ts';
import type { Algorithm, Selector } from './selector.ts';
import type { BackendTable } from './shared-state.ts';

/** @throws {BalancerError} `invalidOption` for an algorithm that does not exist */
export function createSelector(algorithm: Algorithm, table: BackendTable, _random: () => number): Selector {
  switch (algorithm) {
    case 'round-robin':
      return new RoundRobin(table);
    default:
      throw new BalancerError('invalidOption', `there is no algorithm ${String(algorithm)}`);
  }
}
