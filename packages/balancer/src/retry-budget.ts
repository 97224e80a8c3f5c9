import type { Backend } from './backend.ts';
import { checkedInteger, checkedNumber } from './error.ts';
import { type BackendTable, Cell, elapsed, Header, moment, read } from './shared-state.ts';

/**
 * Bounds what retries may add to the load of a group, over all threads, so that they never amplify an outage.
 */
export interface RetryBudgetOptions {
  /** Retries as a share of the requests that come; 0 (nothing but the floor) to 1; default 0.2. */
  readonly ratio: number;
  /** Retries per second that are allowed besides, so that quiet groups can retry at all. 0 to 1,000; default 5. */
  readonly minimumPerSecond: number;
  /**
   * Retries that quiet times can save up, and that may be in flight at once; 1 to 100,000, default 50. Half of
   * the requests in flight where that is more: when one of two backends dies, half of them fail at once.
   */
  readonly burst: number;
}

export const retryBudgetDefaults: RetryBudgetOptions = { ratio: 0.2, minimumPerSecond: 5, burst: 50 };

/** @throws {BalancerError} `invalidOption` for a value out of range */
export function retryBudgetOptions(options: Partial<RetryBudgetOptions> | undefined): RetryBudgetOptions {
  const { ratio, minimumPerSecond, burst } = { ...retryBudgetDefaults, ...options };
  return {
    ratio: checkedNumber('retryBudget.ratio', ratio, 0, 1),
    minimumPerSecond: checkedNumber('retryBudget.minimumPerSecond', minimumPerSecond, 0, 1_000),
    burst: checkedInteger('retryBudget.burst', burst, 1, 100_000),
  };
}

/** Tokens are kept in thousandths. */
const token = 1_000;
/** Far from where 32 bits end; what counts is cut off when a token is spent. */
const mostTokens = 1_000_000 * token;

/**
 * A token bucket that requests fill by `ratio` and time by `minimumPerSecond`. Retries are thereby a share of
 * the load, whether they fail at once (connection refused) or hang: a mere limit of retries in flight would
 * let fast ones repeat without end.
 */
export class RetryBudget {
  readonly #cells: Int32Array;
  readonly #ownRetries: number;
  #deposit: number;
  #minimumPerSecond: number;
  #burst: number;

  constructor(options: RetryBudgetOptions, table: BackendTable) {
    this.#cells = table.cells;
    this.#ownRetries = table.workerRetriesCell(table.worker);
    this.#deposit = Math.round(options.ratio * token);
    this.#minimumPerSecond = options.minimumPerSecond;
    this.#burst = options.burst;
  }

  configure(options: RetryBudgetOptions): void {
    this.#deposit = Math.round(options.ratio * token);
    this.#minimumPerSecond = options.minimumPerSecond;
    this.#burst = options.burst;
  }

  /** A request came: not a retry of one. */
  requestArrived(): void {
    if (read(this.#cells, Header.retryTokens) < mostTokens) {
      Atomics.add(this.#cells, Header.retryTokens, this.#deposit);
    }
  }

  /**
   * Takes a place for one retry, to be given back with `release` when that attempt has ended.
   *
   * @param backends of the group: their attempts in flight are what the share is taken of
   */
  tryAcquire(backends: readonly Backend[], now: number): boolean {
    const cells = this.#cells;
    let active = 0;
    for (const backend of backends) active += read(cells, backend.cell + Cell.active);
    const most = Math.max(this.#burst, Math.floor(active / 2));
    const retries = Atomics.add(cells, Header.activeRetries, 1);
    if (retries < most && this.#spend(most, now)) {
      Atomics.add(cells, this.#ownRetries, 1);
      return true;
    }
    Atomics.sub(cells, Header.activeRetries, 1);
    return false;
  }

  /** A retry has ended. */
  release(): void {
    Atomics.sub(this.#cells, Header.activeRetries, 1);
    Atomics.sub(this.#cells, this.#ownRetries, 1);
  }

  /** Takes one token, without a place among the retries in flight. */
  trySpend(now: number): boolean {
    return this.#spend(this.#burst, now);
  }

  /** Retries in flight over all threads: for statistics. */
  get activeRetries(): number {
    return read(this.#cells, Header.activeRetries);
  }

  /** @param saved tokens beyond this number are lost */
  #spend(saved: number, now: number): boolean {
    this.#refill(now);
    const cells = this.#cells;
    for (;;) {
      const tokens = read(cells, Header.retryTokens);
      if (tokens < token) return false;
      const left = Math.min(tokens, saved * token) - token;
      if (Atomics.compareExchange(cells, Header.retryTokens, tokens, left) === tokens) return true;
    }
  }

  #refill(now: number): void {
    const cells = this.#cells;
    const since = read(cells, Header.retryRefilledAt);
    const passed = since === 0 ? 1_000 : Math.min(1_000, elapsed(since, now));
    const earned = Math.floor(passed * this.#minimumPerSecond);
    // Too short to earn a thousandth of a token: let it add up. A clock that came round starts afresh.
    if (passed >= 0 && earned === 0) return;
    if (Atomics.compareExchange(cells, Header.retryRefilledAt, since, moment(now)) !== since) return;
    if (earned > 0 && read(cells, Header.retryTokens) < mostTokens) {
      Atomics.add(cells, Header.retryTokens, earned);
    }
  }
}
