import { isStrongTag, weakMatch } from './entityTag.ts';
import { firstValue, trimOws } from './fields.ts';
import type { Fields } from './fields.ts';
import type { StoredResponse } from './storedResponse.ts';

/**
 * Which of the stored responses a 304 updates (RFC 9111 §4.3.4).
 *
 * @param candidates stored responses that could have been chosen for the request, most recent first.
 * @param validated the one whose validators were sent, if any.
 * @returns those to update; empty when the 304 speaks of something that is not stored.
 */
export function identifiedBy304(
  fields: Fields,
  candidates: readonly StoredResponse[],
  validated: StoredResponse | undefined,
): StoredResponse[] {
  const tag = firstValue(fields, 'etag');
  if (tag !== undefined && isStrongTag(tag)) {
    // "each of those strong validators identifies a selected representation … If none of the initial set
    // contains at least one of the same strong validators, then the cache MUST NOT use the new response to
    // update any stored responses."
    return candidates.filter((stored) => stored.etag === tag);
  }
  const modified = firstValue(fields, 'last-modified');
  if (tag !== undefined || modified !== undefined) {
    // "… does contain one or more weak validators, and those validators correspond to one of the initial
    // set's stored responses, then the most recent of those"
    const matching = candidates.find((stored) => correspond(stored, tag, modified));
    return matching === undefined ? [] : [matching];
  }
  // No validator at all. We asked about exactly one stored response, so the answer is about that one, also
  // where it has a validator: many origins leave Last-Modified out of a 304, as RFC 9110 §15.4.5 lets them.
  if (validated !== undefined) return candidates.includes(validated) ? [validated] : [];
  const only = candidates[0];
  const lacks = only !== undefined && only.etag === undefined && only.lastModified === undefined;
  return candidates.length === 1 && lacks ? [only] : [];
}

function correspond(stored: StoredResponse, tag: string | undefined, modified: string | undefined): boolean {
  if (tag !== undefined) return stored.etag !== undefined && weakMatch(stored.etag, tag);
  return stored.lastModified !== undefined && stored.lastModified === modified;
}

/**
 * Whether a 200 to HEAD agrees with a stored GET response (RFC 9111 §4.3.5): every validator and the length that it
 * has are the same. If so its fields update the stored ones, else the stored response counts as stale.
 */
export function headAgrees(fields: Fields, stored: StoredResponse): boolean {
  const tag = firstValue(fields, 'etag');
  if (tag !== undefined && tag !== stored.etag) return false;
  const modified = firstValue(fields, 'last-modified');
  if (modified !== undefined && modified !== stored.lastModified) return false;
  const length = firstValue(fields, 'content-length');
  return length === undefined || trimOws(length) === String(stored.length);
}

/** The precondition fields that validate a stored response (RFC 9111 §4.3.1), flat; empty without validators. */
export function validationFields(stored: StoredResponse, forRange: boolean): string[] {
  const fields: string[] = [];
  if (stored.etag !== undefined) fields.push('If-None-Match', stored.etag);
  // "SHOULD send the Last-Modified value (using If-Modified-Since) if the request is not for a subrange"
  if (stored.lastModified !== undefined && !forRange) fields.push('If-Modified-Since', stored.lastModified);
  return fields;
}
