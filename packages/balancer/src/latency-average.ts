import type { Backend } from './backend.ts';
import { type BackendTable, Cell, elapsed, moment, read } from './shared-state.ts';

/** Time in which the memory of a latency fades to 1/e, in ms. */
const decayMs = 10_000;
/** Least latency that a failure counts as, in ms: refusing fast must not look attractive. */
const failureLatency = 1_000;
const longest = 2_000_000;

/**
 * A moving average that jumps to a peak at once and forgets it slowly, shared by all threads, in
 * microseconds. Two threads that write at the same moment lose one sample: the next one makes up for it.
 */
export class LatencyAverage {
  readonly #cells: Int32Array;

  constructor(table: BackendTable) {
    this.#cells = table.cells;
  }

  observe(backend: Backend, latencyMs: number, failed: boolean, now: number): void {
    const sample = failed ? Math.max(latencyMs, failureLatency) : latencyMs;
    if (!(sample >= 0)) return;
    const cells = this.#cells;
    const before = read(cells, backend.cell + Cell.latency);
    const micros = Math.max(1, Math.round(Math.min(sample, longest) * 1_000));
    const fade = this.#fade(backend, now);
    const after = before === 0 || micros >= before * fade ? micros : before * fade + micros * (1 - fade);
    Atomics.store(cells, backend.cell + Cell.latency, Math.max(1, Math.round(after)));
    Atomics.store(cells, backend.cell + Cell.latencyAt, moment(now));
  }

  /** Milliseconds, faded by the time since it was last measured; 0 when it never was. */
  read(backend: Backend, now: number): number {
    const micros = read(this.#cells, backend.cell + Cell.latency);
    return micros === 0 ? 0 : (micros / 1_000) * this.#fade(backend, now);
  }

  #fade(backend: Backend, now: number): number {
    const age = elapsed(read(this.#cells, backend.cell + Cell.latencyAt), now);
    return age <= 0 ? 1 : Math.exp(-age / decayMs);
  }
}
