import { combinedValue } from './fields.ts';
import type { Fields } from './fields.ts';
import { copyText } from './latin1.ts';

/** Which keys have a tag. As large as what is stored, and counted there: an entry holds its tags. */
export class TagIndex<Key> {
  readonly #keys: Map<string, Map<Key, number>> = new Map();

  /** Notes one more response of `key` with each of `tags`. */
  add(key: Key, tags: readonly string[]): void {
    for (const tag of tags) {
      let keys = this.#keys.get(tag);
      if (keys === undefined) this.#keys.set(tag, (keys = new Map()));
      keys.set(key, (keys.get(key) ?? 0) + 1);
    }
  }

  /** Takes one response of `key` back out. */
  remove(key: Key, tags: readonly string[]): void {
    for (const tag of tags) {
      const keys = this.#keys.get(tag);
      const count = keys?.get(key);
      if (keys === undefined || count === undefined) continue;
      if (count > 1) keys.set(key, count - 1);
      else if (keys.size > 1) keys.delete(key);
      else this.#keys.delete(tag);
    }
  }

  /** Keys that have `tag`, as a copy: they may change while it is walked. */
  keys(tag: string): Key[] {
    const keys = this.#keys.get(tag);
    return keys === undefined ? [] : [...keys.keys()];
  }
}

const NO_TAGS: readonly string[] = [];

/** Longest tag that is kept. */
const MAX_TAG_LENGTH = 256;

/**
 * Tags of a response: the members of the tag fields, separated by commas (`Cache-Tag`) or spaces
 * (`Surrogate-Key`), each once, at most `limit`.
 *
 * @param names lower-case field names.
 */
export function tagsOf(fields: Fields, names: readonly string[], limit: number): readonly string[] {
  let tags: Set<string> | undefined;
  for (let i = 0; i < names.length; i++) {
    const value = combinedValue(fields, names[i] as string);
    if (value === undefined) continue;
    tags ??= new Set();
    for (const tag of value.split(/[\s,]+/)) {
      if (tag !== '' && tag.length <= MAX_TAG_LENGTH && tags.size < limit) tags.add(copyText(tag));
    }
  }
  return tags === undefined ? NO_TAGS : [...tags];
}
