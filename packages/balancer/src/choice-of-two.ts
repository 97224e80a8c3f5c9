import type { Availability } from './availability.ts';
import type { Backend } from './backend.ts';
import type { BackendSet } from './backend-set.ts';
import { firstAdmitted } from './round-robin.ts';
import type { Algorithm, PickContext, Selector } from './selector.ts';

/**
 * Two backends at random, by weight, and the better of them: nearly as even as asking all, in constant time,
 * and without the herd that runs to the one best backend. What "better" means is up to the algorithm.
 */
export abstract class ChoiceOfTwo implements Selector {
  abstract readonly algorithm: Algorithm;
  readonly #random: () => number;
  #set: BackendSet | undefined;
  /** Running sums of the weights; empty when all are equal. */
  #ends: Float64Array;

  constructor(random: () => number) {
    this.#random = random;
    this.#set = undefined;
    this.#ends = new Float64Array(0);
  }

  select(set: BackendSet, _context: PickContext, availability: Availability): Backend | undefined {
    if (set !== this.#set) this.#learn(set);
    const { eligible } = set;
    const count = eligible.length;
    if (count < 2) return firstAdmitted(eligible, 0, availability);
    const first = this.#draw(count);
    const drawn = this.#draw(count);
    const second = drawn === first ? (first + 1) % count : drawn;
    const one = eligible[first];
    const other = eligible[second];
    const oneAdmitted = one !== undefined && availability.admits(one);
    const otherAdmitted = other !== undefined && availability.admits(other);
    if (oneAdmitted && otherAdmitted) return this.isBetter(other, one, availability.now) ? other : one;
    if (oneAdmitted) return one;
    return otherAdmitted ? other : firstAdmitted(eligible, this.#draw(count), availability);
  }

  /** True when `a` is better than `b`; false when they are equal. */
  protected abstract isBetter(a: Backend, b: Backend, now: number): boolean;

  #learn(set: BackendSet): void {
    this.#set = set;
    const equal = set.weights.every((weight) => weight === set.weights[0]);
    let sum = 0;
    this.#ends = Float64Array.from(equal ? [] : set.weights, (weight) => (sum += weight));
  }

  #draw(count: number): number {
    const ends = this.#ends;
    if (ends.length === 0) return Math.floor(this.#random() * count) % count;
    const point = this.#random() * (ends[count - 1] ?? 0);
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (point < (ends[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
