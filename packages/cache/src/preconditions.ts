import { isStrongTag, listHasTag, strongMatch } from './entityTag.ts';
import { trimOws } from './fields.ts';
import { parseHttpDate } from './httpDate.ts';
import type { StoredResponse } from './storedResponse.ts';

/** The client's preconditions that a cache evaluates (RFC 9111 §4.3.2). */
export interface ClientPreconditions {
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
}

/**
 * Whether a stored response answers a conditional request with 304 (RFC 9110 §13.2.2, RFC 9111 §4.3.2).
 * `If-None-Match` takes precedence over `If-Modified-Since`. Only a 200 can be "not modified" (§13.2.1).
 *
 * @param now epoch milliseconds, to read two-digit years.
 */
export function isNotModified(client: ClientPreconditions, stored: StoredResponse, now: number): boolean {
  if (stored.status !== 200) return false;
  const list = client.ifNoneMatch;
  if (list !== undefined) {
    if (trimOws(list) === '*') return true;
    return stored.etag !== undefined && listHasTag(list, stored.etag);
  }
  if (client.ifModifiedSince === undefined) return false;
  if (client.ifModifiedSince === stored.lastModified) return true;
  const since = parseHttpDate(client.ifModifiedSince, now);
  if (Number.isNaN(since)) return false; // RFC 9110 §13.1.3: not a valid date, ignored
  // RFC 9111 §4.3.2: Date, or the time of receipt, stands in for Last-Modified.
  const modified =
    stored.lastModified === undefined ? Number.NaN : parseHttpDate(stored.lastModified, stored.responseTime);
  return (Number.isNaN(modified) ? stored.date : modified) <= since;
}

/**
 * Whether `If-Range` lets a range be served from the stored response (RFC 9110 §13.1.5): the same strong entity
 * tag, or exactly the same `Last-Modified`, where that is strong (§8.8.2.2: older than `Date` by a second at least;
 * a minute here, since clocks differ).
 */
export function ifRangeHolds(ifRange: string, stored: StoredResponse): boolean {
  const value = trimOws(ifRange);
  if (value.startsWith('"') || value.startsWith('W/')) {
    return stored.etag !== undefined && isStrongTag(stored.etag) && strongMatch(value, stored.etag);
  }
  if (stored.lastModified === undefined || value !== trimOws(stored.lastModified)) return false;
  const modified = parseHttpDate(value, stored.responseTime);
  return stored.date - modified >= 60_000;
}
