import type { Backend } from './backend.ts';
import { type BackendTable, Cell, Counter, latencyBuckets, read, StateBit } from './shared-state.ts';
import { type BackendState, overallState } from './state-changes.ts';

/** The counters of one backend, over all threads, since it was added. */
export interface BackendStatistics {
  readonly url: string;
  readonly serverName: string;
  readonly state: BackendState;
  readonly ejected: boolean;
  readonly circuit: 'closed' | 'open' | 'halfOpen';
  readonly slowStart: boolean;
  readonly weight: number;
  /** Differs from `weight` with adaptive weights only. */
  readonly effectiveWeight: number;
  /** Attempts in flight. */
  readonly active: number;
  readonly picked: number;
  readonly succeeded: number;
  readonly status5xx: number;
  readonly connectFailed: number;
  readonly reset: number;
  readonly timedOut: number;
  readonly cancelled: number;
  readonly ejections: number;
  readonly circuitOpenings: number;
  readonly stateChanges: number;
  readonly latency: LatencyStatistics;
}

/** A histogram: `counts[i]` responses took up to `bounds[i]` ms, the last count is of those above all. */
export interface LatencyStatistics {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sumMs: number;
  readonly count: number;
}

/** Reads the counters of a backend. */
export function backendStatistics(table: BackendTable, backend: Backend): BackendStatistics {
  const { cells } = table;
  const bits = read(cells, backend.cell + Cell.state);
  const total = (counter: number): number => table.total(backend.index, counter);
  return {
    url: backend.url,
    serverName: backend.serverName,
    state: overallState(bits),
    ejected: (bits & StateBit.ejected) !== 0,
    circuit: circuitState(bits),
    slowStart: (bits & StateBit.warming) !== 0,
    weight: backend.weight,
    effectiveWeight: read(cells, backend.cell + Cell.weight) / 16,
    active: read(cells, backend.cell + Cell.active),
    picked: total(Counter.picked),
    succeeded: total(Counter.success),
    status5xx: total(Counter.status5xx),
    connectFailed: total(Counter.connectFailed),
    reset: total(Counter.reset),
    timedOut: total(Counter.timedOut),
    cancelled: total(Counter.cancelled),
    ejections: total(Counter.ejections),
    circuitOpenings: total(Counter.circuitOpenings),
    stateChanges: total(Counter.stateChanges),
    latency: latencyStatistics(total),
  };
}

function latencyStatistics(total: (counter: number) => number): LatencyStatistics {
  const counts = Array.from({ length: latencyBuckets.length + 1 }, (_, bucket) =>
    total(Counter.latencyBucket + bucket),
  );
  const count = counts.reduce((sum, each) => sum + each, 0);
  return { bounds: latencyBuckets, counts, sumMs: total(Counter.latencySum), count };
}

function circuitState(bits: number): 'closed' | 'open' | 'halfOpen' {
  if ((bits & StateBit.circuitOpen) !== 0) return 'open';
  return (bits & StateBit.halfOpen) !== 0 ? 'halfOpen' : 'closed';
}
