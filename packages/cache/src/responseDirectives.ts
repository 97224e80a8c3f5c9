import { parseDeltaSeconds } from './deltaSeconds.ts';
import { scanDirectives } from './directiveScanner.ts';
import { isToken, lowerCaseList } from './fields.ts';
import type { Fields } from './fields.ts';
import { combinedValue } from './fields.ts';
import { copyText } from './latin1.ts';

/**
 * The cache directives of one response (RFC 9111 §5.2.2, RFC 5861, RFC 8246).
 *
 * Times are in seconds; -1 means that the directive is absent. An invalid or contradictory time is 0: the
 * response counts as stale (RFC 9111 §4.2.1, last paragraphs).
 */
export class ResponseDirectives {
  /** `no-store` (§5.2.2.5). */
  noStore = false;
  /** `no-cache` without field names, or with names that cannot be read (§5.2.2.4). */
  noCache = false;
  /** Field names of `no-cache="…"` in lower case; they are left out of what is stored. */
  noCacheFields: readonly string[] = [];
  /** `private` without field names, or with names that cannot be read (§5.2.2.7). */
  isPrivate = false;
  /** Field names of `private="…"` in lower case; they are left out of what is stored. */
  privateFields: readonly string[] = [];
  /** `public` (§5.2.2.9). */
  isPublic = false;
  /** `must-revalidate` (§5.2.2.2). */
  mustRevalidate = false;
  /** `proxy-revalidate` (§5.2.2.8). */
  proxyRevalidate = false;
  /** `must-understand` (§5.2.2.3). */
  mustUnderstand = false;
  /** `immutable` (RFC 8246). */
  immutable = false;
  /** `max-age` (§5.2.2.1). */
  maxAge = -1;
  /** `s-maxage` (§5.2.2.10). */
  sMaxage = -1;
  /** `stale-while-revalidate` (RFC 5861 §3). */
  staleWhileRevalidate = -1;
  /** `stale-if-error` (RFC 5861 §4). */
  staleIfError = -1;
  /** A member did not follow the grammar: what was meant is in doubt, so nothing is stored. */
  malformed = false;
  /** The directives come from a targeted field (RFC 9213): `Cache-Control` and `Expires` do not count. */
  targeted = false;

  /** Takes one directive; `name` is lower case. Unknown ones are ignored (RFC 9111 §5.2.3). */
  directive(name: string, argument: string | undefined): void {
    switch (name) {
      // None of these takes an argument; one that has some is obeyed all the same, since ignoring a
      // restriction is the worse mistake. `public` and `must-understand` loosen and need the exact form.
      case 'no-store':
        this.noStore = true;
        break;
      case 'must-revalidate':
        this.mustRevalidate = true;
        break;
      case 'proxy-revalidate':
        this.proxyRevalidate = true;
        break;
      case 'public':
        if (argument === undefined) this.isPublic = true;
        break;
      case 'must-understand':
        this.mustUnderstand = true;
        break;
      case 'immutable':
        if (argument === undefined) this.immutable = true;
        break;
      case 'no-cache':
        this.#fieldNames('noCache', 'noCacheFields', argument);
        break;
      case 'private':
        this.#fieldNames('isPrivate', 'privateFields', argument);
        break;
      default:
        this.#time(name, argument);
    }
  }

  #time(name: string, argument: string | undefined): void {
    switch (name) {
      case 'max-age':
        this.maxAge = freshnessTime(this.maxAge, argument);
        break;
      case 's-maxage':
        this.sMaxage = freshnessTime(this.sMaxage, argument);
        break;
      case 'stale-while-revalidate':
        this.staleWhileRevalidate = freshnessTime(this.staleWhileRevalidate, argument);
        break;
      case 'stale-if-error':
        this.staleIfError = freshnessTime(this.staleIfError, argument);
        break;
      default:
    }
  }

  #fieldNames(
    flag: 'noCache' | 'isPrivate',
    list: 'noCacheFields' | 'privateFields',
    argument: string | undefined,
  ): void {
    const names = argument === undefined ? [] : lowerCaseList(argument);
    if (names.length === 0 || !names.every(isToken)) this[flag] = true;
    else this[list] = [...this[list], ...names];
  }
}

/**
 * A time that may appear once. Repeated with the same value it is harmless; repeated with another one, or not a
 * number, the response is considered stale (RFC 9111 §4.2.1).
 */
function freshnessTime(before: number, argument: string | undefined): number {
  const seconds = argument === undefined ? -1 : parseDeltaSeconds(argument);
  if (seconds < 0 || (before >= 0 && before !== seconds)) return 0;
  return seconds;
}

// Backends use few different values: each is read once.
const lately = new Map<string, ResponseDirectives>();
const LATELY_LIMIT = 256;
const LATELY_LENGTH = 256;
const NO_DIRECTIVES: ResponseDirectives = new ResponseDirectives();

/**
 * Reads `Cache-Control` of a response, all lines combined (RFC 9111 §5.2). Results are shared between calls: they
 * are not to be changed.
 */
export function parseResponseDirectives(fields: Fields): ResponseDirectives {
  const value = combinedValue(fields, 'cache-control');
  if (value === undefined) return NO_DIRECTIVES;
  let directives = lately.get(value);
  if (directives !== undefined) return directives;
  directives = new ResponseDirectives();
  if (!scanDirectives(value, directives)) directives.malformed = true;
  if (value.length > LATELY_LENGTH) return directives;
  if (lately.size >= LATELY_LIMIT) lately.clear();
  // A copy: the value may be a piece of a whole head, which would be kept with it.
  lately.set(copyText(value), directives);
  return directives;
}
