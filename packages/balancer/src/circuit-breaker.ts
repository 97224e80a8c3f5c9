import type { Backend } from './backend.ts';
import { checkedInteger, checkedNumber } from './error.ts';
import type { FailureCounts } from './failure-counts.ts';
import { type BackendTable, Cell, Counter, elapsed, moment, StateBit, read } from './shared-state.ts';
import type { StateChanges } from './state-changes.ts';

/**
 * The circuit of a backend: closed (normal), open (no traffic, fail fast), half-open (a few trials decide).
 * Unlike ejection it knows no share of the group: when all backends are dead, all circuits open.
 */
export interface CircuitBreakerOptions {
  /** Failures in a row that open it; 1 to 1,000, default 5. */
  readonly consecutiveFailures: number;
  /** Share of failures in the window that opens it, 0 (off) to 1; default 0.5. */
  readonly errorRate: number;
  /** Requests that must have ended in the window before the rate counts; 1 to 1,000,000, default 20. */
  readonly minimumRequests: number;
  /** First time open in ms; doubles with each failed half-open phase. 1 to 3,600,000, default 5,000. */
  readonly openMs: number;
  /** Longest time open in ms; `openMs` to 86,400,000, default 30,000 or `openMs` if more. */
  readonly maxOpenMs: number;
  /** Trials in flight at once while half-open; 1 to 1,000, default 2. Threads may overshoot by one each. */
  readonly halfOpenTrials: number;
  /** Trials that must succeed to close it; 1 to 1,000, default 2. */
  readonly successThreshold: number;
}

export const circuitBreakerDefaults: CircuitBreakerOptions = {
  consecutiveFailures: 5,
  errorRate: 0.5,
  minimumRequests: 20,
  openMs: 5_000,
  maxOpenMs: 30_000,
  halfOpenTrials: 2,
  successThreshold: 2,
};

/** @throws {BalancerError} `invalidOption` for a value out of range */
export function circuitBreakerOptions(
  options: Partial<CircuitBreakerOptions> | undefined,
): CircuitBreakerOptions {
  const { openMs = circuitBreakerDefaults.openMs } = options ?? {};
  const maxOpenMs = Math.max(circuitBreakerDefaults.maxOpenMs, openMs);
  const all = { ...circuitBreakerDefaults, maxOpenMs, ...options };
  checkedInteger('circuitBreaker.consecutiveFailures', all.consecutiveFailures, 1, 1_000);
  checkedNumber('circuitBreaker.errorRate', all.errorRate, 0, 1);
  checkedInteger('circuitBreaker.minimumRequests', all.minimumRequests, 1, 1_000_000);
  checkedInteger('circuitBreaker.openMs', all.openMs, 1, 3_600_000);
  checkedInteger('circuitBreaker.maxOpenMs', all.maxOpenMs, all.openMs, 86_400_000);
  checkedInteger('circuitBreaker.halfOpenTrials', all.halfOpenTrials, 1, 1_000);
  checkedInteger('circuitBreaker.successThreshold', all.successThreshold, 1, 1_000);
  return all;
}

export class CircuitBreaker {
  readonly options: CircuitBreakerOptions;
  readonly #table: BackendTable;
  readonly #changes: StateChanges;
  readonly #counts: FailureCounts;

  constructor(
    options: CircuitBreakerOptions,
    table: BackendTable,
    changes: StateChanges,
    counts: FailureCounts,
  ) {
    this.options = options;
    this.#table = table;
    this.#changes = changes;
    this.#counts = counts;
  }

  /** Called after each success at a half-open backend. */
  succeeded(backend: Backend, now: number): void {
    const { cells } = this.#table;
    const successes = Atomics.add(cells, backend.cell + Cell.trialSuccesses, 1) + 1;
    if (successes < this.options.successThreshold) return;
    this.#counts.reset(backend, now, 0);
    Atomics.store(cells, backend.cell + Cell.circuitOpenings, 0);
    Atomics.store(cells, backend.cell + Cell.warmSince, moment(now));
    const before = this.#changes.apply(backend, StateBit.halfOpen, StateBit.warming);
    if (before !== -1 && (before & StateBit.halfOpen) !== 0) {
      this.#changes.report(backend, 'halfOpen', 'closed', 'trialsSucceeded');
    }
  }

  /** Called after each failure. */
  failed(backend: Backend, consecutive: number, now: number): void {
    const { options } = this;
    const bits = this.#changes.bits(backend);
    if ((bits & StateBit.circuitOpen) !== 0) return;
    if ((bits & StateBit.halfOpen) !== 0) {
      this.#open(backend, 'trialFailed', now);
    } else if (consecutive >= options.consecutiveFailures) {
      this.#open(backend, 'consecutiveFailures', now);
    } else if (this.#counts.exceedsRate(backend, options.errorRate, options.minimumRequests)) {
      this.#open(backend, 'errorRate', now);
    }
  }

  /** Moves on when the time open is over. @returns ms until something happens by itself, 0 for nothing */
  settle(backend: Backend, now: number): number {
    const bits = this.#changes.bits(backend);
    if ((bits & (StateBit.circuitOpen | StateBit.halfOpen)) === 0) return 0;
    const left = elapsed(now, read(this.#table.cells, backend.cell + Cell.circuitUntil));
    if (left > 0 && left <= this.options.maxOpenMs) return left;
    if ((bits & StateBit.circuitOpen) !== 0) this.halfOpen(backend, 'openTimeOver', now);
    else this.#renewTrials(backend, now);
    return this.options.openMs;
  }

  /** Lets trials in, whatever time is left: a health check that succeeds is reason enough. */
  halfOpen(backend: Backend, reason: string, now: number): void {
    this.#renewTrials(backend, now);
    Atomics.store(this.#table.cells, backend.cell + Cell.trialSuccesses, 0);
    const before = this.#changes.apply(backend, StateBit.circuitOpen, StateBit.halfOpen);
    if (before !== -1 && (before & StateBit.circuitOpen) !== 0) {
      this.#changes.report(backend, 'open', 'halfOpen', reason);
    }
  }

  /** Trials that never end (a tunnel, a dead worker) give their places back after the time open. */
  #renewTrials(backend: Backend, now: number): void {
    Atomics.store(this.#table.cells, backend.cell + Cell.trials, 0);
    Atomics.store(this.#table.cells, backend.cell + Cell.circuitUntil, moment(now + this.options.openMs));
  }

  #open(backend: Backend, reason: string, now: number): void {
    const { cells, counters } = this.#table;
    const openings = read(cells, backend.cell + Cell.circuitOpenings);
    const openFor = Math.min(this.options.maxOpenMs, this.options.openMs * 2 ** Math.min(openings, 30));
    Atomics.store(cells, backend.cell + Cell.circuitUntil, moment(now + openFor));
    const before = this.#changes.apply(backend, StateBit.halfOpen, StateBit.circuitOpen);
    if (before === -1 || (before & StateBit.circuitOpen) !== 0) return;
    Atomics.store(cells, backend.cell + Cell.circuitOpenings, openings + 1);
    const counter = backend.counter + Counter.circuitOpenings;
    counters[counter] = (counters[counter] ?? 0) + 1;
    const from = (before & StateBit.halfOpen) !== 0 ? 'halfOpen' : 'closed';
    this.#changes.report(backend, from, 'open', reason);
  }
}
