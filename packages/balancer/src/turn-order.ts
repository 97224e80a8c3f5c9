/** Which of several weighted entries has its turn at a position; positions are 0 to 2^32 - 1. */
export interface TurnOrder {
  at(position: number): number;
}

/** Longest order that is written out; longer ones are computed per turn. */
const longestSequence = 4_096;

/**
 * The order in which entries of these weights take turns.
 *
 * Up to 4,096 turns per cycle (weights divided by their greatest common divisor) are written out: each
 * cycle is exact and as even as it can be. Beyond that, the turn is computed: exact over 2^32 turns, and
 * close to it (by a turn or two per entry) over any stretch.
 */
export function turnOrder(weights: readonly number[]): TurnOrder {
  const divisor = weights.reduce(greatestCommonDivisor, 0) || 1;
  const reduced = weights.map((weight) => weight / divisor);
  const sum = reduced.reduce((total, weight) => total + weight, 0);
  return sum <= longestSequence ? new WrittenOrder(reduced, sum) : new ComputedOrder(reduced, sum);
}

/** Turn k of an entry of weight w is due at (k + 1/2) / w of the cycle: sorted, that is the order. */
class WrittenOrder implements TurnOrder {
  readonly #turns: Uint16Array;

  constructor(weights: readonly number[], sum: number) {
    const turns: { due: number; entry: number }[] = [];
    weights.forEach((weight, entry) => {
      for (let k = 0; k < weight; k++) turns.push({ due: (k + 0.5) / weight, entry });
    });
    turns.sort((a, b) => a.due - b.due || a.entry - b.entry);
    this.#turns = new Uint16Array(sum);
    turns.forEach((turn, at) => {
      this.#turns[at] = turn.entry;
    });
  }

  at(position: number): number {
    return this.#turns[position % this.#turns.length] ?? 0;
  }
}

/**
 * Multiples of the golden ratio modulo 1 fall evenly everywhere; each entry owns a stretch of 0 to 1 as long
 * as its share. Steinhaus' three-distance theorem bounds the gaps between the turns of one entry.
 */
class ComputedOrder implements TurnOrder {
  /** Upper end of each entry's stretch, in 2^-32. */
  readonly #ends: Float64Array;

  constructor(weights: readonly number[], sum: number) {
    let reached = 0;
    this.#ends = Float64Array.from(weights, (weight) => {
      reached += weight;
      return (reached / sum) * 2 ** 32;
    });
  }

  at(position: number): number {
    const point = Math.imul(position, 0x9e3779b9) >>> 0;
    const ends = this.#ends;
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (point < (ends[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  let [greater, lesser] = [a, b];
  while (lesser !== 0) [greater, lesser] = [lesser, greater % lesser];
  return greater;
}
