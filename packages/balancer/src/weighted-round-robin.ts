import type { Availability } from './availability.ts';
import type { Backend } from './backend.ts';
import type { BackendSet } from './backend-set.ts';
import { firstAdmitted } from './round-robin.ts';
import type { PickContext, Selector } from './selector.ts';
import { type BackendTable, Header, read } from './shared-state.ts';
import { type TurnOrder, turnOrder } from './turn-order.ts';

/**
 * Turns by weight, smoothly: 1:2:3 is c b a c b c, never c c c b b a. The order is worked out once per
 * change of the set; the position in it is shared, so the shares are exact over all threads.
 */
export class WeightedRoundRobin implements Selector {
  readonly algorithm = 'weighted-round-robin';
  readonly #cells: Int32Array;
  #set: BackendSet | undefined;
  #order: TurnOrder;

  constructor(table: BackendTable) {
    this.#cells = table.cells;
    this.#set = undefined;
    this.#order = turnOrder([]);
  }

  select(set: BackendSet, _context: PickContext, availability: Availability): Backend | undefined {
    if (set !== this.#set) {
      this.#order = turnOrder(set.weights);
      this.#set = set;
    }
    const { eligible } = set;
    // Whoever is passed over loses the turn; a few turns on, nearly every other backend had one.
    const turns = Math.min(eligible.length, 4);
    for (let turn = 0; turn < turns; turn++) {
      const position = Atomics.add(this.#cells, Header.position, 1) >>> 0;
      const backend = eligible[this.#order.at(position)];
      if (backend !== undefined && availability.admits(backend)) return backend;
    }
    return firstAdmitted(eligible, read(this.#cells, Header.position) >>> 0, availability);
  }
}
