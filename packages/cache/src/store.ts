import type { PrimaryKey } from './cacheKey.ts';
import type { StoredResponse } from './storedResponse.ts';

/** Counts of a store. */
export interface StoreCounts {
  /** Bytes held, those being written among them. */
  readonly bytes: number;
  /** Primary keys. */
  readonly resources: number;
  /** Stored responses. */
  readonly responses: number;
  /** Responses removed to make room. */
  readonly evictions: number;
  /** Responses removed because they had expired. */
  readonly expirations: number;
}

/**
 * Where complete responses are kept. The cache is written against this interface, so that a second level (shared
 * memory, another process) can stand behind the first: `get` answers at once with what is near, and may start
 * fetching what is not.
 *
 * All responses under one key are reached from the most recent of them: see {@link variantsOf}. A stored response can
 * stand for its own key.
 */
export interface CacheStore {
  /** The most recent response (RFC 9111 §4: by `Date`) under the key, marked as used lately. */
  get(key: PrimaryKey): StoredResponse | undefined;
  /** The same, not marked. */
  peek(key: PrimaryKey): StoredResponse | undefined;
  /** Replaces what is stored under the key, most recent first; none removes it. `false` when it does not fit. */
  set(key: PrimaryKey, responses: readonly StoredResponse[]): boolean;
  /** Removes what is stored under the key. @returns the number of responses removed. */
  delete(key: PrimaryKey): number;
  /** Sets bytes aside for a body that is being written; evicts to make room. `false` when there is none. */
  reserve(bytes: number): boolean;
  /** Gives such bytes back. */
  release(bytes: number): void;
  /** Removes all responses that match. @returns their number. */
  purge(matches: (response: StoredResponse) => boolean): number;
  /** Removes the responses with a tag. @returns their number. */
  purgeTag(tag: string): number;
  /** Removes everything. @returns the number of responses removed. */
  clear(): number;
  /** Looks at up to `maxResources` and removes what `isDead` says. @returns the number of responses removed. */
  sweep(maxResources: number, isDead: (response: StoredResponse) => boolean): number;
  /** Evicts until no more than `bytes` are held, as far as that is possible. @returns the number removed. */
  shrink(bytes: number): number;
  counts(): StoreCounts;
}

const NONE: readonly StoredResponse[] = [];

/** All responses under one key, most recent first; `first` is what a store gave for it. */
export function variantsOf(first: StoredResponse | undefined): readonly StoredResponse[] {
  return first === undefined ? NONE : (first.variants ?? [first]);
}
