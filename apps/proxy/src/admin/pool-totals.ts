import { poolSums, type PoolFigures, type PoolSum } from '../run/pool-table.ts';

/** The pools of all workers to one backend, added up. */
export interface PoolTotals {
  created: number;
  active: number;
  idle: number;
  connecting: number;
  overflow: number;
  waiting: number;
  acquired: number;
  reused: number;
  exhausted: number;
  evicted: number;
  stale: number;
  failed: number;
  timedOut: number;
  cancelled: number;
  refused: number;
  /** Workers whose connects wait because others failed. */
  backingOff: number;
  connectMs: { count: number; sum: number; max: number };
}

const nothing = (): PoolTotals => ({
  ...(Object.fromEntries(poolSums.map((name) => [name, 0])) as Record<PoolSum, number>),
  backingOff: 0,
  connectMs: { count: 0, sum: 0, max: 0 },
});

/** The figures of the pools of one backend, added up. */
export function poolTotals(pools: readonly PoolFigures[]): PoolTotals {
  const total = nothing();
  for (const pool of pools) {
    for (const name of poolSums) total[name] += pool[name];
    total.backingOff += pool.backingOff ? 1 : 0;
    total.connectMs.count += pool.connectMs.count;
    total.connectMs.sum += pool.connectMs.sum;
    total.connectMs.max = Math.max(total.connectMs.max, pool.connectMs.max);
  }
  return total;
}
