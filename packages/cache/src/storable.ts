import { firstValue } from './fields.ts';
import type { Fields } from './fields.ts';
import type { ResponseDirectives } from './responseDirectives.ts';
import { isHeuristicallyCacheable, isNeverStored, isUnderstood } from './statusCodes.ts';

/** What of a request decides whether the response to it may be stored. */
export interface StorableRequest {
  readonly method: string;
  /** The request has `Cache-Control: no-store` (RFC 9111 §5.2.1.5). */
  readonly noStore: boolean;
  /** The request has an `Authorization` field (RFC 9111 §3.5). */
  readonly authorized: boolean;
}

/** Choices that the RFC leaves to the cache. */
export interface StorablePolicy {
  /** Responses that say nothing may be stored (`defaultTtl` is set): a cache extension in the sense of §3. */
  readonly hasDefaultTtl: boolean;
  /** Whether responses with `Set-Cookie` are stored: with explicit freshness, or never. */
  readonly setCookie: 'explicit' | 'never';
}

/** Why a response is not stored; used as `detail` of `Cache-Status`. */
export type NotStorable =
  | 'method'
  | 'status'
  | 'request-no-store'
  | 'must-understand'
  | 'no-store'
  | 'private'
  | 'malformed-cache-control'
  | 'authorization'
  | 'vary-star'
  | 'set-cookie'
  | 'not-cacheable';

/**
 * Whether a shared cache may store a response (RFC 9111 §3). The terms are in the order of that section.
 *
 * @returns `undefined` when it may, else the reason.
 */
export function whyNotStorable(
  request: StorableRequest,
  status: number,
  fields: Fields,
  directives: ResponseDirectives,
  policy: StorablePolicy,
): NotStorable | undefined {
  // "the request method is understood": only GET is stored. HEAD freshens (§4.3.5), others pass.
  if (request.method !== 'GET') return 'method';
  // §5.2.1.5
  if (request.noStore) return 'request-no-store';
  // "the response status code is final"; some speak of one request, not of the resource.
  if (status < 200 || isNeverStored(status)) return 'status';
  // "must-understand is present: the cache understands the response status code"; it then overrides
  // no-store (§5.2.2.3).
  if (directives.mustUnderstand && !isUnderstood(status)) return 'must-understand';
  // "the no-store cache directive is not present"
  if (directives.noStore && !directives.mustUnderstand) return 'no-store';
  // "the private response directive is either not present or allows a shared cache to store a modified
  // response" (§5.2.2.7)
  if (directives.isPrivate) return 'private';
  // Not in the RFC: what cannot be read may have said no.
  if (directives.malformed) return 'malformed-cache-control';
  if (request.authorized && !allowsAuthorized(directives)) return 'authorization';
  return whyNotCacheable(status, fields, directives, policy);
}

/** Directives that let a shared cache keep a response to a request with `Authorization` (RFC 9111 §3.5). */
export function allowsAuthorized(directives: ResponseDirectives): boolean {
  return directives.mustRevalidate || directives.isPublic || directives.sMaxage >= 0;
}

function whyNotCacheable(
  status: number,
  fields: Fields,
  directives: ResponseDirectives,
  policy: StorablePolicy,
): NotStorable | undefined {
  // "the response contains at least one of the following": public, Expires, max-age, s-maxage …
  const explicit =
    directives.isPublic ||
    directives.maxAge >= 0 ||
    directives.sMaxage >= 0 ||
    (!directives.targeted && firstValue(fields, 'expires') !== undefined);
  // The RFC puts no limit on Set-Cookie (§7.3 leaves it to the origin to say private). A cookie that the
  // origin did not knowingly make public is never shared by a guess of ours.
  if (firstValue(fields, 'set-cookie') !== undefined && (policy.setCookie === 'never' || !explicit)) {
    return 'set-cookie';
  }
  if (explicit) return undefined;
  // "… a cache extension that allows it to be cached, or a status code that is heuristically cacheable"
  return isHeuristicallyCacheable(status) || (policy.hasDefaultTtl && status === 200)
    ? undefined
    : 'not-cacheable';
}
