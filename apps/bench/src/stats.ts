/** The median; `NaN` for no values. The upper one of the two middle values where their number is even. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/**
 * Median of `mine[i] / base[i]`: each round is compared with its own base, so that a machine that is slow for
 * one round does not shift the result. Rounds that only one of the two has are left out.
 */
export function medianRatio(mine: readonly number[], base: readonly number[]): number {
  const ratios: number[] = [];
  for (let round = 0; round < Math.min(mine.length, base.length); round++) {
    const divisor = base[round] ?? 0;
    if (divisor > 0) ratios.push((mine[round] ?? Number.NaN) / divisor);
  }
  return median(ratios);
}

/** Median of `mine[i] - base[i]`, paired by round like {@link medianRatio}. */
export function medianDifference(mine: readonly number[], base: readonly number[]): number {
  const count = Math.min(mine.length, base.length);
  return median(Array.from({ length: count }, (_, round) => (mine[round] ?? 0) - (base[round] ?? 0)));
}

/**
 * How much a series grew from its first to its last sample, along a Theil–Sen line (median of all pairwise
 * slopes): a few outliers, such as a sample taken just before a garbage collection, do not bend it.
 * @param warmup share of the samples at the start that is left out, 0 to 1
 */
export function growth(samples: readonly number[], warmup: number = 0.2): number {
  const steady = samples.slice(Math.floor(samples.length * warmup));
  if (steady.length < 2) return 0;
  const slopes: number[] = [];
  for (let i = 0; i < steady.length; i++) {
    for (let j = i + 1; j < steady.length; j++) {
      slopes.push(((steady[j] ?? 0) - (steady[i] ?? 0)) / (j - i));
    }
  }
  return median(slopes) * (steady.length - 1);
}

/** What a flat series may still grow by over the whole run: the larger of the two. */
export interface Allowance {
  /** In the unit of the series. */
  readonly absolute: number;
  /** Share of the median of the series, 0.1 for 10 %. */
  readonly relative: number;
}

/** A series that was judged by {@link judge}. */
export interface Verdict {
  readonly flat: boolean;
  readonly grew: number;
  readonly allowed: number;
}

/** Whether a series is flat. Shrinking is fine. */
export function judge(samples: readonly number[], allowance: Allowance, warmup: number = 0.2): Verdict {
  const grew = growth(samples, warmup);
  const base = samples.length > 0 ? Math.abs(median(samples)) : 0;
  const allowed = Math.max(allowance.absolute, base * allowance.relative);
  return { flat: grew <= allowed, grew, allowed };
}

// 128 per octave, of which an octave above the first uses the upper 64: hence a width of at most 1/64.
const SUB_BITS = 7;
const SUB_BUCKETS = 1 << SUB_BITS;
const OCTAVES = 32;

/**
 * Counts durations in buckets whose width is 1/64 of their value, so that an hour of latencies takes a few KiB
 * and a percentile is off by less than 1.6 %. Unit in: milliseconds; kept as whole microseconds.
 */
export class Histogram {
  readonly #counts: Float64Array = new Float64Array(OCTAVES * SUB_BUCKETS);
  #count = 0;
  #max = 0;

  /** Number of values recorded. */
  get count(): number {
    return this.#count;
  }

  /** Largest value recorded, in milliseconds, exact. */
  get max(): number {
    return this.#max;
  }

  /** Records one duration in milliseconds; negative ones count as 0. */
  record(ms: number): void {
    const us = Math.max(0, Math.round(ms * 1000));
    const slot = bucketOf(us);
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    this.#count++;
    if (ms > this.#max) this.#max = ms;
  }

  /** The value in milliseconds that `percent` of the values do not exceed (lower edge of its bucket). */
  percentile(percent: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#count));
    let seen = 0;
    for (let slot = 0; slot < this.#counts.length; slot++) {
      seen += this.#counts[slot] ?? 0;
      if (seen >= rank) return valueOf(slot) / 1000;
    }
    return this.#max;
  }
}

function bucketOf(us: number): number {
  if (us < SUB_BUCKETS) return us;
  const octave = Math.min(OCTAVES - 1, Math.floor(Math.log2(us)) - SUB_BITS + 1);
  const sub = Math.min(SUB_BUCKETS - 1, Math.floor(us / 2 ** octave));
  return octave * SUB_BUCKETS + sub;
}

function valueOf(slot: number): number {
  const octave = Math.floor(slot / SUB_BUCKETS);
  return (slot % SUB_BUCKETS) * 2 ** octave;
}
