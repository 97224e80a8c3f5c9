import type { InvalidAge } from './freshness.ts';
import type { VaryNormalisation } from './vary.ts';

/** Options of {@link HttpCache}; every one has a default. Sizes are in bytes, times in seconds unless said. */
export interface CacheOptions {
  /** Off: every look-up is a bypass and nothing is stored. Default `true`. */
  readonly enabled?: boolean;
  /** All stored bytes: bodies, fields, keys and overhead, those being written among them. Default 100 MiB. */
  readonly maxSize?: number;
  /** Largest body that is stored. Default 10 MiB; at most `maxSize`. */
  readonly maxEntrySize?: number;
  /** Lifetime of cacheable responses that say nothing about it; 0 is off. Default 0. */
  readonly defaultTtl?: number;
  /** Share of the time since `Last-Modified` for heuristic freshness (RFC 9111 §4.2.2), 0 to 1; 0 is off. Default 0.1. */
  readonly heuristicFraction?: number;
  /** Longest heuristic lifetime. Default 86,400 (a day). */
  readonly heuristicMax?: number;
  /** Variants kept for one key; beyond it the one stored first goes. Default 64. */
  readonly maxVariants?: number;
  /** Ranges answered at once; more get the whole response (RFC 9110 §14.2). Default 16. */
  readonly maxRanges?: number;
  /** Sort query parameters in the key. Collides where their order means something. Default `false`. */
  readonly sortQuery?: boolean;
  /** Query parameters left out of the key; a `*` at the end matches the rest. Default none. */
  readonly dropQuery?: readonly string[];
  /** Request fields that are always part of the key, whatever `Vary` says. Default none. */
  readonly keyFields?: readonly string[];
  /** How values of fields named by `Vary` are compared (RFC 9111 §4.1). Default `'semantic'`. */
  readonly varyNormalisation?: VaryNormalisation;
  /** Targets (path and query) that are neither looked up nor stored. Default none. */
  readonly excludeTarget?: (target: string) => boolean;
  /** Requests with a cookie of such a name are neither answered nor stored. Default none. */
  readonly excludeCookies?: readonly string[];
  /** Whether responses with `Set-Cookie` are stored: where the origin gave explicit freshness, or never. Default `'explicit'`. */
  readonly setCookie?: 'explicit' | 'never';
  /** Whether `Cache-Control` and `Pragma` of requests count (RFC 9111 §5.2.1: advisory). Default `true`. */
  readonly requestDirectives?: boolean;
  /** Fields of RFC 9213 that go before `Cache-Control`, most applicable first. Default `['CDN-Cache-Control']`. */
  readonly targetedFields?: readonly string[];
  /** `stale-if-error` of responses that do not say; 0 is none. Default 0. */
  readonly staleIfError?: number;
  /** Lets `stale-*` count beside `s-maxage`, which RFC 9111 §5.2.2.10 forbids. Default `false`. */
  readonly staleDespiteSMaxage?: boolean;
  /** Meaning of an invalid `Age`: ignored (RFC 9111 §5.1), or the response is stale. Default `'ignore'`. */
  readonly invalidAge?: InvalidAge;
  /** A 304 with another strong validator: ask again, or accept it against RFC 9111 §4.3.4. Default `'refetch'`. */
  readonly mismatched304?: 'refetch' | 'accept';
  /** How long stale responses that can be validated are kept. Default 86,400 (a day). */
  readonly keepStale?: number;
  /** One backend request for simultaneous misses on a key. Default `true`. */
  readonly coalesce?: boolean;
  /** Leaders that may fail one after the other before their followers fail too. Default 3. */
  readonly coalesceAttempts?: number;
  /** Followers let go at once when their leader's response cannot be shared. Default 16. */
  readonly coalesceRelease?: number;
  /** How long a key whose response was not storable is not coalesced again. Default 10. */
  readonly uncacheableTtl?: number;
  /** Fields that list tags for purging. Default `['Cache-Tag', 'Surrogate-Key']`. */
  readonly tagFields?: readonly string[];
  /** Tags kept of one response. Default 64. */
  readonly maxTags?: number;
  /** Identifier in `Cache-Status` (RFC 9211 §2): a token, else it is written as a string. Default `'rp'`. */
  readonly cacheName?: string;
  /** Also writes `X-Cache-Status: HIT` and the like into `lines`. Default `false`. */
  readonly xCacheStatus?: boolean;
  /** One in so many hits has its body checked against a sampled checksum; 0 is never. Default 64. */
  readonly verifyEvery?: number;
  /** Cache errors within `breakerWindow` that turn the cache off. Default 5. */
  readonly breakerThreshold?: number;
  /** Default 10. */
  readonly breakerWindow?: number;
  /** How long the cache stays off. Default 30. */
  readonly breakerCooldown?: number;
  /** Told of errors inside of the cache, which never reach the caller. Default: only counted. */
  readonly onError?: (error: CacheError) => void;
  /** Told of every key that an unsafe method invalidated (RFC 9111 §4.4), to tell other caches. Default: nothing. */
  readonly onInvalidated?: (key: string) => void;
  /** Source of randomness from 0 to 1 for multipart boundaries. Default `Math.random`. */
  readonly random?: () => number;
}

/** Options with every default filled in and names in lower case. */
export type ResolvedOptions = Required<CacheOptions>;

/** An error of the cache itself. The exchange goes on without it. */
export class CacheError extends Error {
  /** Stable: `cache_corrupt_entry`, `cache_internal`, `cache_option`. */
  readonly code: string;
  readonly source = 'proxy' as const;
  readonly retryable = 'no' as const;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CacheError';
    this.code = code;
  }
}

const MIB = 1024 * 1024;

/**
 * Fills in the defaults.
 *
 * @throws CacheError `cache_option` for values that cannot work; an unbounded cache among them.
 */
export function resolveOptions(options: CacheOptions): ResolvedOptions {
  const given: CacheOptions = { ...options };
  const resolved: ResolvedOptions = { ...DEFAULTS, ...withoutUndefined(given) };
  positive('maxSize', resolved.maxSize);
  positive('maxEntrySize', resolved.maxEntrySize);
  positive('maxVariants', resolved.maxVariants);
  positive('maxRanges', resolved.maxRanges);
  positive('coalesceAttempts', resolved.coalesceAttempts);
  positive('coalesceRelease', resolved.coalesceRelease);
  if (!(resolved.heuristicFraction >= 0 && resolved.heuristicFraction <= 1)) {
    throw new CacheError('cache_option', 'heuristicFraction: expected a number from 0 to 1');
  }
  return {
    ...resolved,
    maxEntrySize: Math.min(resolved.maxEntrySize, resolved.maxSize),
    keyFields: lower(resolved.keyFields),
    targetedFields: lower(resolved.targetedFields),
    tagFields: lower(resolved.tagFields),
  };
}

const DEFAULTS: ResolvedOptions = {
  enabled: true,
  maxSize: 100 * MIB,
  maxEntrySize: 10 * MIB,
  defaultTtl: 0,
  heuristicFraction: 0.1,
  heuristicMax: 86_400,
  maxVariants: 64,
  maxRanges: 16,
  sortQuery: false,
  dropQuery: [],
  keyFields: [],
  varyNormalisation: 'semantic',
  excludeTarget: () => false,
  excludeCookies: [],
  setCookie: 'explicit',
  requestDirectives: true,
  targetedFields: ['CDN-Cache-Control'],
  staleIfError: 0,
  staleDespiteSMaxage: false,
  invalidAge: 'ignore',
  mismatched304: 'refetch',
  keepStale: 86_400,
  coalesce: true,
  coalesceAttempts: 3,
  coalesceRelease: 16,
  uncacheableTtl: 10,
  tagFields: ['Cache-Tag', 'Surrogate-Key'],
  maxTags: 64,
  cacheName: 'rp',
  xCacheStatus: false,
  verifyEvery: 64,
  breakerThreshold: 5,
  breakerWindow: 10,
  breakerCooldown: 30,
  onError: () => undefined,
  onInvalidated: () => undefined,
  random: Math.random,
};

function withoutUndefined(options: CacheOptions): CacheOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function lower(names: readonly string[]): string[] {
  return names.map((name) => name.toLowerCase());
}

function positive(name: keyof CacheOptions, value: number): void {
  // An infinite limit is no limit: an unbounded cache is refused.
  if (!Number.isFinite(value) || value < 1) {
    throw new CacheError('cache_option', `${name}: expected a finite number of at least 1, got ${value}`);
  }
}
