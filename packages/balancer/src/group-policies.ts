import type { Backend } from './backend.ts';
import { CircuitBreaker, circuitBreakerOptions } from './circuit-breaker.ts';
import { ejectionOptions, PassiveEjection } from './ejection.ts';
import { FailureCounts, type FailureOptions, failureOptions, isFailure, isLate } from './failure-counts.ts';
import type { UpstreamGroupChange } from './group-options.ts';
import { AttemptOutcome } from './outcome.ts';
import {
  type BackendTable,
  blockingBits,
  Cell,
  elapsed,
  isOnTrial,
  moment,
  StateBit,
  read,
} from './shared-state.ts';
import { type SlowStartOptions, slowStartOptions } from './slow-start.ts';
import type { StateChanges } from './state-changes.ts';

/** What ejection has to end, or to take back when it is switched off. */
const ejectionBits = StateBit.ejected | StateBit.probation | StateBit.suspect;

/** What a group concludes from how attempts end, and from time passing. */
export class GroupPolicies {
  readonly ejection: PassiveEjection | undefined;
  readonly breaker: CircuitBreaker | undefined;
  readonly slowStart: SlowStartOptions;
  readonly #failures: FailureOptions;
  readonly #counts: FailureCounts;
  readonly #changes: StateChanges;
  readonly #cells: Int32Array;

  /** @throws {BalancerError} `invalidOption` for an option out of range */
  constructor(options: UpstreamGroupChange, table: BackendTable, changes: StateChanges) {
    this.#failures = failureOptions(options.failures);
    this.#counts = new FailureCounts(table, this.#failures.windowMs);
    this.#changes = changes;
    this.#cells = table.cells;
    this.ejection =
      options.ejection === false
        ? undefined
        : new PassiveEjection(ejectionOptions(options.ejection), table, changes, this.#counts);
    this.breaker =
      options.circuitBreaker === false
        ? undefined
        : new CircuitBreaker(circuitBreakerOptions(options.circuitBreaker), table, changes, this.#counts);
    this.slowStart = slowStartOptions(options.slowStart === false ? { windowMs: 0 } : options.slowStart);
  }

  /** Trials at once at a half-open backend. */
  get halfOpenTrials(): number {
    return this.breaker?.options.halfOpenTrials ?? Infinity;
  }

  /**
   * @param state the state word as the attempt ended
   * @param late an answer came, but not in time
   */
  ended(
    backend: Backend,
    outcome: AttemptOutcome,
    state: number,
    group: readonly Backend[],
    now: number,
    late: boolean,
  ): void {
    if (isOnTrial(state)) this.#trialEnded(backend);
    if (outcome === AttemptOutcome.cancelled) return;
    if ((state & StateBit.removed) !== 0) {
      // It only finishes what it had: nobody needs a verdict any more.
      return;
    } else if (isFailure(outcome, this.#failures)) {
      const consecutive = this.#counts.failed(backend, now);
      this.ejection?.failed(backend, group, consecutive, now);
      this.breaker?.failed(backend, consecutive, now);
    } else {
      if (late) this.#late(backend, group, state, now);
      else this.#inTime(backend, state, now);
      if ((state & StateBit.halfOpen) !== 0) this.breaker?.succeeded(backend, now);
    }
  }

  /** @param latencyMs to the head of the response; negative: unknown */
  isLate(outcome: AttemptOutcome, latencyMs: number): boolean {
    return isLate(outcome, latencyMs, this.#failures);
  }

  #inTime(backend: Backend, state: number, now: number): void {
    this.#counts.succeeded(backend, now);
    if ((state & (StateBit.probation | StateBit.suspect)) !== 0)
      this.ejection?.succeeded(backend, state, now);
  }

  #late(backend: Backend, group: readonly Backend[], state: number, now: number): void {
    const consecutive = this.#counts.late(backend, now);
    // It serves, whatever else may be said of it.
    if ((state & StateBit.suspect) !== 0) this.ejection?.succeeded(backend, StateBit.suspect, now);
    this.ejection?.late(backend, group, consecutive, now);
  }

  /** Called as an attempt starts. */
  started(backend: Backend): void {
    if (!isOnTrial(read(this.#cells, backend.cell + Cell.state))) return;
    Atomics.add(this.#cells, backend.cell + Cell.trials, 1);
  }

  #trialEnded(backend: Backend): void {
    const cells = this.#cells;
    const cell = backend.cell + Cell.trials;
    for (;;) {
      const trials = read(cells, cell);
      // Attempts from before the circuit opened, or the ejection, end here too: never below zero.
      if (trials <= 0 || Atomics.compareExchange(cells, cell, trials, trials - 1) === trials) return;
    }
  }

  /**
   * Ends what time has ended: ejections, open circuits, slow starts. Policies that were switched off release
   * what they had taken.
   *
   * @returns ms until the next such moment, 0 when there is none
   */
  settle(backends: readonly Backend[], now: number): number {
    let next = Infinity;
    for (const backend of backends) {
      const left = this.#settleOne(backend, now);
      if (left > 0 && left < next) next = left;
    }
    return next === Infinity ? 0 : next;
  }

  /** An active check found the backend well again: no more waiting for the circuit's time to pass. */
  provenHealthy(backend: Backend, now: number): void {
    this.#counts.reset(backend, now, 0);
    Atomics.store(this.#cells, backend.cell + Cell.warmSince, moment(now));
    this.#changes.apply(backend, 0, StateBit.warming);
    if ((this.#changes.bits(backend) & StateBit.circuitOpen) !== 0) {
      this.breaker?.halfOpen(backend, 'healthCheckSucceeded', now);
    }
  }

  #settleOne(backend: Backend, now: number): number {
    const bits = this.#changes.bits(backend);
    let left = Infinity;
    if ((bits & ejectionBits) !== 0) {
      if (this.ejection === undefined) this.#changes.apply(backend, ejectionBits, 0);
      else left = this.#settleEjection(this.ejection, backend, bits, now);
    }
    if ((bits & (StateBit.circuitOpen | StateBit.halfOpen)) !== 0) {
      if (this.breaker === undefined)
        this.#changes.apply(backend, StateBit.circuitOpen | StateBit.halfOpen, 0);
      else left = Math.min(left, this.breaker.settle(backend, now) || Infinity);
    }
    if ((this.#changes.bits(backend) & StateBit.warming) !== 0) {
      left = Math.min(left, this.#settleWarming(backend, now) || Infinity);
    }
    return left === Infinity ? 0 : left;
  }

  /** While something else keeps a backend out, more trials for it are no moment that anybody waits for. */
  #settleEjection(ejection: PassiveEjection, backend: Backend, bits: number, now: number): number {
    const left = ejection.settle(backend, now);
    return (bits & StateBit.ejected) !== 0 || (bits & blockingBits) === 0 ? left : Infinity;
  }

  #settleWarming(backend: Backend, now: number): number {
    const passed = elapsed(read(this.#cells, backend.cell + Cell.warmSince), now);
    if (passed >= 0 && passed < this.slowStart.windowMs) return this.slowStart.windowMs - passed;
    this.#changes.apply(backend, StateBit.warming, 0);
    return 0;
  }
}
