import type { FieldKind } from './field-kind.ts';

/** What RFC 7541 §4.1 adds to the octets of name and value for the size of an entry. */
export const ENTRY_OVERHEAD = 32;

/** Entries that the ring has room for when the first one comes. */
const FIRST_LENGTH = 16;

/**
 * The dynamic table of a decoder (RFC 7541 §2.3.2): a ring that grows with what the peer really inserts,
 * so that an idle connection holds next to nothing.
 */
export class DecoderTable {
  /** Sizes of all entries together, in octets by RFC 7541 §4.1. */
  size: number = 0;
  /** Current maximum of `size`, as the peer's last size update says. */
  capacity: number;
  /** Entries in the table. */
  count: number = 0;
  #newest = -1;
  #mask = -1;
  #names: string[] = [];
  #values: string[] = [];
  #nameKinds: number[] = [];
  #kinds: number[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Name of an entry; the newest has index 0. */
  name(index: number): string {
    return this.#names[(this.#newest - index) & this.#mask] as string;
  }

  value(index: number): string {
    return this.#values[(this.#newest - index) & this.#mask] as string;
  }

  /** Kind of the name alone, for literals that take their name from the table. */
  nameKind(index: number): FieldKind {
    return this.#nameKinds[(this.#newest - index) & this.#mask] as FieldKind;
  }

  kind(index: number): FieldKind {
    return this.#kinds[(this.#newest - index) & this.#mask] as FieldKind;
  }

  /** Adds an entry; one that is larger than the whole table empties it, which is no error (RFC 7541 §4.4). */
  add(name: string, value: string, nameKind: FieldKind, kind: FieldKind): void {
    const size = name.length + value.length + ENTRY_OVERHEAD;
    this.#evict(this.capacity - size);
    if (size > this.capacity) return;
    if (this.count > this.#mask) this.#grow();
    const slot = (this.#newest = (this.#newest + 1) & this.#mask);
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#nameKinds[slot] = nameKind;
    this.#kinds[slot] = kind;
    this.count++;
    this.size += size;
  }

  /** Applies a size update (RFC 7541 §4.3). */
  resize(capacity: number): void {
    this.capacity = capacity;
    this.#evict(capacity);
  }

  #evict(target: number): void {
    while (this.size > target && this.count > 0) {
      const slot = (this.#newest - this.count + 1) & this.#mask;
      this.size -=
        (this.#names[slot] as string).length + (this.#values[slot] as string).length + ENTRY_OVERHEAD;
      this.#names[slot] = '';
      this.#values[slot] = '';
      this.count--;
    }
  }

  #grow(): void {
    const length = Math.max(FIRST_LENGTH, this.count * 2);
    const names: string[] = [];
    const values: string[] = [];
    const nameKinds: number[] = [];
    const kinds: number[] = [];
    for (let index = this.count - 1; index >= 0; index--) {
      names.push(this.name(index));
      values.push(this.value(index));
      nameKinds.push(this.nameKind(index));
      kinds.push(this.kind(index));
    }
    for (let index = this.count; index < length; index++) {
      names.push('');
      values.push('');
      nameKinds.push(0);
      kinds.push(0);
    }
    this.#newest = this.count - 1;
    this.#mask = length - 1;
    this.#names = names;
    this.#values = values;
    this.#nameKinds = nameKinds;
    this.#kinds = kinds;
  }
}
