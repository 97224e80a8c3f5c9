/**
 * Edit distance (Damerau, neighbouring letters may be swapped) between two short words; it gives up and
 * returns `limit + 1` once the words are further apart than `limit`.
 */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? limit + 1;
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_\s]/gu, '');

/**
 * The candidate that the writer most likely meant, or null if none is close. Case, `-` and `_` do not count,
 * so that `max_connections` finds `maxConnections`.
 */
export function closest(word: string, candidates: Iterable<string>): string | null {
  const wanted = plain(word);
  if (wanted.length > 64) return null;
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  let found: string | null = null;
  let best = limit + 1;
  for (const candidate of candidates) {
    const far = distance(wanted, plain(candidate), limit);
    if (far < best) {
      best = far;
      found = candidate;
    }
  }
  return found;
}
