import { type BackendTable, blockingBits, Cell, Header, read, StateBit } from './shared-state.ts';
import { type SlowStartOptions, warmShare } from './slow-start.ts';

/** Key of a backend that may not be picked: behind every other. */
const never = 0x7fffffff;
/** One attempt at a backend of weight 1 (16/16), in units of the key. */
const loadUnit = 16 * 1024;
/** Other threads can keep nodes moving while we look, but they repair them too. */
const mostRounds = 16;
/** Virtual time that one turn takes at weight 1/16. */
const strideUnit = 2 ** 24;

/**
 * A tournament over the slots of the table: each inner node names the less loaded of its two children, so
 * the least loaded backend of all stands at the root. Finding it is one load, a change of load repairs the
 * way from its leaf to the root: O(log capacity), 10 levels for 1,000 backends.
 *
 * Threads repair the tree without a lock. Each repairs upwards after its change, and looks at every node
 * that it wrote again afterwards; so the last writer of a node saw both children as they are, and the tree is
 * right as soon as nobody is in the middle of a change. Meanwhile a pick may get the second best.
 *
 * Equal loads are served in the order of a virtual time that passes more slowly for greater weights
 * (start-time fair queueing): idle backends take turns by weight, and nobody saves up turns.
 */
export class LoadTree {
  readonly #cells: Int32Array;
  readonly #leaves: number;
  readonly #tree: number;
  readonly #shared: boolean;
  readonly #slotBase: number;
  readonly #slotCells: number;
  readonly #slowStart: SlowStartOptions;
  /** The last moment that was heard of: near enough for what starts slowly. */
  #now: number;

  constructor(table: BackendTable, slowStart: SlowStartOptions) {
    this.#cells = table.cells;
    this.#leaves = table.capacity;
    this.#tree = table.treeCell;
    this.#shared = table.workers > 1;
    this.#slotBase = table.slotCell(0);
    this.#slotCells = table.slotCell(1) - table.slotCell(0);
    this.#slowStart = slowStart;
    this.#now = 0;
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
    return read(this.#cells, this.#tree + node);
  }

  /** False when the slot may not be picked: nobody below the node can, then. */
  isOpen(slot: number): boolean {
    return read(this.#cells, this.#cell(slot) + Cell.loadKey) !== never;
  }

  /** The less loaded of two slots; the one whose turn comes first when they are equal. */
  lesser(left: number, right: number): number {
    const cells = this.#cells;
    const leftCell = this.#cell(left);
    const rightCell = this.#cell(right);
    const leftKey = read(cells, leftCell + Cell.loadKey);
    const rightKey = read(cells, rightCell + Cell.loadKey);
    if (leftKey !== rightKey) return leftKey < rightKey ? left : right;
    const lead = read(cells, leftCell + Cell.pass) - read(cells, rightCell + Cell.pass);
    return (lead | 0) <= 0 ? left : right;
  }

  /** A slot was picked: its virtual time passes, and its load has changed. */
  turnTaken(slot: number, now: number): void {
    this.#now = now;
    const cells = this.#cells;
    const cell = this.#cell(slot);
    const weight = this.#weight(cell);
    const time = read(cells, Header.virtualTime);
    const pass = read(cells, cell + Cell.pass);
    // Whoever was busy for long starts at the present: it must not make up for the turns it missed.
    const start = ((pass - time) | 0) > 0 ? pass : time;
    cells[Header.virtualTime] = start;
    cells[cell + Cell.pass] = (start + Math.ceil(strideUnit / Math.max(1, weight))) | 0;
    this.changed(slot);
  }

  /** Load, weight or state of a slot has changed: repairs the tree. */
  changed(slot: number): void {
    this.#repair(slot);
    if (!this.#shared) return;
    for (let round = 0; round < mostRounds; round++) {
      // A full fence between our writes and looking again: of two threads at least one sees both changes.
      Atomics.add(this.#cells, Header.fence, 0);
      if (!this.#repair(slot)) return;
    }
  }

  /** Builds the tree from the slots as they are: when the algorithm starts, or a worker has died. */
  rebuild(): void {
    // A second time where others may have changed what we have just looked at.
    for (let round = 0; round < (this.#shared ? 2 : 1); round++) {
      for (let slot = 0; slot < this.#leaves; slot++) this.#rekey(slot);
      for (let node = this.#leaves - 1; node >= 1; node--) {
        this.#cells[this.#tree + node] = this.lesser(this.winner(2 * node), this.winner(2 * node + 1));
      }
      Atomics.add(this.#cells, Header.fence, 0);
    }
  }

  /**
   * Puts the nodes above a slot right, all the way up: stopping where the slot does not matter would save a
   * few loads, and leave a wrong node above for ever, should there be one.
   *
   * @returns whether there was something to write
   */
  #repair(slot: number): boolean {
    const cells = this.#cells;
    this.#rekey(slot);
    let repaired = false;
    for (let node = (slot + this.#leaves) >>> 1; node >= 1; node >>>= 1) {
      const best = this.lesser(this.winner(2 * node), this.winner(2 * node + 1));
      if (best === read(cells, this.#tree + node)) continue;
      cells[this.#tree + node] = best;
      repaired = true;
    }
    return repaired;
  }

  #rekey(slot: number): void {
    const cells = this.#cells;
    const cell = this.#cell(slot);
    const state = read(cells, cell + Cell.state);
    const active = read(cells, cell + Cell.active);
    cells[cell + Cell.loadKey] = loadKey(state, active, this.#weight(cell));
  }

  /** What starts slowly weighs less: it is not drawn for, because an idle one would be drawn for every time. */
  #weight(cell: number): number {
    const weight = read(this.#cells, cell + Cell.weight);
    if ((read(this.#cells, cell + Cell.state) & StateBit.warming) === 0) return weight;
    return weight * warmShare(this.#slowStart, read(this.#cells, cell + Cell.warmSince), this.#now);
  }

  #cell(slot: number): number {
    return this.#slotBase + slot * this.#slotCells;
  }
}

function loadKey(state: number, active: number, weight: number): number {
  // Weight 0: the slot belongs to nobody.
  if ((state & blockingBits) !== 0 || weight === 0) return never;
  if (active <= 0) return 0;
  return Math.min(never - 1, Math.floor((active * loadUnit) / weight));
}
