import { type Availability, mostTrials } from './availability.ts';
import type { Backend } from './backend.ts';
import type { RetryBudget } from './retry-budget.ts';
import { administrativeBits, type BackendTable, Cell, elapsed, Header, read } from './shared-state.ts';

/** Requests that one proof of life lets through besides the budget: traffic doubles with each round trip. */
const creditPerSuccess = 2;
const mostCredit = 1_000;

/**
 * What is left when no backend may be picked: the one that failed last, because it was alive last. Attempts
 * are paid from the retry budget, so a dead fleet sees a share of the load and most clients a quick 503. If
 * it is the checks that are wrong and attempts succeed, each success earns two more: full traffic flows
 * again after a few round trips.
 */
export class BestEffort {
  readonly #cells: Int32Array;
  readonly #budget: RetryBudget;

  constructor(table: BackendTable, budget: RetryBudget) {
    this.#cells = table.cells;
    this.#budget = budget;
  }

  /** @param paid it is paid for already */
  pick(backends: readonly Backend[], availability: Availability, paid: boolean): Backend | undefined {
    const { now } = availability;
    if (!paid && !this.pays(now)) return undefined;
    let best: Backend | undefined;
    let bestAge = Infinity;
    for (const backend of backends) {
      const state = read(this.#cells, backend.cell + Cell.state);
      if ((state & administrativeBits) !== 0 || availability.wasTried(backend)) continue;
      if (this.#hangs(backend)) continue;
      const failedAt = read(this.#cells, backend.cell + Cell.lastFailedAt);
      const age = failedAt === 0 ? Number.MAX_SAFE_INTEGER : elapsed(failedAt, now);
      if (age < bestAge) {
        best = backend;
        bestAge = age;
      }
    }
    return best;
  }

  /** Whether one more request may go where it will probably fail. */
  pays(now: number): boolean {
    return this.#spendCredit() || this.#budget.trySpend(now);
  }

  /** Its last attempt failed, and enough others are under way: more would only wait. */
  #hangs(backend: Backend): boolean {
    const cells = this.#cells;
    if (read(cells, backend.cell + Cell.consecutiveFailures) === 0) return false;
    return read(cells, backend.cell + Cell.trials) >= mostTrials;
  }

  /** A backend that is held to be down answered. */
  succeeded(): void {
    if (read(this.#cells, Header.bestEffortCredit) < mostCredit) {
      Atomics.add(this.#cells, Header.bestEffortCredit, creditPerSuccess);
    }
  }

  #spendCredit(): boolean {
    for (;;) {
      const credit = read(this.#cells, Header.bestEffortCredit);
      if (credit <= 0) return false;
      const taken = Atomics.compareExchange(this.#cells, Header.bestEffortCredit, credit, credit - 1);
      if (taken === credit) return true;
    }
  }
}
