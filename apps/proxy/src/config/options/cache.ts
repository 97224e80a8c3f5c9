import { boolean, choice, duration, percent, section, size, texts } from '../option.ts';
import type { Section } from '../option.ts';

/** What the cache never touches. */
export interface CacheExclude {
  readonly paths: readonly string[];
  readonly cookies: readonly string[];
}

/** Normalisation of cache keys. */
export interface CacheKey {
  readonly sortQuery: boolean;
  readonly dropQuery: readonly string[];
  readonly fields: readonly string[];
}

/** Older readings of the rules, for backends that rely on them. */
export interface CacheCompat {
  readonly invalidAge: 'ignore' | 'stale';
  readonly mismatched304: 'refetch' | 'accept';
}

/** Freshness of responses that have a `Last-Modified` but no lifetime (RFC 9111, 4.2.2). */
export interface CacheHeuristic {
  readonly enabled: boolean;
  /** Share of the age, 0 to 1. */
  readonly fraction: number;
  /** Milliseconds. */
  readonly max: number;
}

/** The cache. */
export interface Cache {
  readonly enabled: boolean;
  /** Bytes, for the whole process. */
  readonly maxSize: number;
  /** Bytes. */
  readonly maxEntrySize: number;
  /** Milliseconds; 0: such responses are not stored. */
  readonly defaultTtl: number;
  readonly heuristic: CacheHeuristic;
  /** Milliseconds; 0: only where the response says so. */
  readonly staleIfError: number;
  readonly exclude: CacheExclude;
  readonly key: CacheKey;
  readonly xCacheStatus: boolean;
  readonly coalesce: boolean;
  readonly compat: CacheCompat;
}

const DAY = 24 * 3_600_000;

/** `cache` */
export const cache: Section<Cache> = section(
  'Shared HTTP cache in memory (RFC 9111).',
  {
    enabled: boolean({ doc: 'Switches it on.', fallback: false }),
    maxSize: size({
      doc: 'Memory for bodies, fields and keys; the least recently used go first.',
      fallback: '100MB',
      min: 1024,
    }),
    maxEntrySize: size({
      doc: 'Larger responses are not stored. Left out: 10MB, or `maxSize` if that is less.',
      fallback: '10MB',
      min: 1024,
    }),
    defaultTtl: duration({
      doc: 'Lifetime of responses that say nothing about caching; `0s`: they are not stored. Hazard: what is private but unmarked gets shared.',
      fallback: '0s',
      min: 0,
      max: 365 * DAY,
    }),
    heuristic: section<CacheHeuristic>('Lifetime guessed from `Last-Modified` (RFC 9111, 4.2.2).', {
      enabled: boolean({ doc: 'Switches it on.', fallback: true }),
      fraction: percent({ doc: 'Share of the time since the last change.', fallback: '10%' }),
      max: duration({ doc: 'Longest guess.', fallback: '24h', min: 0, max: 365 * DAY }),
    }),
    staleIfError: duration({
      doc: 'For how long stale responses stand in for errors where responses do not say (`stale-if-error`, RFC 5861); `0s`: not at all.',
      fallback: '0s',
      min: 0,
      max: 365 * DAY,
    }),
    exclude: section<CacheExclude>('Requests that bypass the cache.', {
      paths: texts({
        doc: 'Patterns of paths; `*` stands for part of a segment, `**` for any number of segments.',
        allowed: 'patterns that start with a slash, such as /account/**',
        pattern: '^/',
        fallback: [],
      }),
      cookies: texts({
        doc: 'Names of cookies; a request that has one bypasses the cache.',
        allowed: 'cookie names',
        fallback: [],
      }),
    }),
    key: section<CacheKey>('Normalisation of keys. Hazard: never name a parameter that changes the answer.', {
      sortQuery: boolean({ doc: 'Ignores the order of query parameters.', fallback: false }),
      dropQuery: texts({
        doc: 'Query parameters that are not part of the key; a `*` at the end matches any ending.',
        allowed: 'names of query parameters, such as utm_*',
        fallback: [],
      }),
      fields: texts({
        doc: 'Request fields that always count, for backends that answer by them and forget `Vary`.',
        allowed: 'names of request fields, such as X-Country',
        pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        fallback: [],
      }),
    }),
    xCacheStatus: boolean({
      doc: 'Adds `X-Cache-Status` (HIT, MISS, …) beside `Cache-Status` (RFC 9211).',
      fallback: false,
    }),
    coalesce: boolean({ doc: 'One backend request for simultaneous misses on a key.', fallback: true }),
    compat: section<CacheCompat>('Older readings of the rules, for backends that rely on them.', {
      invalidAge: choice(['ignore', 'stale'], {
        doc: 'What an invalid or repeated `Age` of a backend means: nothing (RFC 9111, 5.1), or that the response is stale.',
        fallback: 'ignore',
      }),
      mismatched304: choice(['refetch', 'accept'], {
        doc: 'A 304 about another version than was asked for: ask again, or take it for the stored one, against RFC 9111, 4.3.4.',
        fallback: 'refetch',
      }),
    }),
  },
  (value, given) => ({
    ...value,
    maxEntrySize: given('maxEntrySize') ? value.maxEntrySize : Math.min(value.maxEntrySize, value.maxSize),
  }),
);
