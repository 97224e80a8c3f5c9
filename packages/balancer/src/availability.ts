import type { Backend } from './backend.ts';
import { mix32 } from './hash.ts';
import { type BackendTable, blockingBits, Cell, StateBit, read, unprovenBits } from './shared-state.ts';
import { warmShare, type SlowStartOptions } from './slow-start.ts';

/** The options that availability depends on. */
export interface AvailabilityLimits {
  /** Trials in flight at once at a half-open backend. */
  readonly halfOpenTrials: number;
  readonly slowStart: SlowStartOptions;
}

/** What a backend needs a closer look for. */
const carefulBits = unprovenBits | StateBit.warming;

/** Attempts at a time at a backend that came back from an ejection, until one of them succeeds. */
const probationTrials = 2;

/** The same where nobody else is any better. */
export const mostTrials = 10;

/**
 * May a backend take the request at hand? Composed here, outside of the algorithms: healthy, in service, not
 * ejected, circuit closed or with a free trial, not tried before, and, while it is on probation or starts slowly, let
 * in by the number of trials or its growing share. One object per group, set up anew by `begin` for every pick.
 */
export class Availability {
  /** Some backend was passed over only because it has just come back. */
  passedOver: boolean;
  readonly #cells: Int32Array;
  readonly #random: () => number;
  #now: number;
  #tried: readonly Backend[] | undefined;
  #ignoreReturn: boolean;
  #halfOpenTrials: number;
  #slowStart: SlowStartOptions;

  constructor(table: BackendTable, random: () => number, limits: AvailabilityLimits) {
    this.passedOver = false;
    this.#cells = table.cells;
    this.#random = random;
    this.#now = 0;
    this.#tried = undefined;
    this.#ignoreReturn = false;
    this.#halfOpenTrials = limits.halfOpenTrials;
    this.#slowStart = limits.slowStart;
  }

  /** The moment of the pick. */
  get now(): number {
    return this.#now;
  }

  configure(limits: AvailabilityLimits): void {
    this.#halfOpenTrials = limits.halfOpenTrials;
    this.#slowStart = limits.slowStart;
  }

  begin(now: number, tried: readonly Backend[] | undefined): void {
    this.#now = now;
    this.#tried = tried;
    this.#ignoreReturn = false;
    this.passedOver = false;
  }

  /** For the second round, when care for those that have just come back left nobody. */
  ignoreReturn(): void {
    this.#ignoreReturn = true;
  }

  admits(backend: Backend): boolean {
    const state = read(this.#cells, backend.cell + Cell.state);
    if ((state & blockingBits) !== 0 || this.wasTried(backend)) return false;
    if ((state & carefulBits) === 0) return true;
    return this.#hasFreeTrial(backend, state) && this.#letsIn(backend, state, this.#random());
  }

  /**
   * As `admits`, for a selector that maps clients to backends: a slowly starting backend lets the same
   * clients in every time, and more of them as it warms up, so that each client moves once.
   */
  admitsClient(backend: Backend, clientHash: number): boolean {
    const state = read(this.#cells, backend.cell + Cell.state);
    if ((state & blockingBits) !== 0 || this.wasTried(backend)) return false;
    if ((state & carefulBits) === 0) return true;
    const draw = mix32(clientHash ^ backend.cell) / 2 ** 32;
    return this.#hasFreeTrial(backend, state) && this.#letsIn(backend, state, draw);
  }

  /** As `admits`, but without the draw of slow start: for who takes account of it in another way. */
  mightAdmit(backend: Backend): boolean {
    const state = read(this.#cells, backend.cell + Cell.state);
    return (state & blockingBits) === 0 && !this.wasTried(backend) && this.#hasFreeTrial(backend, state);
  }

  /** As `mightAdmit`, and the backend is not one that fails whatever it is asked. */
  mightServe(backend: Backend): boolean {
    const state = read(this.#cells, backend.cell + Cell.state);
    return (state & StateBit.suspect) === 0 && this.mightAdmit(backend);
  }

  /** Out of service for nothing but failures of its own, and few are trying it: for a request that has no other. */
  isLastResort(backend: Backend): boolean {
    const state = read(this.#cells, backend.cell + Cell.state);
    if ((state & blockingBits) !== StateBit.ejected || this.wasTried(backend)) return false;
    return read(this.#cells, backend.cell + Cell.trials) < mostTrials;
  }

  wasTried(backend: Backend): boolean {
    const tried = this.#tried;
    if (tried === undefined) return false;
    for (let i = 0; i < tried.length; i++) {
      if (tried[i] === backend || tried[i]?.index === backend.index) return true;
    }
    return false;
  }

  #hasFreeTrial(backend: Backend, state: number): boolean {
    if ((state & unprovenBits) === 0) return true;
    const trials = read(this.#cells, backend.cell + Cell.trials);
    if ((state & StateBit.halfOpen) !== 0 && trials >= this.#halfOpenTrials) return false;
    if (trials >= mostTrials && (state & (StateBit.probation | StateBit.suspect)) !== 0) return false;
    if ((state & StateBit.probation) === 0 || this.#ignoreReturn || trials < probationTrials) return true;
    this.passedOver = true;
    return false;
  }

  #letsIn(backend: Backend, state: number, draw: number): boolean {
    if ((state & StateBit.warming) === 0 || this.#ignoreReturn) return true;
    const since = read(this.#cells, backend.cell + Cell.warmSince);
    if (draw < warmShare(this.#slowStart, since, this.#now)) return true;
    this.passedOver = true;
    return false;
  }
}
