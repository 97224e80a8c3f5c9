import type { Backend } from './backend.ts';
import { type BackendTable, blockingBits, Cell, Counter, Header, StateBit, read } from './shared-state.ts';

/**
 * What a state change can lead from and to. Four independent sides of a backend: health (active checks),
 * administration (operator, reload), ejection (passive checks), circuit.
 */
export type BackendCondition =
  | 'healthy'
  | 'unhealthy'
  | 'enabled'
  | 'draining'
  | 'disabled'
  | 'inService'
  | 'ejected'
  | 'closed'
  | 'open'
  | 'halfOpen';

/**
 * Called once per process for each change, by the thread that made it, synchronously: log or count, and do
 * not throw.
 */
export type StateChangeListener = (
  backend: Backend,
  from: BackendCondition,
  to: BackendCondition,
  reason: string,
) => void;

/** Keeps derived state (the tournament tree) in step with a backend's state. */
export interface StateObserver {
  changed(index: number): void;
}

/** The overall state of a backend as the specification names it. */
export type BackendState = 'healthy' | 'unhealthy' | 'draining' | 'disabled';

/** The overall state: administration first, then whatever else keeps it from being picked. */
export function overallState(bits: number): BackendState {
  if ((bits & StateBit.disabled) !== 0) return 'disabled';
  if ((bits & (StateBit.draining | StateBit.removed)) !== 0) return 'draining';
  return (bits & blockingBits) === 0 ? 'healthy' : 'unhealthy';
}

/** The only writer of state words: one atomic exchange decides which thread made a change and reports it. */
export class StateChanges {
  readonly #table: BackendTable;
  readonly #listener: StateChangeListener | undefined;
  #observer: StateObserver | undefined;

  constructor(table: BackendTable, listener: StateChangeListener | undefined) {
    this.#table = table;
    this.#listener = listener;
    this.#observer = undefined;
  }

  observe(observer: StateObserver | undefined): void {
    this.#observer = observer;
  }

  bits(backend: Backend): number {
    return read(this.#table.cells, backend.cell + Cell.state);
  }

  /**
   * Clears and sets bits in one step.
   *
   * @returns the bits before, or -1 when another thread had made the change already
   */
  apply(backend: Backend, clear: number, set: number): number {
    const { cells } = this.#table;
    const cell = backend.cell + Cell.state;
    for (;;) {
      const before = read(cells, cell);
      const after = (before & ~clear) | set;
      if (after === before) return -1;
      if (Atomics.compareExchange(cells, cell, before, after) !== before) continue;
      if (((before ^ after) & blockingBits) !== 0) this.#availabilityChanged(backend);
      return before;
    }
  }

  /** Counts a change and tells the listener. */
  report(backend: Backend, from: BackendCondition, to: BackendCondition, reason: string): void {
    const { counters } = this.#table;
    const at = backend.counter + Counter.stateChanges;
    counters[at] = (counters[at] ?? 0) + 1;
    this.#listener?.(backend, from, to, reason);
  }

  #availabilityChanged(backend: Backend): void {
    this.#observer?.changed(backend.index);
    Atomics.add(this.#table.cells, Header.version, 1);
  }
}
