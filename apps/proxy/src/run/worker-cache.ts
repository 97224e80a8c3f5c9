import { HttpCache, type CacheError, type CacheOptions } from '@rp/cache';
import picomatch from 'picomatch';
import type { Cache } from '../config/index.ts';

/** What is to be removed from the caches of all workers. */
export type PurgeTarget =
  | { readonly kind: 'url'; readonly scheme: string; readonly host: string; readonly target: string }
  | { readonly kind: 'pattern'; readonly pattern: string }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'all' };

/** What a worker's cache tells the rest of the process. */
export interface CacheListener {
  /** An unsafe method invalidated this key (RFC 9111 §4.4): the other workers drop it too. */
  readonly invalidated: (key: string) => void;
  readonly failed: (error: CacheError) => void;
}

/**
 * The cache of one worker: its share of the memory limit, with contents of its own. A URL is stored once per worker
 * that was asked for it.
 */
export function createCache(config: Cache, workers: number, listener: CacheListener): HttpCache | undefined {
  if (!config.enabled) return undefined;
  const maxSize = Math.max(1, Math.floor(config.maxSize / workers));
  const { heuristic, exclude, key, compat } = config;
  const options: CacheOptions = {
    maxSize,
    maxEntrySize: Math.min(config.maxEntrySize, maxSize),
    defaultTtl: config.defaultTtl / 1000,
    heuristicFraction: heuristic.enabled ? heuristic.fraction : 0,
    heuristicMax: heuristic.max / 1000,
    sortQuery: key.sortQuery,
    dropQuery: key.dropQuery,
    keyFields: key.fields,
    staleIfError: config.staleIfError / 1000,
    invalidAge: compat.invalidAge,
    mismatched304: compat.mismatched304,
    excludeCookies: exclude.cookies,
    ...(exclude.paths.length === 0 ? {} : { excludeTarget: pathMatcher(exclude.paths) }),
    xCacheStatus: config.xCacheStatus,
    coalesce: config.coalesce,
    onInvalidated: listener.invalidated,
    onError: listener.failed,
  };
  return new HttpCache(options);
}

/** Removes what `target` names; returns how many responses that were. */
export function purge(cache: HttpCache | undefined, target: PurgeTarget): number {
  if (cache === undefined) return 0;
  switch (target.kind) {
    case 'url':
      return cache.purger.url(target.scheme, target.host, target.target);
    case 'pattern':
      return cache.purger.pattern(target.pattern);
    case 'tag':
      return cache.purger.tag(target.tag);
    case 'all':
      return cache.purger.all();
  }
}

function pathMatcher(patterns: readonly string[]): (target: string) => boolean {
  const matches = picomatch([...patterns], { dot: true });
  return (target) => {
    const query = target.indexOf('?');
    return matches(query === -1 ? target : target.slice(0, query));
  };
}
