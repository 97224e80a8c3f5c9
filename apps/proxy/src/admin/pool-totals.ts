import type { PoolFigures, WorkerReport } from '../run/messages.ts';

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

const summed = [
  'created',
  'active',
  'idle',
  'connecting',
  'overflow',
  'waiting',
  'acquired',
  'reused',
  'exhausted',
  'evicted',
  'stale',
  'failed',
  'timedOut',
  'cancelled',
  'refused',
] as const satisfies readonly (keyof PoolFigures & keyof PoolTotals)[];

const nothing = (): PoolTotals => ({
  ...(Object.fromEntries(summed.map((name) => [name, 0])) as Record<(typeof summed)[number], number>),
  backingOff: 0,
  connectMs: { count: 0, sum: 0, max: 0 },
});

/** The figures of one backend's pools in all workers. */
export function poolTotals(
  reports: readonly (WorkerReport | undefined)[],
  upstream: string,
  backend: string,
): PoolTotals {
  const total = nothing();
  for (const report of reports) {
    const pool = report?.pools[upstream]?.[backend];
    if (pool === undefined) continue;
    for (const name of summed) total[name] += pool[name];
    total.backingOff += pool.backingOff ? 1 : 0;
    total.connectMs.count += pool.connectMs.count;
    total.connectMs.sum += pool.connectMs.sum;
    total.connectMs.max = Math.max(total.connectMs.max, pool.connectMs.max);
  }
  return total;
}
