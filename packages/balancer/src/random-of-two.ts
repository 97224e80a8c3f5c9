import type { Backend } from './backend.ts';
import { ChoiceOfTwo } from './choice-of-two.ts';
import { type BackendTable, Cell, read } from './shared-state.ts';

/** Of two random backends the one with fewer attempts in flight by weight. */
export class RandomOfTwo extends ChoiceOfTwo {
  readonly algorithm = 'random';
  readonly #cells: Int32Array;

  constructor(table: BackendTable, random: () => number) {
    super(random);
    this.#cells = table.cells;
  }

  protected isBetter(a: Backend, b: Backend): boolean {
    const cells = this.#cells;
    const activeOfA = read(cells, a.cell + Cell.active);
    const activeOfB = read(cells, b.cell + Cell.active);
    const weightOfA = read(cells, a.cell + Cell.weight);
    const weightOfB = read(cells, b.cell + Cell.weight);
    return activeOfA * weightOfB < activeOfB * weightOfA;
  }
}
