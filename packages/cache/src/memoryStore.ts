import type { PrimaryKey } from './cacheKey.ts';
import { HashTable } from './hashTable.ts';
import { RecencyList } from './recencyList.ts';
import type { CacheStore, StoreCounts } from './store.ts';
import type { StoredResponse } from './storedResponse.ts';
import { TagIndex } from './tagIndex.ts';

/**
 * Up to so many resources the order of use is kept exactly. Moving one to the front touches its neighbours in the
 * list, which in a large store lie anywhere in memory; there a look-up only leaves a mark.
 */
const EXACT = 1024;
/** Marked resources that may be passed over for one that is evicted. */
const SECOND_CHANCES = 8;

/**
 * A store in memory with a limit in bytes that also counts what is being written. The least recently used resource
 * goes first; among more than a thousand, one that was not used since it was stored or last passed over.
 */
export class MemoryStore implements CacheStore {
  readonly #maxSize: number;
  readonly #table: HashTable = new HashTable();
  readonly #recency: RecencyList = new RecencyList();
  readonly #tags: TagIndex<number> = new TagIndex();
  /** By slot: the most recent response of each resource. */
  #first: (StoredResponse | undefined)[] = [];
  /** By slot: what the resource counted for when it was stored. */
  #sizes: number[] = [];
  /** By slot, where there are any: tags as they are in the index. A 304 may give a response others. */
  readonly #tagged: Map<number, readonly (readonly string[])[]> = new Map();
  readonly #free: number[] = [];
  #cursor = 0;
  #size = 0;
  #reserved = 0;
  #resources = 0;
  #responses = 0;
  #evictions = 0;
  #expirations = 0;

  /** @param maxSize bytes; must be finite. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  get(key: PrimaryKey): StoredResponse | undefined {
    const slot = this.#find(key);
    if (slot < 0) return undefined;
    const first = this.#first[slot] as StoredResponse;
    if (this.#resources <= EXACT) this.#recency.touch(slot);
    else if (!first.used) first.used = true;
    return first;
  }

  peek(key: PrimaryKey): StoredResponse | undefined {
    const slot = this.#find(key);
    return slot < 0 ? undefined : this.#first[slot];
  }

  set(key: PrimaryKey, responses: readonly StoredResponse[]): boolean {
    // The old version goes first: its bytes count no longer, and its eviction is none.
    const before = this.#find(key);
    if (before >= 0) this.#remove(before, false);
    if (responses.length === 0) return true;
    let bytes = 0;
    for (let i = 0; i < responses.length; i++) bytes += (responses[i] as StoredResponse).bytes;
    if (bytes + this.#reserved > this.#maxSize) return false;
    this.#makeRoom(bytes);
    this.#insert(responses, bytes);
    return true;
  }

  delete(key: PrimaryKey): number {
    const slot = this.#find(key);
    return slot < 0 ? 0 : this.#remove(slot, false);
  }

  reserve(bytes: number): boolean {
    if (this.#reserved + bytes > this.#maxSize) return false;
    this.#makeRoom(bytes);
    this.#reserved += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#reserved -= bytes;
  }

  purge(matches: (response: StoredResponse) => boolean): number {
    let removed = 0;
    for (let slot = 0; slot < this.#first.length; slot++) removed += this.#filter(slot, matches);
    return removed;
  }

  purgeTag(tag: string): number {
    let removed = 0;
    for (const slot of this.#tags.keys(tag)) {
      removed += this.#filter(slot, (response) => response.tags.includes(tag));
    }
    return removed;
  }

  clear(): number {
    const removed = this.#responses;
    for (const first of this.#first) if (first !== undefined) discard(first);
    for (const [slot, tagged] of this.#tagged) for (const tags of tagged) this.#tags.remove(slot, tags);
    // What held a full store need not stay that large.
    this.#tagged.clear();
    this.#table.clear();
    this.#recency.clear();
    this.#first = [];
    this.#sizes = [];
    this.#free.length = 0;
    this.#size = this.#resources = this.#responses = 0;
    return removed;
  }

  sweep(maxResources: number, isDead: (response: StoredResponse) => boolean): number {
    let removed = 0;
    // No more than once around: few resources are not looked at again and again.
    const looks = Math.min(maxResources, this.#first.length);
    for (let i = 0; i < looks; i++) {
      if (this.#cursor >= this.#first.length) this.#cursor = 0;
      removed += this.#filter(this.#cursor++, isDead);
    }
    this.#expirations += removed;
    return removed;
  }

  shrink(bytes: number): number {
    const before = this.#responses;
    const wanted = bytes - this.#reserved;
    if (wanted <= 0) {
      this.#evictions += before;
      return this.clear();
    }
    this.#evictDownTo(wanted);
    return before - this.#responses;
  }

  counts(): StoreCounts {
    return {
      bytes: this.#size + this.#reserved,
      resources: this.#resources,
      responses: this.#responses,
      evictions: this.#evictions,
      expirations: this.#expirations,
    };
  }

  #find(key: PrimaryKey): number {
    const { origin, target, hash } = key;
    let slot = this.#table.first(hash);
    while (slot >= 0) {
      const found = this.#first[slot] as StoredResponse;
      if (found.target === target && found.origin === origin) return slot;
      if (origin === '' && found.key === target) return slot;
      slot = this.#table.next(hash);
    }
    return -1;
  }

  #insert(responses: readonly StoredResponse[], bytes: number): void {
    const first = responses[0] as StoredResponse;
    const slot = this.#free.pop() ?? this.#first.length;
    this.#first[slot] = first;
    this.#sizes[slot] = bytes;
    this.#table.add(first.hash, slot);
    this.#recency.add(slot);
    this.#size += bytes;
    this.#resources++;
    this.#responses += responses.length;
    first.used = false;
    first.variants = responses.length > 1 ? responses : undefined;
    let tagged = false;
    for (let i = 0; i < responses.length; i++) {
      const response = responses[i] as StoredResponse;
      response.discarded = false;
      if (response.tags.length > 0) tagged = true;
    }
    if (tagged) this.#addTags(slot, responses);
  }

  #addTags(slot: number, responses: readonly StoredResponse[]): void {
    const tags = responses.map((response) => response.tags);
    this.#tagged.set(slot, tags);
    for (const some of tags) this.#tags.add(slot, some);
  }

  /** @returns the number of responses removed. */
  #remove(slot: number, evicted: boolean): number {
    const first = this.#first[slot] as StoredResponse;
    const { variants } = first;
    const count = variants === undefined ? 1 : variants.length;
    this.#table.remove(first.hash, slot);
    this.#recency.remove(slot);
    this.#first[slot] = undefined;
    this.#free.push(slot);
    this.#size -= this.#sizes[slot] as number;
    this.#resources--;
    this.#responses -= count;
    if (evicted) this.#evictions += count;
    discard(first);
    if (this.#tagged.size > 0) this.#removeTags(slot);
    return count;
  }

  #removeTags(slot: number): void {
    const tagged = this.#tagged.get(slot);
    if (tagged === undefined) return;
    this.#tagged.delete(slot);
    for (const tags of tagged) this.#tags.remove(slot, tags);
  }

  #makeRoom(bytes: number): void {
    this.#evictDownTo(this.#maxSize - this.#reserved - bytes);
  }

  #evictDownTo(limit: number): void {
    while (this.#size > limit && this.#resources > 0) this.#remove(this.#victim(), true);
  }

  #victim(): number {
    for (let i = 0; i < SECOND_CHANCES; i++) {
      const slot = this.#recency.oldest;
      const first = this.#first[slot] as StoredResponse;
      if (!first.used) return slot;
      first.used = false;
      this.#recency.touch(slot);
    }
    return this.#recency.oldest;
  }

  #filter(slot: number, drop: (response: StoredResponse) => boolean): number {
    const first = this.#first[slot];
    if (first === undefined) return 0;
    const { variants } = first;
    if (variants === undefined) return drop(first) ? this.#remove(slot, false) : 0;
    const kept = variants.filter((response) => !drop(response));
    const removed = variants.length - kept.length;
    if (removed > 0) this.set(first, kept);
    return removed;
  }
}

/** Whoever still holds what was stored under a key learns that it is not any more. */
function discard(first: StoredResponse): void {
  first.discarded = true;
  const { variants } = first;
  if (variants === undefined) return;
  for (const response of variants) response.discarded = true;
  first.variants = undefined;
}
