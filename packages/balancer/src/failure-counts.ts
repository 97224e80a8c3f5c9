import type { Backend } from './backend.ts';
import { checkedInteger } from './error.ts';
import { AttemptOutcome } from './outcome.ts';
import { type BackendTable, Cell, elapsed, moment, read } from './shared-state.ts';

/** What counts as a failure of a backend, for ejection and for the circuit. */
export interface FailureOptions {
  /** Length of the window over which the error rate is taken, in ms. 100 to 3,600,000; default 10,000. */
  readonly windowMs: number;
  /**
   * Responses of 500 and above count too. Default false: an application's own errors would take its servers
   * out one after the other. Switch it on where 5xx means a broken server.
   */
  readonly status5xx: boolean;
  /**
   * Responses whose head took longer than this are steps towards ejection too, in ms; 0 (default: off) to 3,600,000.
   * Takes out a server that still answers, but late, while another one is in time. They open no circuit.
   */
  readonly slowMs: number;
}

export const failureDefaults: FailureOptions = { windowMs: 10_000, status5xx: false, slowMs: 0 };

export function failureOptions(options: Partial<FailureOptions> | undefined): FailureOptions {
  const { windowMs, status5xx, slowMs } = { ...failureDefaults, ...options };
  return {
    windowMs: checkedInteger('failures.windowMs', windowMs, 100, 3_600_000),
    status5xx,
    slowMs: checkedInteger('failures.slowMs', slowMs, 0, 3_600_000),
  };
}

/** True when an attempt that ended so speaks against the backend. */
export function isFailure(outcome: AttemptOutcome, options: FailureOptions): boolean {
  if (outcome === AttemptOutcome.status5xx) return options.status5xx;
  return outcome !== AttemptOutcome.success && outcome !== AttemptOutcome.cancelled;
}

/**
 * True when there was an answer, but a late one.
 *
 * @param latencyMs to the head of the response; negative: unknown
 */
export function isLate(outcome: AttemptOutcome, latencyMs: number, options: FailureOptions): boolean {
  return options.slowMs !== 0 && outcome <= AttemptOutcome.status5xx && latencyMs > options.slowMs;
}

/** Consecutive failures and the error rate of a window, in shared cells: ten workers see one count. */
export class FailureCounts {
  readonly #cells: Int32Array;
  #windowMs: number;

  constructor(table: BackendTable, windowMs: number) {
    this.#cells = table.cells;
    this.#windowMs = windowMs;
  }

  configure(windowMs: number): void {
    this.#windowMs = windowMs;
  }

  succeeded(backend: Backend, now: number): void {
    const cells = this.#cells;
    const cell = backend.cell;
    if (read(cells, cell + Cell.consecutiveFailures) !== 0) {
      Atomics.store(cells, cell + Cell.consecutiveFailures, 0);
    }
    this.#roll(cell, now);
    // Not atomic, because it is on the way of every request: a lost count among many changes no rate.
    cells[cell + Cell.windowRequests] = read(cells, cell + Cell.windowRequests) + 1;
  }

  /** @returns consecutive failures, this one included */
  failed(backend: Backend, now: number): number {
    const cells = this.#cells;
    const cell = backend.cell;
    Atomics.store(cells, cell + Cell.lastFailedAt, moment(now));
    this.#roll(cell, now);
    Atomics.add(cells, cell + Cell.windowRequests, 1);
    Atomics.add(cells, cell + Cell.windowFailures, 1);
    return Atomics.add(cells, cell + Cell.consecutiveFailures, 1) + 1;
  }

  /** An answer came, but late: a step towards ejection, and no error. @returns consecutive failures, this one included */
  late(backend: Backend, now: number): number {
    const cells = this.#cells;
    this.#roll(backend.cell, now);
    Atomics.add(cells, backend.cell + Cell.windowRequests, 1);
    return Atomics.add(cells, backend.cell + Cell.consecutiveFailures, 1) + 1;
  }

  /** True when at least `minimumRequests` of the window ended and `rate` of them failed. */
  exceedsRate(backend: Backend, rate: number, minimumRequests: number): boolean {
    const requests = read(this.#cells, backend.cell + Cell.windowRequests);
    if (rate <= 0 || requests < minimumRequests) return false;
    return read(this.#cells, backend.cell + Cell.windowFailures) >= rate * requests;
  }

  /** Starts a new window: what was counted led to a decision, or is too old to. */
  reset(backend: Backend, now: number, consecutiveFailures: number): void {
    const cells = this.#cells;
    Atomics.store(cells, backend.cell + Cell.consecutiveFailures, consecutiveFailures);
    Atomics.store(cells, backend.cell + Cell.windowStart, moment(now));
    Atomics.store(cells, backend.cell + Cell.windowRequests, 0);
    Atomics.store(cells, backend.cell + Cell.windowFailures, 0);
  }

  #roll(cell: number, now: number): void {
    const cells = this.#cells;
    const start = read(cells, cell + Cell.windowStart);
    const age = elapsed(start, now);
    if (start !== 0 && age >= 0 && age < this.#windowMs) return;
    if (Atomics.compareExchange(cells, cell + Cell.windowStart, start, moment(now)) !== start) return;
    Atomics.store(cells, cell + Cell.windowRequests, 0);
    Atomics.store(cells, cell + Cell.windowFailures, 0);
  }
}
