import type { RequestDirectives } from './requestDirectives.ts';
import type { StoredResponse } from './storedResponse.ts';

/**
 * Whether a stored response that matches the request may be used (RFC 9111 §4):
 * - `fresh`: yes;
 * - `stale`: yes, though stale, because the client accepts it (`max-stale`);
 * - `staleWhileRevalidate`: yes, and it is to be validated in the background (RFC 5861 §3);
 * - `validate`: no, not without validation, because it is stale or says `no-cache`;
 * - `request`: no, the request's directives do not allow its use.
 */
export type Reuse = 'fresh' | 'stale' | 'staleWhileRevalidate' | 'validate' | 'request';

/** Decides on reuse; see {@link Reuse}. `now` is in epoch milliseconds. */
export function mayReuse(stored: StoredResponse, request: RequestDirectives, now: number): Reuse {
  // §4: "does not contain the no-cache directive, unless it is successfully validated"
  if (stored.noCache) return 'validate';
  const fresh = now < stored.freshUntil;
  if (request.noCache) return fresh ? 'request' : 'validate';
  if (fresh) return allowsFresh(stored, request, now) ? 'fresh' : 'request';
  return mayReuseStale(stored, request, now);
}

function allowsFresh(stored: StoredResponse, request: RequestDirectives, now: number): boolean {
  // RFC 8246 §2: an immutable response is not validated for a reload, which says max-age=0.
  if (request.maxAge >= 0 && !stored.immutable && exceedsMaxAge(stored, request.maxAge, now)) return false;
  // §5.2.1.3: "freshness lifetime is no less than its current age plus the specified time"
  return request.minFresh < 0 || stored.freshUntil - now >= request.minFresh * 1000;
}

function exceedsMaxAge(stored: StoredResponse, maxAge: number, now: number): boolean {
  // §5.2.1.1: "less than or equal"; at 0 even a response of this very moment is not what the client wants.
  return maxAge === 0 || now - stored.ageBase > maxAge * 1000;
}

function mayReuseStale(stored: StoredResponse, request: RequestDirectives, now: number): Reuse {
  // §4.2.4: "MUST NOT generate a stale response if it is prohibited by an explicit in-protocol directive"
  if (stored.mustRevalidate) return 'validate';
  if (request.maxStale >= 0) {
    const within = now - stored.freshUntil <= request.maxStale * 1000;
    const young = request.maxAge < 0 || !exceedsMaxAge(stored, request.maxAge, now);
    if (within && young && request.minFresh < 0) return 'stale';
  }
  // A client that asks for an age or for freshness does not wish a stale response (§5.2.1.1, §5.2.1.3).
  if (request.maxAge >= 0 || request.minFresh >= 0) return 'validate';
  return now < stored.staleWhileRevalidateUntil ? 'staleWhileRevalidate' : 'validate';
}

/** Whether a stale response may answer a request whose forwarding failed (RFC 5861 §4, RFC 9111 §4.2.4). */
export function mayReuseOnError(stored: StoredResponse, request: RequestDirectives, now: number): boolean {
  if (stored.noCache || stored.mustRevalidate || request.noCache) return false;
  if (now < stored.freshUntil) return request.maxAge < 0 && request.minFresh < 0;
  const asked = request.staleIfError >= 0 && now - stored.freshUntil <= request.staleIfError * 1000;
  return asked || now < stored.staleIfErrorUntil;
}
