import { parseDeltaSeconds } from './deltaSeconds.ts';
import { fieldIndex, firstValue, trimOws } from './fields.ts';
import type { Fields } from './fields.ts';
import { parseHttpDate } from './httpDate.ts';
import type { ResponseDirectives } from './responseDirectives.ts';
import { isHeuristicallyCacheable } from './statusCodes.ts';

/** Limits of heuristic freshness (RFC 9111 §4.2.2). */
export interface HeuristicPolicy {
  /** Share of the time since `Last-Modified`, 0 to 1; 0 turns heuristics off. */
  readonly heuristicFraction: number;
  /** Longest heuristic lifetime in seconds. */
  readonly heuristicMax: number;
  /** Lifetime in seconds of cacheable responses that say nothing at all; 0 is none. */
  readonly defaultTtl: number;
}

/** A freshness lifetime and where it comes from. */
export interface FreshnessLifetime {
  /** Milliseconds, 0 or more. */
  readonly lifetime: number;
  /** `none`: the response says nothing and no heuristic applies. */
  readonly source: 'explicit' | 'heuristic' | 'default' | 'none';
}

/**
 * Freshness lifetime by the first rule that matches (RFC 9111 §4.2.1): `s-maxage`, `max-age`, `Expires` less
 * `Date`, else a heuristic (§4.2.2).
 *
 * @param responseTime epoch milliseconds at which the response head was received.
 */
export function freshnessLifetime(
  status: number,
  fields: Fields,
  directives: ResponseDirectives,
  responseTime: number,
  policy: HeuristicPolicy,
): FreshnessLifetime {
  if (directives.sMaxage >= 0) return { lifetime: directives.sMaxage * 1000, source: 'explicit' };
  if (directives.maxAge >= 0) return { lifetime: directives.maxAge * 1000, source: 'explicit' };
  if (!directives.targeted) {
    const expires = expiresLifetime(fields, responseTime);
    if (expires >= 0) return { lifetime: expires, source: 'explicit' };
  }
  return heuristicLifetime(status, fields, directives, responseTime, policy);
}

/**
 * `Expires` less `Date` in milliseconds (RFC 9111 §4.2.1), 0 when it is invalid (§5.3) or when several lines
 * disagree (§4.2.1), -1 when it is absent. `Date` absent or unreadable means the time of receipt.
 */
function expiresLifetime(fields: Fields, responseTime: number): number {
  let index = fieldIndex(fields, 'expires');
  if (index < 0) return -1;
  const value = fields[index + 1] as string;
  while ((index = fieldIndex(fields, 'expires', index + 2)) >= 0) {
    if (fields[index + 1] !== value) return 0;
  }
  const expires = parseHttpDate(trimOws(value), responseTime);
  if (Number.isNaN(expires)) return 0;
  return Math.max(0, expires - dateValue(fields, responseTime));
}

/** `Date` in epoch milliseconds, or the time of receipt (RFC 9110 §6.6.1). */
export function dateValue(fields: Fields, responseTime: number): number {
  const date = firstValue(fields, 'date');
  const time = date === undefined ? Number.NaN : parseHttpDate(date, responseTime);
  return Number.isNaN(time) ? responseTime : time;
}

/**
 * A share of the time since `Last-Modified`, only where no explicit time is given and the status code or
 * `public` allows it (RFC 9111 §4.2.2); else `defaultTtl`.
 */
function heuristicLifetime(
  status: number,
  fields: Fields,
  directives: ResponseDirectives,
  responseTime: number,
  policy: HeuristicPolicy,
): FreshnessLifetime {
  if (!isHeuristicallyCacheable(status) && !directives.isPublic) return { lifetime: 0, source: 'none' };
  const lastModified = firstValue(fields, 'last-modified');
  const modified = lastModified === undefined ? Number.NaN : parseHttpDate(lastModified, responseTime);
  if (!Number.isNaN(modified) && policy.heuristicFraction > 0) {
    const unchanged = Math.max(0, dateValue(fields, responseTime) - modified);
    const lifetime = Math.min(unchanged * policy.heuristicFraction, policy.heuristicMax * 1000);
    return { lifetime: Math.floor(lifetime), source: 'heuristic' };
  }
  return policy.defaultTtl > 0
    ? { lifetime: policy.defaultTtl * 1000, source: 'default' }
    : { lifetime: 0, source: 'none' };
}

/** What an `Age` that is no delta-seconds means; see {@link ageValue}. */
export type InvalidAge = 'ignore' | 'stale';

/**
 * `age_value` in seconds (RFC 9111 §4.2.3, §5.1): the first member of the first line, 0 if there is none.
 *
 * @param invalid with `'ignore'` (what §5.1 recommends) an invalid value counts as 0. With `'stale'` a value that
 * is invalid or repeated makes the response stale: the result is `Infinity`.
 */
export function ageValue(fields: Fields, invalid: InvalidAge): number {
  const index = fieldIndex(fields, 'age');
  if (index < 0) return 0;
  const value = fields[index + 1] as string;
  if (invalid === 'stale') {
    const single = fieldIndex(fields, 'age', index + 2) < 0 ? parseDeltaSeconds(trimOws(value)) : -1;
    return single < 0 ? Infinity : single;
  }
  const comma = value.indexOf(',');
  const seconds = parseDeltaSeconds(trimOws(comma < 0 ? value : value.slice(0, comma)));
  return seconds < 0 ? 0 : seconds;
}

/**
 * `corrected_initial_age` in milliseconds (RFC 9111 §4.2.3), the conservative form with `apparent_age`.
 *
 * `Date` counts whole seconds, so `apparent_age` is rounded down to them: otherwise everything would arrive up to
 * a second old.
 */
export function correctedInitialAge(
  fields: Fields,
  requestTime: number,
  responseTime: number,
  invalidAge: InvalidAge,
): number {
  const sinceDate = Math.max(0, responseTime - dateValue(fields, responseTime));
  const apparentAge = sinceDate - (sinceDate % 1000);
  const responseDelay = Math.max(0, responseTime - requestTime);
  return Math.max(apparentAge, ageValue(fields, invalidAge) * 1000 + responseDelay);
}
