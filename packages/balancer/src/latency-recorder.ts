import type { Backend } from './backend.ts';
import { type BackendTable, Counter, latencyBuckets } from './shared-state.ts';

/** Counts latencies into the histogram of this worker. */
export class LatencyRecorder {
  readonly #counters: Float64Array;
  readonly #bounds: Float64Array;

  constructor(table: BackendTable) {
    this.#counters = table.counters;
    this.#bounds = Float64Array.from(latencyBuckets);
  }

  record(backend: Backend, latencyMs: number): void {
    const counters = this.#counters;
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && latencyMs > (bounds[bucket] ?? Infinity)) bucket++;
    const at = backend.counter + Counter.latencyBucket + bucket;
    counters[at] = (counters[at] ?? 0) + 1;
    const sum = backend.counter + Counter.latencySum;
    counters[sum] = (counters[sum] ?? 0) + latencyMs;
  }
}
