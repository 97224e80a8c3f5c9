import { type BackendTable, blockingBits, Cell, Header } from './shared-state.ts';

/** Key of a backend that may not be picked: behind every other. */
const never = 0x7fffffff;
/** One attempt at a backend of weight 1 (16/16), in units of the key. */
const loadUnit = 16 * 1024;
/** Virtual time that one turn takes at weight 1/16. */
const strideUnit = 2 ** 24;

/**
 * A tournament over the slots of the table: each inner node names the less loaded of its two children, so
 * the least loaded backend of all stands at the root. Finding it is one load, a change of load repairs the
 * way from its leaf to the root: O(log capacity), 10 levels for 1,000 backends.
 *
 * Threads repair the tree without a lock. Each repairs upwards after its change, and looks at a node again
 * after writing it; the last writer of a node therefore saw both children as they are, and the tree is right
 * as soon as nobody is in the middle of a change. Meanwhile a pick may get the second best.
 *
 * Equal loads are served in the order of a virtual time that passes more slowly for greater weights
 * (start-time fair queueing): idle backends take turns by weight, and nobody saves up turns.
 */
export class LoadTree {
  readonly #table: BackendTable;
  readonly #cells: Int32Array;
  readonly #leaves: number;
  readonly #tree: number;
  readonly #shared: boolean;
  readonly #slotBase: number;
  readonly #slotCells: number;

  constructor(table: BackendTable) {
    this.#table = table;
    this.#cells = table.cells;
    this.#leaves = table.capacity;
    this.#tree = table.treeCell;
    this.#shared = table.workers > 1;
    this.#slotBase = table.slotCell(0);
    this.#slotCells = table.slotCell(1) - table.slotCell(0);
    this.rebuild();
  }

  /** Number of the root node. Children of node n are 2n and 2n + 1; the leaves start at `capacity`. */
  get root(): number {
    return 1;
  }

  get leaves(): number {
    return this.#leaves;
  }

  /** Slot of the least loaded backend below a node. */
  winner(node: number): number {
    if (node >= this.#leaves) return node - this.#leaves;
    return Atomics.load(this.#cells, this.#tree + node);
  }

  /** False when the slot may not be picked: nobody below the node can, then. */
  isOpen(slot: number): boolean {
    return Atomics.load(this.#cells, this.#cell(slot) + Cell.loadKey) !== never;
  }

  /** The less loaded of two slots; the one whose turn comes first when they are equal. */
  lesser(left: number, right: number): number {
    const cells = this.#cells;
    const leftCell = this.#cell(left);
    const rightCell = this.#cell(right);
    const leftKey = Atomics.load(cells, leftCell + Cell.loadKey);
    const rightKey = Atomics.load(cells, rightCell + Cell.loadKey);
    if (leftKey !== rightKey) return leftKey < rightKey ? left : right;
    const lead = Atomics.load(cells, leftCell + Cell.pass) - Atomics.load(cells, rightCell + Cell.pass);
    return (lead | 0) <= 0 ? left : right;
  }

  /** A slot was picked: its virtual time passes, and its load has changed. */
  turnTaken(slot: number): void {
    const cells = this.#cells;
    const cell = this.#cell(slot);
    const weight = Atomics.load(cells, cell + Cell.weight);
    const time = Atomics.load(cells, Header.virtualTime);
    const pass = Atomics.load(cells, cell + Cell.pass);
    // Whoever was busy for long starts at the present: it must not make up for the turns it missed.
    const start = ((pass - time) | 0) > 0 ? pass : time;
    Atomics.store(cells, Header.virtualTime, start);
    Atomics.store(cells, cell + Cell.pass, (start + Math.ceil(strideUnit / (weight || 1))) | 0);
    this.changed(slot);
  }

  /** Load, weight or state of a slot has changed: repairs the tree. */
  changed(slot: number): void {
    this.#rekey(slot);
    const cells = this.#cells;
    let node = (slot + this.#leaves) >>> 1;
    while (node >= 1) {
      const at = this.#tree + node;
      const before = Atomics.load(cells, at);
      const after = this.#settle(node, at, before);
      // Where the slot neither won nor wins, nothing above depends on it.
      if (before !== slot && after !== slot && after === before) return;
      node >>>= 1;
    }
  }

  /** Builds the tree from the slots as they are: when the algorithm starts, or a worker has died. */
  rebuild(): void {
    for (let slot = 0; slot < this.#leaves; slot++) this.#rekey(slot);
    for (let node = this.#leaves - 1; node >= 1; node--) {
      const at = this.#tree + node;
      this.#settle(node, at, Atomics.load(this.#cells, at));
    }
  }

  #settle(node: number, at: number, before: number): number {
    const cells = this.#cells;
    let current = before;
    // Other threads can keep a node moving; they repair it too, so a few rounds are enough.
    for (let round = 0; round < 4; round++) {
      const best = this.lesser(this.winner(2 * node), this.winner(2 * node + 1));
      if (best === current) return best;
      Atomics.store(cells, at, best);
      if (!this.#shared) return best;
      current = Atomics.load(cells, at);
    }
    return current;
  }

  #rekey(slot: number): void {
    const cells = this.#cells;
    const cell = this.#cell(slot);
    for (let round = 0; round < 4; round++) {
      const state = Atomics.load(cells, cell + Cell.state);
      const active = Atomics.load(cells, cell + Cell.active);
      const weight = Atomics.load(cells, cell + Cell.weight);
      Atomics.store(cells, cell + Cell.loadKey, loadKey(state, active, weight));
      if (!this.#shared) return;
      const same =
        Atomics.load(cells, cell + Cell.state) === state && Atomics.load(cells, cell + Cell.active) === active;
      if (same) return;
    }
  }

  #cell(slot: number): number {
    return this.#slotBase + slot * this.#slotCells;
  }

  /** The table, for whoever asks whether a tree belongs to it. */
  get table(): BackendTable {
    return this.#table;
  }
}

function loadKey(state: number, active: number, weight: number): number {
  // Weight 0: the slot belongs to nobody.
  if ((state & blockingBits) !== 0 || weight === 0) return never;
  if (active <= 0) return 0;
  return Math.min(never - 1, Math.floor((active * loadUnit) / weight));
}
