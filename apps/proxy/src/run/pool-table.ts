import type { PoolStats } from '@rp/pool';

/** What is added up over the workers. */
export type PoolSum = Exclude<keyof PoolStats, 'backingOff' | 'draining' | 'connectMs'>;

/** By their places in a row. */
export const poolSums: readonly PoolSum[] = [
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
];

/** After the sums: 1 for a pool that backs off, then count, sum and maximum of the times that connects took. */
const WIDTH = poolSums.length + 4;

/** What a worker tells of one pool, of whatever protocol. */
export type PoolFigures = Pick<PoolStats, PoolSum | 'backingOff'> & {
  readonly connectMs: Pick<PoolStats['connectMs'], 'count' | 'sum' | 'max'>;
};

/**
 * The figures of many pools, one row each, as they travel from a worker: a thousand objects would hold up its event
 * loop for as long as hundreds of requests take.
 */
export interface PoolTable {
  /** Keys of the backends, in the order of the rows. */
  readonly keys: readonly string[];
  readonly rows: Float64Array;
}

export function poolTable(pools: ReadonlyMap<string, PoolFigures>): PoolTable {
  const rows = new Float64Array(pools.size * WIDTH);
  let at = 0;
  for (const figures of pools.values()) {
    for (const name of poolSums) rows[at++] = figures[name];
    rows[at++] = figures.backingOff ? 1 : 0;
    rows[at++] = figures.connectMs.count;
    rows[at++] = figures.connectMs.sum;
    rows[at++] = figures.connectMs.max;
  }
  return { keys: [...pools.keys()], rows };
}

/** The figures of a table by the keys of their backends. */
export function poolFigures({ keys, rows }: PoolTable): ReadonlyMap<string, PoolFigures> {
  return new Map(keys.map((key, row) => [key, figuresOf(rows, row * WIDTH)]));
}

function figuresOf(rows: Float64Array, from: number): PoolFigures {
  const value = (at: number): number => rows[from + at] ?? 0;
  const sums = Object.fromEntries(poolSums.map((name, at) => [name, value(at)])) as Record<PoolSum, number>;
  const rest = poolSums.length;
  return {
    ...sums,
    backingOff: value(rest) === 1,
    connectMs: { count: value(rest + 1), sum: value(rest + 2), max: value(rest + 3) },
  };
}
