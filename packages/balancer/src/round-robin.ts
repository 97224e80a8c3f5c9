import type { Availability } from './availability.ts';
import type { Backend } from './backend.ts';
import type { BackendSet } from './backend-set.ts';
import type { PickContext, Selector } from './selector.ts';
import { type BackendTable, Header } from './shared-state.ts';

/**
 * Each eligible backend in turn, weights ignored. The position is shared: 100 requests on 3 backends are
 * 33, 33 and 34 however many threads count them. Only eligible backends have a turn, so the one behind a
 * failed backend does not get twice its share.
 */
export class RoundRobin implements Selector {
  readonly algorithm = 'round-robin';
  readonly #cells: Int32Array;

  constructor(table: BackendTable) {
    this.#cells = table.cells;
  }

  select(set: BackendSet, _context: PickContext, availability: Availability): Backend | undefined {
    const { eligible } = set;
    const count = eligible.length;
    if (count === 0) return undefined;
    const turn = (Atomics.add(this.#cells, Header.position, 1) >>> 0) % count;
    const first = eligible[turn];
    if (first !== undefined && availability.admits(first)) return first;
    return this.#next(eligible, turn, availability);
  }

  /** Whoever is passed over loses this turn; the others go on from a position of their own. */
  #next(eligible: readonly Backend[], turn: number, availability: Availability): Backend | undefined {
    const count = eligible.length;
    if (count === 1) return undefined;
    const step = (Atomics.add(this.#cells, Header.position, 1) >>> 0) % count;
    for (let i = 0; i < count; i++) {
      const at = (step + i) % count;
      const backend = eligible[at];
      if (at !== turn && backend !== undefined && availability.admits(backend)) return backend;
    }
    return undefined;
  }
}

/** The first admitted backend at or behind a position, around the whole list. */
export function firstAdmitted(
  backends: readonly Backend[],
  from: number,
  availability: Availability,
): Backend | undefined {
  const count = backends.length;
  for (let i = 0; i < count; i++) {
    const backend = backends[(from + i) % count];
    if (backend !== undefined && availability.admits(backend)) return backend;
  }
  return undefined;
}
