import { LRUCache } from 'lru-cache';
import type { CacheStore, StoreCounts, StoredResource } from './store.ts';
import type { StoredResponse } from './storedResponse.ts';
import { TagIndex } from './tagIndex.ts';

const NO_TAGS: readonly (readonly string[])[] = [];

/** A resource with its place in the list that upkeep walks. */
class Slot implements StoredResource {
  readonly key: string;
  readonly responses: readonly StoredResponse[];
  readonly bytes: number;
  /** Tags as they are in the index: a 304 may give a response others. */
  readonly tags: readonly (readonly string[])[];
  place = 0;
  /** Number of the look-up that last moved it to the front. */
  touched = 0;

  constructor(key: string, responses: readonly StoredResponse[]) {
    this.key = key;
    this.responses = responses;
    let bytes = 0;
    for (const response of responses) bytes += response.bytes;
    this.bytes = bytes;
    const tagged = responses.some((response) => response.tags.length > 0);
    this.tags = tagged ? responses.map((response) => response.tags) : NO_TAGS;
  }
}

/**
 * A store in memory, least recently used first out, with a limit in bytes that also counts what is being written.
 */
export class MemoryStore implements CacheStore {
  readonly #maxSize: number;
  readonly #lru: LRUCache<string, Slot>;
  readonly #tags: TagIndex = new TagIndex();
  // All slots in no order: a place to stop and go on for upkeep, which iterators of the LRU do not have.
  readonly #slots: Slot[] = [];
  #cursor = 0;
  #lookups = 0;
  #reserved = 0;
  #responses = 0;
  #evictions = 0;
  #expirations = 0;

  /** @param maxSize bytes; must be finite. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
    this.#lru = new LRUCache<string, Slot>({
      maxSize,
      dispose: (slot, _key, reason) => this.#disposed(slot, reason === 'evict'),
    });
  }

  get(key: string): StoredResource | undefined {
    const slot = this.#lru.peek(key);
    if (slot === undefined) return undefined;
    // Moving an entry to the front touches its neighbours in the list, which in a large store lie anywhere in
    // memory. One that is in the first eighth of the list already need not be moved.
    const lookup = ++this.#lookups;
    if (lookup - slot.touched > this.#slots.length >> 3) {
      slot.touched = lookup;
      this.#lru.get(key);
    }
    return slot;
  }

  peek(key: string): StoredResource | undefined {
    return this.#lru.peek(key);
  }

  set(key: string, responses: readonly StoredResponse[]): boolean {
    if (responses.length === 0) {
      this.#lru.delete(key);
      return true;
    }
    const slot = new Slot(key, responses);
    const old = this.#lru.peek(key);
    if (slot.bytes + this.#reserved > this.#maxSize) {
      this.#lru.delete(key);
      return false;
    }
    // The old version goes first: its bytes count no longer, and its eviction is none.
    if (old !== undefined) this.#lru.delete(key);
    this.#makeRoom(slot.bytes);
    slot.touched = this.#lookups;
    this.#lru.set(key, slot, { size: slot.bytes });
    slot.place = this.#slots.push(slot) - 1;
    this.#responses += responses.length;
    for (const response of responses) response.discarded = false;
    for (const tags of slot.tags) this.#tags.add(key, tags);
    return true;
  }

  delete(key: string): number {
    const slot = this.#lru.peek(key);
    if (slot === undefined) return 0;
    this.#lru.delete(key);
    return slot.responses.length;
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
    // From the end: removing moves the last slot into the gap, and that one has been looked at.
    for (let i = this.#slots.length - 1; i >= 0; i--)
      removed += this.#filter(this.#slots[i] as Slot, matches);
    return removed;
  }

  purgeTag(tag: string): number {
    let removed = 0;
    for (const key of this.#tags.keys(tag)) {
      const slot = this.#lru.peek(key);
      if (slot !== undefined) removed += this.#filter(slot, (response) => response.tags.includes(tag));
    }
    return removed;
  }

  clear(): number {
    const removed = this.#responses;
    this.#lru.clear();
    return removed;
  }

  sweep(maxResources: number, isDead: (response: StoredResponse) => boolean): number {
    let removed = 0;
    // No more than once around: few resources are not looked at again and again.
    const looks = Math.min(maxResources, this.#slots.length);
    for (let i = 0; i < looks && this.#slots.length > 0; i++) {
      if (this.#cursor >= this.#slots.length) this.#cursor = 0;
      const before = this.#slots.length;
      removed += this.#filter(this.#slots[this.#cursor] as Slot, isDead);
      // Where a slot was removed, another one has taken its place.
      if (this.#slots.length === before) this.#cursor++;
    }
    this.#expirations += removed;
    return removed;
  }

  shrink(bytes: number): number {
    const before = this.#responses;
    const wanted = Math.max(0, bytes - this.#reserved);
    while (this.#lru.calculatedSize > wanted && this.#lru.pop() !== undefined);
    return before - this.#responses;
  }

  counts(): StoreCounts {
    return {
      bytes: this.#lru.calculatedSize + this.#reserved,
      resources: this.#lru.size,
      responses: this.#responses,
      evictions: this.#evictions,
      expirations: this.#expirations,
    };
  }

  #makeRoom(bytes: number): void {
    const limit = this.#maxSize - this.#reserved - bytes;
    while (this.#lru.calculatedSize > limit && this.#lru.pop() !== undefined);
  }

  #filter(slot: Slot, drop: (response: StoredResponse) => boolean): number {
    if (!slot.responses.some(drop)) return 0;
    const kept = slot.responses.filter((response) => !drop(response));
    const removed = slot.responses.length - kept.length;
    if (removed > 0) this.set(slot.key, kept);
    return removed;
  }

  #disposed(slot: Slot, evicted: boolean): void {
    const last = this.#slots.pop() as Slot;
    if (last !== slot) {
      this.#slots[slot.place] = last;
      last.place = slot.place;
    }
    this.#responses -= slot.responses.length;
    if (evicted) this.#evictions += slot.responses.length;
    for (const response of slot.responses) response.discarded = true;
    for (const tags of slot.tags) this.#tags.remove(slot.key, tags);
  }
}
