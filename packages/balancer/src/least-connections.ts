import type { Availability } from './availability.ts';
import type { Backend } from './backend.ts';
import type { BackendSet, Membership } from './backend-set.ts';
import type { LoadTree } from './load-tree.ts';
import type { PickContext, Selector } from './selector.ts';

/**
 * The backend with the fewest attempts in flight by weight, over all threads. The answer stands at the root
 * of a tree; backends that are not admitted are searched around, in O(log n) each.
 */
export class LeastConnections implements Selector {
  readonly algorithm = 'least-connections';
  readonly #tree: LoadTree;
  #membership: Membership | undefined;
  /** Backends by slot, for turning the tree's answers into objects. */
  #bySlot: (Backend | undefined)[];
  /** Number of the pick in which a slot was refused: a backend is asked once per pick. */
  readonly #refused: Int32Array;
  #picks: number;

  constructor(tree: LoadTree) {
    this.#tree = tree;
    this.#membership = undefined;
    this.#bySlot = [];
    this.#refused = new Int32Array(tree.leaves);
    this.#picks = 0;
  }

  select(set: BackendSet, _context: PickContext, availability: Availability): Backend | undefined {
    if (set.membership !== this.#membership) this.#learn(set.membership);
    this.#picks = (this.#picks + 1) | 0;
    const slot = this.#best(this.#tree.root, availability);
    return slot === -1 ? undefined : this.#bySlot[slot];
  }

  /** The least loaded admitted slot below a node, or -1. */
  #best(node: number, availability: Availability): number {
    const tree = this.#tree;
    const slot = tree.winner(node);
    if (!tree.isOpen(slot)) return -1;
    if (this.#refused[slot] !== this.#picks) {
      const backend = this.#bySlot[slot];
      if (backend !== undefined && availability.mightAdmit(backend)) return slot;
      this.#refused[slot] = this.#picks;
    }
    if (node >= tree.leaves) return -1;
    const left = this.#best(2 * node, availability);
    const right = this.#best(2 * node + 1, availability);
    if (left === -1) return right;
    return right === -1 ? left : tree.lesser(left, right);
  }

  #learn(membership: Membership): void {
    this.#membership = membership;
    this.#bySlot = Array.from({ length: this.#tree.leaves }, () => undefined);
    for (const backend of membership.backends) this.#bySlot[backend.index] = backend;
  }
}
