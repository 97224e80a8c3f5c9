import { parseDeltaSeconds } from './deltaSeconds.ts';
import { scanDirectives } from './directiveScanner.ts';

/**
 * The cache directives of one request (RFC 9111 §5.2.1). Times are in seconds; -1 means absent.
 */
export class RequestDirectives {
  /** `no-cache` (§5.2.1.4), or `Pragma: no-cache` where there is no `Cache-Control` (§5.4). */
  noCache = false;
  /** `no-store` (§5.2.1.5). */
  noStore = false;
  /** `only-if-cached` (§5.2.1.7). */
  onlyIfCached = false;
  /** `max-age` (§5.2.1.1). One that cannot be read counts as 0: the client wants something newer. */
  maxAge = -1;
  /** `min-fresh` (§5.2.1.3). One that cannot be read is ignored. */
  minFresh = -1;
  /** `max-stale` (§5.2.1.2); `Infinity` without a value. One that cannot be read is ignored. */
  maxStale = -1;
  /** `stale-if-error` (RFC 5861 §4). */
  staleIfError = -1;

  /** Takes one directive; `name` is lower case. Unknown ones are ignored (§5.2.3). */
  directive(name: string, argument: string | undefined): void {
    const seconds = argument === undefined ? -1 : parseDeltaSeconds(argument);
    switch (name) {
      case 'no-cache':
        this.noCache = true;
        break;
      case 'no-store':
        this.noStore = true;
        break;
      case 'only-if-cached':
        this.onlyIfCached = true;
        break;
      case 'max-age':
        this.maxAge = seconds < 0 ? 0 : this.maxAge < 0 ? seconds : Math.min(this.maxAge, seconds);
        break;
      case 'min-fresh':
        if (seconds > this.minFresh) this.minFresh = seconds;
        break;
      case 'max-stale':
        this.maxStale = argument === undefined ? Infinity : Math.max(this.maxStale, seconds);
        break;
      case 'stale-if-error':
        this.staleIfError = seconds;
        break;
      default:
    }
  }
}

/** The directives of a request that has none. */
export const NO_REQUEST_DIRECTIVES: RequestDirectives = new RequestDirectives();

const PRAGMA_NO_CACHE: RequestDirectives = new RequestDirectives();
PRAGMA_NO_CACHE.noCache = true;

/**
 * Reads the directives of a request.
 *
 * @param cacheControl the combined `Cache-Control` value, if any.
 * @param pragma the combined `Pragma` value, if any; only looked at without `Cache-Control` (RFC 9111 §5.4).
 */
export function parseRequestDirectives(
  cacheControl: string | undefined,
  pragma: string | undefined,
): RequestDirectives {
  if (cacheControl === undefined) {
    return pragma !== undefined && /(?:^|,)\s*no-cache\s*(?:,|$)/i.test(pragma)
      ? PRAGMA_NO_CACHE
      : NO_REQUEST_DIRECTIVES;
  }
  const directives = new RequestDirectives();
  scanDirectives(cacheControl, directives);
  return directives;
}
