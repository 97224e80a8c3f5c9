import type { Backend } from './backend.ts';
import { ChoiceOfTwo } from './choice-of-two.ts';
import type { LatencyAverage } from './latency-average.ts';
import { type BackendTable, Cell, read } from './shared-state.ts';

/** What a backend is held to take that has attempts in flight but never answered one, in ms. */
const unknownLatency = 1_000;

/**
 * Of two random backends the one that promises to answer first: its latency, lately, times the queue in
 * front of a new request. A backend that becomes slow loses its traffic within one slow answer, and gets it
 * back as the memory of it fades.
 */
export class PeakEwma extends ChoiceOfTwo {
  readonly algorithm = 'peak-ewma';
  readonly #cells: Int32Array;
  readonly #average: LatencyAverage;

  constructor(table: BackendTable, random: () => number, average: LatencyAverage) {
    super(random);
    this.#cells = table.cells;
    this.#average = average;
  }

  protected isBetter(a: Backend, b: Backend, now: number): boolean {
    return this.#cost(a, now) < this.#cost(b, now);
  }

  #cost(backend: Backend, now: number): number {
    const active = read(this.#cells, backend.cell + Cell.active);
    const latency = this.#average.read(backend, now);
    // Unmeasured and idle costs nothing, so that it is measured; unmeasured and busy is not trusted with more.
    if (latency === 0) return active * unknownLatency;
    const weight = read(this.#cells, backend.cell + Cell.weight) || 1;
    return latency * (1 + (16 * active) / weight);
  }
}
