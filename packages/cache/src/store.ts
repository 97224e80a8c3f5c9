import type { StoredResponse } from './storedResponse.ts';

/** Everything stored under one primary key: the variants of one resource. Never changed, only replaced. */
export interface StoredResource {
  readonly key: string;
  /** Most recent first (RFC 9111 §4: by `Date`). At least one. */
  readonly responses: readonly StoredResponse[];
}

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
 */
export interface CacheStore {
  /** The resource, marked as used lately. */
  get(key: string): StoredResource | undefined;
  /** The resource, not marked. */
  peek(key: string): StoredResource | undefined;
  /** Replaces the resource; no responses removes it. `false` when it does not fit. */
  set(key: string, responses: readonly StoredResponse[]): boolean;
  /** Removes the resource. @returns the number of responses removed. */
  delete(key: string): number;
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
