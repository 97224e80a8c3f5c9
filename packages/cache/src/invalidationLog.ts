/** Entries kept. Who asks about something older is told that it may have been invalidated. */
const LIMIT = 1024;

/**
 * Remembers what was purged and invalidated lately, so that a response that was asked for before does not come into
 * the store after: it may describe the state before the change (RFC 9111 §4.4).
 */
export class InvalidationLog {
  readonly #entries: ((key: string, tags: readonly string[]) => boolean)[] = [];
  #sequence = 0;

  /** The number to remember when a request goes forward. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Notes that everything that `matches` is invalid as of now. */
  record(matches: (key: string, tags: readonly string[]) => boolean): void {
    this.#entries[this.#sequence % LIMIT] = matches;
    this.#sequence++;
  }

  /** Whether nothing that matches has been invalidated since `sequence`. */
  isCurrent(sequence: number, stored: { readonly key: string; readonly tags: readonly string[] }): boolean {
    if (sequence === this.#sequence) return true;
    if (this.#sequence - sequence > LIMIT) return false;
    const { key, tags } = stored;
    for (let i = sequence; i < this.#sequence; i++) {
      if (this.#entries[i % LIMIT]?.(key, tags) === true) return false;
    }
    return true;
  }
}
