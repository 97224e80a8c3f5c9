import type { Backend } from './backend.ts';
import { hashString, mix32 } from './hash.ts';

/** Points of a backend of weight 1: its share of the clients is within about 8 % of what it should be. */
const pointsPerWeight = 160;
/** Most points of a ring; about 1.5 MiB, sorted in some 20 ms. */
const mostPoints = 2 ** 18;

/**
 * Consistent hashing: every backend owns points on a ring of 2^32, a client belongs to the next point at or
 * after its hash. The points of a backend depend on its key and weight alone, so that one more or one less
 * of n moves about 1/n of the clients, whatever the order of the configuration.
 *
 * Where weights would make more than 262,144 points, all are halved until they fit; crossing that line moves
 * more clients.
 */
export class HashRing {
  readonly #owners: Uint16Array;
  readonly #hashes: Uint32Array;
  /** First point for each value of the leading bits of a hash: a look-up is O(1). */
  readonly #starts: Uint32Array;
  readonly #shift: number;

  constructor(backends: readonly Backend[]) {
    const points = sortedPoints(backends);
    this.#hashes = Uint32Array.from(points, (point) => Math.floor(point / 65_536));
    this.#owners = Uint16Array.from(points, (point) => point % 65_536);
    const bits = Math.max(1, Math.ceil(Math.log2(points.length + 1)));
    this.#shift = 32 - bits;
    this.#starts = new Uint32Array(2 ** bits);
    let at = 0;
    for (let bucket = 0; bucket < this.#starts.length; bucket++) {
      const floor = bucket * 2 ** this.#shift;
      while (at < points.length && (this.#hashes[at] ?? 0) < floor) at++;
      this.#starts[bucket] = at;
    }
  }

  get size(): number {
    return this.#owners.length;
  }

  /** Number of the point that a hash belongs to; 0 on an empty ring. */
  find(hash: number): number {
    const hashes = this.#hashes;
    let at = this.#starts[hash >>> this.#shift] ?? 0;
    while (at < hashes.length && (hashes[at] ?? 0) < hash) at++;
    return at === hashes.length ? 0 : at;
  }

  /** Position, in the list that the ring was made of, of the backend that owns a point. */
  owner(point: number): number {
    return this.#owners[point] ?? 0;
  }
}

/** hash x 2^16 + position of the backend, ascending: one native sort instead of a comparator. */
function sortedPoints(backends: readonly Backend[]): Float64Array {
  const total = backends.reduce((sum, backend) => sum + backend.weight, 0) * pointsPerWeight;
  const scale = total <= mostPoints ? 1 : 2 ** Math.ceil(Math.log2(total / mostPoints));
  const counts = backends.map((backend) =>
    Math.max(1, Math.round((backend.weight * pointsPerWeight) / scale)),
  );
  const points = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
  let at = 0;
  backends.forEach((backend, position) => {
    const seed = hashString(backend.key, 0x51ed270b);
    for (let i = 0; i < (counts[position] ?? 0); i++) {
      points[at++] = mix32(seed + Math.imul(i, 0x9e3779b9)) * 65_536 + position;
    }
  });
  return points.sort();
}
