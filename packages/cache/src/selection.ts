import type { Fields } from './fields.ts';
import { variantsOf } from './store.ts';
import type { StoredResponse } from './storedResponse.ts';
import type { VaryNormalisation } from './vary.ts';
import { variantKey } from './vary.ts';

/**
 * Whether a request matches a stored response as its `Vary` demands (RFC 9111 §4.1).
 */
export function matchesVary(
  stored: StoredResponse,
  request: Fields,
  normalisation: VaryNormalisation,
): boolean {
  return stored.vary.length === 0 || variantKey(stored.vary, request, normalisation) === stored.variantKey;
}

/**
 * The stored response to choose for a request (RFC 9111 §4, §4.1): of those that match the most recent one, but
 * where some have `Vary` and some have not, one of those that have it.
 */
export function choose(
  first: StoredResponse,
  request: Fields,
  normalisation: VaryNormalisation,
): StoredResponse | undefined {
  if (first.variants === undefined) return matchesVary(first, request, normalisation) ? first : undefined;
  const responses = first.variants;
  let plain: StoredResponse | undefined;
  // Variants of a resource mostly vary on the same fields: the request's part of the key is made once for them.
  let names: readonly string[] | undefined;
  let presented = '';
  for (let i = 0; i < responses.length; i++) {
    const stored = responses[i] as StoredResponse;
    if (stored.vary.length === 0) {
      plain ??= stored;
      continue;
    }
    if (names === undefined || !sameNames(names, stored.vary)) {
      names = stored.vary;
      presented = variantKey(names, request, normalisation);
    }
    if (presented === stored.variantKey) return stored;
  }
  return plain;
}

/** All stored responses that could be chosen for a request, most recent first (RFC 9111 §4.3.4). */
export function matching(
  first: StoredResponse | undefined,
  request: Fields,
  normalisation: VaryNormalisation,
): StoredResponse[] {
  return variantsOf(first).filter((stored) => matchesVary(stored, request, normalisation));
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Puts a new response among those of a resource: in place of all that match its request, most recent first. */
export function withResponse(
  first: StoredResponse | undefined,
  added: StoredResponse,
  request: Fields,
  normalisation: VaryNormalisation,
  maxVariants: number,
): StoredResponse[] {
  if (first === undefined) return [added];
  const kept = variantsOf(first).filter((stored) => !matchesVary(stored, request, normalisation));
  // The sort is stable: of equal dates the one stored last comes first.
  kept.unshift(added);
  kept.sort((a, b) => b.date - a.date);
  return kept.length > maxVariants ? withoutOldest(kept, added, maxVariants) : kept;
}

function withoutOldest(responses: StoredResponse[], added: StoredResponse, max: number): StoredResponse[] {
  const byAge = [...responses].sort((a, b) => b.responseTime - a.responseTime);
  const keep = new Set(byAge.slice(0, max));
  keep.add(added);
  return responses.filter((response) => keep.has(response)).slice(0, Math.max(max, 1));
}
