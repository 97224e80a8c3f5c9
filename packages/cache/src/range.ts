/** Limits of what is served as 206; beyond them the whole response is sent (RFC 9110 §14.2). */
export interface RangePolicy {
  /** Most ranges in one answer. */
  readonly maxRanges: number;
}

/** What a `Range` field asks for, applied to a representation. */
export type RangeOutcome =
  /** No byte range, malformed, or not worth it: send the whole representation with 200. */
  | { readonly kind: 'whole' }
  /** Valid, but nothing of it lies within the representation: 416. */
  | { readonly kind: 'unsatisfiable' }
  /** First and last positions, flat: `[first, last, first, last, …]`, within the representation, last included. */
  | { readonly kind: 'ranges'; readonly positions: readonly number[] };

const WHOLE: RangeOutcome = { kind: 'whole' };
const UNSATISFIABLE: RangeOutcome = { kind: 'unsatisfiable' };
const SPEC = /^(\d*)-(\d*)$/;

/**
 * Applies a `Range` value to a representation of `length` bytes (RFC 9110 §14.1.2, §14.2).
 *
 * Ranges that overlap, or more than allowed, are a known way to make a server work (§17.15): the whole
 * representation is sent instead.
 */
export function resolveRange(value: string, length: number, policy: RangePolicy): RangeOutcome {
  const equals = value.indexOf('=');
  if (equals < 0 || value.slice(0, equals).trim().toLowerCase() !== 'bytes') return WHOLE;
  const specs = value.slice(equals + 1).split(',');
  if (specs.length > policy.maxRanges * 2) return WHOLE;
  const positions: number[] = [];
  let valid = 0;
  for (const raw of specs) {
    const spec = raw.trim();
    if (spec === '') continue; // an empty list member (§5.6.1.2)
    const match = SPEC.exec(spec);
    if (match === null || spec === '-') return WHOLE;
    const range = resolveSpec(match[1] as string, match[2] as string, length);
    if (range === undefined) return WHOLE;
    valid++;
    if (range.length > 0) positions.push(...range);
  }
  if (valid === 0) return WHOLE;
  // A suffix of an empty representation is satisfiable, but no Content-Range can say so.
  if (positions.length === 0) return length === 0 ? WHOLE : UNSATISFIABLE;
  if (positions.length / 2 > policy.maxRanges || overlap(positions)) return WHOLE;
  return { kind: 'ranges', positions };
}

/** Positions of one range-spec; empty when it lies outside; `undefined` when it is invalid. */
function resolveSpec(first: string, last: string, length: number): number[] | undefined {
  if (first === '') {
    const suffix = Math.min(Number(last), length);
    return suffix === 0 ? [] : [length - suffix, length - 1];
  }
  const start = Number(first);
  const end = last === '' ? length - 1 : Number(last);
  if (last !== '' && end < start) return undefined;
  return start >= length ? [] : [start, Math.min(end, length - 1)];
}

function overlap(positions: readonly number[]): boolean {
  for (let i = 0; i < positions.length; i += 2) {
    for (let j = i + 2; j < positions.length; j += 2) {
      const before = (positions[i + 1] as number) < (positions[j] as number);
      const after = (positions[j + 1] as number) < (positions[i] as number);
      if (!before && !after) return true;
    }
  }
  return false;
}

/** The bytes from `first` to `last` (included) of a body in chunks, as views: nothing is copied. */
export function sliceChunks(chunks: readonly Uint8Array[], first: number, last: number): Uint8Array[] {
  const slices: Uint8Array[] = [];
  let at = 0;
  for (const chunk of chunks) {
    const end = at + chunk.byteLength;
    if (end > first && at <= last) {
      slices.push(chunk.subarray(Math.max(0, first - at), Math.min(chunk.byteLength, last + 1 - at)));
    }
    if (end > last) break;
    at = end;
  }
  return slices;
}
