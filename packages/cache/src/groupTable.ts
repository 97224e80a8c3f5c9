import type { PrimaryKey } from './cacheKey.ts';
import type { CoalescingGroup } from './coalescing.ts';
import { HashTable, hashText } from './hashTable.ts';

/** The open groups. They come and go with every miss, which a `Map` of long keys makes dear. */
export class GroupTable {
  readonly #table: HashTable = new HashTable();
  readonly #groups: (CoalescingGroup | undefined)[] = [];
  readonly #free: number[] = [];

  /** @param variant what `Vary` adds to the key. */
  find(key: PrimaryKey, variant: string): CoalescingGroup | undefined {
    const slot = this.#slot(key, variant);
    return slot < 0 ? undefined : this.#groups[slot];
  }

  add(group: CoalescingGroup): void {
    const slot = this.#free.pop() ?? this.#groups.length;
    this.#groups[slot] = group;
    this.#table.add(hashOf(group.key, group.variant), slot);
  }

  /** Takes out `group`; nothing happens where another one has its place. */
  remove(group: CoalescingGroup): void {
    const slot = this.#slot(group.key, group.variant);
    if (slot < 0 || this.#groups[slot] !== group) return;
    this.#groups[slot] = undefined;
    this.#free.push(slot);
    this.#table.remove(hashOf(group.key, group.variant), slot);
  }

  /** Those whose primary key matches. */
  matching(matches: (key: string) => boolean): CoalescingGroup[] {
    const found: CoalescingGroup[] = [];
    for (const group of this.#groups) if (group !== undefined && matches(group.key.key)) found.push(group);
    return found;
  }

  #slot(key: PrimaryKey, variant: string): number {
    const hash = hashOf(key, variant);
    let slot = this.#table.first(hash);
    while (slot >= 0) {
      const { key: other, variant: otherVariant } = this.#groups[slot] as CoalescingGroup;
      if (other.target === key.target && otherVariant === variant && other.origin === key.origin) return slot;
      slot = this.#table.next(hash);
    }
    return -1;
  }
}

function hashOf(key: PrimaryKey, variant: string): number {
  return variant === '' ? key.hash : hashText(variant, key.hash);
}
