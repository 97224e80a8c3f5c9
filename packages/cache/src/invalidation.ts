import { originOf } from './cacheKey.ts';
import { firstValue } from './fields.ts';
import type { CacheRequest, CacheResponse } from './messages.ts';

/** Methods registered as safe (RFC 9110 §9.2.1, §18.2). All others may change something. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'REPORT', 'SEARCH', 'QUERY']);

/** True for methods known as safe; case-sensitive. */
export function isSafe(method: string): boolean {
  return SAFE.has(method);
}

/** A target URI whose stored responses are to be removed. */
export interface InvalidatedTarget {
  readonly scheme: string;
  readonly host: string;
  readonly target: string;
}

/**
 * What a response to a request invalidates (RFC 9111 §4.4): after a non-error response to a method that is not
 * known as safe, the target URI, and those in `Location` and `Content-Location`, as far as they are of the same
 * origin.
 */
export function invalidatedTargets(request: CacheRequest, response: CacheResponse): InvalidatedTarget[] {
  // "A non-error response is one with a 2xx or 3xx status code."
  if (isSafe(request.method) || response.status < 200 || response.status > 399) return [];
  const { scheme, host } = request;
  const targets: InvalidatedTarget[] = [{ scheme, host, target: request.target }];
  for (const name of ['location', 'content-location']) {
    const reference = firstValue(response.fields, name);
    const target = reference === undefined ? undefined : sameOriginTarget(reference, request);
    if (target !== undefined) targets.push({ scheme, host, target });
  }
  return targets;
}

/** Path and query of a URI reference resolved against the target URI, if it has the same origin. */
function sameOriginTarget(reference: string, request: CacheRequest): string | undefined {
  const base = `${originOf(request.scheme, request.host)}${request.target}`;
  const url = URL.parse(reference, base);
  if (url === null || `${url.protocol}//${url.host}` !== originOf(request.scheme, request.host)) {
    return undefined;
  }
  // The URL parser may write a path differently (`{` as `%7B`). Where the reference spells it out, take that,
  // since keys hold targets as clients wrote them.
  const spelled = /^(?:[a-z][a-z0-9+.-]*:)?(?:\/\/[^/?#]*)?(\/[^#]*)/i.exec(reference)?.[1];
  return spelled !== undefined && !spelled.includes('/.') && !spelled.startsWith('//')
    ? spelled
    : url.pathname + url.search;
}
