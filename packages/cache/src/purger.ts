import type { PrimaryKey } from './cacheKey.ts';
import { keyMatcher } from './purgePattern.ts';
import type { CacheParts } from './responseHandler.ts';

/** What the purger works on. */
export type PurgerParts = Pick<CacheParts, 'store' | 'keys' | 'log' | 'groups' | 'stats'>;

/**
 * Removes stored responses on demand. Every method returns the number of responses removed, all variants counted.
 * A response that was asked for before the purge and arrives after it is not stored.
 */
export class Purger {
  readonly #parts: PurgerParts;

  constructor(parts: PurgerParts) {
    this.#parts = parts;
  }

  /** One URL, all its variants. */
  url(scheme: string, host: string, target: string): number {
    return this.#key(this.#parts.keys.key(scheme, host, target));
  }

  /** One key as `onInvalidated` tells it: for what another cache invalidated. */
  key(wanted: string): number {
    return this.#key(this.#parts.keys.parse(wanted));
  }

  /**
   * All URLs that match `scheme://host/path?query` with `*` for anything: `https://example.com/img/*`. Walks
   * everything that is stored: about 0.1 s for a million URLs.
   */
  pattern(pattern: string): number {
    const matches = keyMatcher(pattern);
    return this.#purged(
      this.#parts.store.purge((stored) => matches(stored.key)),
      matches,
    );
  }

  /** All responses with a tag. */
  tag(tag: string): number {
    const { store, log, stats } = this.#parts;
    const removed = store.purgeTag(tag);
    log.record((_key, tags) => tags.includes(tag));
    stats.purged += removed;
    return removed;
  }

  /** Everything. */
  all(): number {
    return this.#purged(this.#parts.store.clear(), () => true);
  }

  #key(wanted: PrimaryKey): number {
    const text = wanted.key;
    return this.#purged(this.#parts.store.delete(wanted), (key) => key === text);
  }

  #purged(removed: number, matches: (key: string) => boolean): number {
    const { log, groups, stats } = this.#parts;
    log.record(matches);
    groups.detach(matches);
    stats.purged += removed;
    return removed;
  }
}
