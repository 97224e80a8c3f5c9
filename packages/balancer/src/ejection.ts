import type { Backend } from './backend.ts';
import { checkedInteger, checkedNumber } from './error.ts';
import type { FailureCounts } from './failure-counts.ts';
import {
  administrativeBits,
  blockingBits,
  type BackendTable,
  Cell,
  Counter,
  elapsed,
  Header,
  isOnTrial,
  moment,
  StateBit,
  read,
  unprovenBits,
} from './shared-state.ts';
import type { StateChanges } from './state-changes.ts';

/** Passive health checks: a backend that fails real requests is taken out for a growing time. */
export interface EjectionOptions {
  /** Failures in a row that eject; 1 to 1,000, default 3. 1 ejects on any single mishap. */
  readonly consecutiveFailures: number;
  /** Share of failures in the window that ejects, 0 (off) to 1; default 0.5. */
  readonly errorRate: number;
  /** Requests that must have ended in the window before the rate counts; 1 to 1,000,000, default 20. */
  readonly minimumRequests: number;
  /** First ejection in ms; 1 to 3,600,000, default 10,000. */
  readonly baseMs: number;
  /** Longest ejection in ms; `baseMs` to 86,400,000, default 300,000 or `baseMs` if more. */
  readonly maxMs: number;
  /** How the time grows with ejections in a row: `baseMs` x n, or `baseMs` x 2^(n-1). Default exponential. */
  readonly growth: 'linear' | 'exponential';
  /** Time in service after which one earlier ejection is forgotten, in ms; default 60,000. */
  readonly forgetMs: number;
  /**
   * Most of the group that may be ejected at once, in percent of its backends in service; 0 to 100, default
   * 50. At least one may always go, unless it is the last one that can be picked: the rest would drown.
   */
  readonly maxEjectionPercent: number;
}

export const ejectionDefaults: EjectionOptions = {
  consecutiveFailures: 3,
  errorRate: 0.5,
  minimumRequests: 20,
  baseMs: 10_000,
  maxMs: 300_000,
  growth: 'exponential',
  forgetMs: 60_000,
  maxEjectionPercent: 50,
};

/** @throws {BalancerError} `invalidOption` for a value out of range */
export function ejectionOptions(options: Partial<EjectionOptions> | undefined): EjectionOptions {
  const { baseMs = ejectionDefaults.baseMs } = options ?? {};
  const maxMs = Math.max(ejectionDefaults.maxMs, baseMs);
  const all = { ...ejectionDefaults, maxMs, ...options };
  checkedInteger('ejection.consecutiveFailures', all.consecutiveFailures, 1, 1_000);
  checkedNumber('ejection.errorRate', all.errorRate, 0, 1);
  checkedInteger('ejection.minimumRequests', all.minimumRequests, 1, 1_000_000);
  checkedInteger('ejection.baseMs', all.baseMs, 1, 3_600_000);
  checkedInteger('ejection.maxMs', all.maxMs, all.baseMs, 86_400_000);
  checkedInteger('ejection.forgetMs', all.forgetMs, 1, 86_400_000);
  checkedNumber('ejection.maxEjectionPercent', all.maxEjectionPercent, 0, 100);
  return all;
}

/** Length of the `count`th ejection in a row, in ms. */
export function ejectionTime(options: EjectionOptions, count: number): number {
  const factor = options.growth === 'linear' ? count : 2 ** (count - 1);
  return Math.min(options.maxMs, options.baseMs * factor);
}

/** How long an ejection lasts at least before its backend may be needed again. */
const MIN_SERVED_MS = 1_000;

/** Ejects and takes back; the time runs out lazily, when somebody picks, without timers. */
export class PassiveEjection {
  readonly options: EjectionOptions;
  readonly #table: BackendTable;
  readonly #changes: StateChanges;
  readonly #counts: FailureCounts;

  constructor(options: EjectionOptions, table: BackendTable, changes: StateChanges, counts: FailureCounts) {
    this.options = options;
    this.#table = table;
    this.#changes = changes;
    this.#counts = counts;
  }

  /** Called after each failure. */
  failed(backend: Backend, group: readonly Backend[], consecutive: number, now: number): void {
    const { options } = this;
    const inARow = consecutive >= options.consecutiveFailures;
    if (!inARow && !this.#counts.exceedsRate(backend, options.errorRate, options.minimumRequests)) return;
    if ((this.#changes.bits(backend) & (StateBit.ejected | administrativeBits)) !== 0) return;
    const ejected = this.#eject(backend, group, inARow ? 'consecutiveFailures' : 'errorRate', now);
    if (!ejected && inARow) this.#suspect(backend, now);
  }

  /**
   * Called after each late answer. Where all of them are late it is the load, and one backend less would make it worse:
   * only one that is late while another one is in time has to go.
   */
  late(backend: Backend, group: readonly Backend[], consecutive: number, now: number): void {
    if (consecutive < this.options.consecutiveFailures) return;
    if ((this.#changes.bits(backend) & (StateBit.ejected | administrativeBits)) !== 0) return;
    if (!group.some((other) => other !== backend && this.#isInTime(other))) return;
    if (this.#isWithinCap(group, 1)) this.#eject(backend, group, 'late', now);
  }

  #isInTime(backend: Backend): boolean {
    if ((this.#changes.bits(backend) & (blockingBits | unprovenBits)) !== 0) return false;
    return read(this.#table.cells, backend.cell + Cell.consecutiveFailures) === 0;
  }

  /** The cap keeps it in service: with others that serve nothing changes, without any its requests must be paid for. */
  #suspect(backend: Backend, now: number): void {
    const before = this.#changes.apply(backend, 0, StateBit.suspect);
    if (before === -1) return;
    this.#limitTrials(backend, before, now);
    Atomics.add(this.#table.cells, Header.version, 1);
  }

  /** Trials are counted from here on, unless they were before. */
  #limitTrials(backend: Backend, before: number, now: number): void {
    const { cells } = this.#table;
    if (!isOnTrial(before)) Atomics.store(cells, backend.cell + Cell.trials, 0);
    Atomics.store(cells, backend.cell + Cell.ejectedUntil, moment(now + this.options.baseMs));
  }

  /**
   * Ends the ejection when its time is over; lets more trials in, without one, when those before never ended.
   *
   * @returns ms until then
   */
  settle(backend: Backend, now: number): number {
    const left = elapsed(now, read(this.#table.cells, backend.cell + Cell.ejectedUntil));
    // The 32-bit clock comes round after 24.8 days without a request: nothing is ejected for so long.
    if (left > 0 && left <= this.options.maxMs) return left;
    if ((this.#changes.bits(backend) & StateBit.ejected) === 0) this.#renewTrials(backend, now);
    else this.release(backend, 'ejectionTimeOver', now);
    return this.options.baseMs;
  }

  /** Called after a success of one on probation or suspected: it serves again, and starts slowly after an ejection. */
  succeeded(backend: Backend, state: number, now: number): void {
    const { cells } = this.#table;
    const returned = (state & StateBit.probation) !== 0;
    if (returned) Atomics.store(cells, backend.cell + Cell.warmSince, moment(now));
    const warming = returned ? StateBit.warming : 0;
    const proven = state & (StateBit.probation | StateBit.suspect);
    if (this.#changes.apply(backend, proven, warming) === -1) return;
    // All threads are to look anew for what time is to end.
    Atomics.add(cells, Header.version, 1);
  }

  #renewTrials(backend: Backend, now: number): void {
    const { cells } = this.#table;
    Atomics.store(cells, backend.cell + Cell.trials, 0);
    Atomics.store(cells, backend.cell + Cell.ejectedUntil, moment(now + this.options.baseMs));
  }

  /**
   * Ends an ejection, whatever time is left. The backend is on probation: a few requests at a time until one of them
   * succeeds, and the next failure ejects again. One that hangs would else take clients by the dozen each time.
   */
  release(backend: Backend, reason: string, now: number): void {
    this.#counts.reset(backend, now, this.options.consecutiveFailures - 1);
    this.#limitTrials(backend, StateBit.ejected, now);
    Atomics.store(this.#table.cells, backend.cell + Cell.returnedAt, moment(now));
    Atomics.store(this.#table.cells, backend.cell + Cell.warmSince, moment(now));
    const returned = StateBit.warming | StateBit.probation;
    const before = this.#changes.apply(backend, StateBit.ejected, returned);
    if (before !== -1 && (before & StateBit.ejected) !== 0) {
      this.#changes.report(backend, 'ejected', 'inService', reason);
    }
  }

  /** @returns whether it is ejected */
  #eject(backend: Backend, group: readonly Backend[], reason: string, now: number): boolean {
    if (!this.#isWithinCap(group, 1) && !this.#makeRoom(backend, group, now)) return false;
    const { cells } = this.#table;
    const count = this.#ejectionsInARow(backend, now) + 1;
    const until = now + ejectionTime(this.options, count);
    // Until before bit: who sees the bit sees when it ends.
    Atomics.store(cells, backend.cell + Cell.ejectedUntil, moment(until));
    const before = this.#changes.apply(backend, StateBit.suspect, StateBit.ejected);
    if (before === -1) return true;
    if (!isOnTrial(before)) Atomics.store(cells, backend.cell + Cell.trials, 0);
    // Bit first, count after: threads that eject at the same time both see each other, and never exceed.
    if (!this.#isWithinCap(group, 0)) {
      this.#changes.apply(backend, StateBit.ejected, 0);
      return false;
    }
    Atomics.store(cells, backend.cell + Cell.ejections, count);
    const counter = backend.counter + Counter.ejections;
    this.#table.counters[counter] = (this.#table.counters[counter] ?? 0) + 1;
    this.#changes.report(backend, 'inService', 'ejected', reason);
    return true;
  }

  /**
   * The cap keeps a backend in service that fails while another one, which may be well again, sits out its time: that
   * one comes back on probation, so that there is somebody to retry at. At most once a second for each backend, so
   * that a dead group does not change places with every request.
   */
  #makeRoom(failing: Backend, group: readonly Backend[], now: number): boolean {
    let longest: Backend | undefined;
    let served = MIN_SERVED_MS;
    for (const backend of group) {
      const bits = this.#changes.bits(backend);
      if (backend === failing || (bits & blockingBits) !== StateBit.ejected) continue;
      const { cells } = this.#table;
      const whole = ejectionTime(this.options, Math.max(1, read(cells, backend.cell + Cell.ejections)));
      const time = whole - elapsed(now, read(cells, backend.cell + Cell.ejectedUntil));
      if (time < served) continue;
      served = time;
      longest = backend;
    }
    if (longest === undefined) return false;
    this.release(longest, 'neededInstead', now);
    return this.#isWithinCap(group, 1);
  }

  #ejectionsInARow(backend: Backend, now: number): number {
    const { cells } = this.#table;
    const count = read(cells, backend.cell + Cell.ejections);
    const returnedAt = read(cells, backend.cell + Cell.returnedAt);
    if (count === 0 || returnedAt === 0) return count;
    const quiet = elapsed(returnedAt, now);
    if (quiet < 0) return 0;
    return Math.max(0, count - Math.floor(quiet / this.options.forgetMs));
  }

  /** @param more how many ejections are to be added to those that the state words show */
  #isWithinCap(group: readonly Backend[], more: number): boolean {
    let inService = 0;
    let ejected = 0;
    let usable = 0;
    for (const backend of group) {
      const bits = this.#changes.bits(backend);
      if ((bits & administrativeBits) !== 0) continue;
      inService++;
      if ((bits & StateBit.ejected) !== 0) ejected++;
      else if ((bits & (StateBit.unhealthy | StateBit.circuitOpen)) === 0) usable++;
    }
    const percent = this.options.maxEjectionPercent;
    const cap = percent === 0 ? 0 : Math.max(1, Math.floor((inService * percent) / 100));
    return usable - more >= 1 && ejected + more <= cap;
  }
}
