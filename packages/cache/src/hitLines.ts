const SLOTS = 1024;

/**
 * `Age` and `Cache-Status` of hits. They follow from age and remaining freshness in seconds, in which many answers of
 * the same moment are alike; remembered here they take no room in what is stored.
 */
export class HitLines {
  /** The `Cache-Status` member of the last {@link find}. */
  status = '';
  readonly #member: string;
  readonly #ages: Int32Array = new Int32Array(SLOTS).fill(-1);
  readonly #ttls: Int32Array = new Int32Array(SLOTS);
  readonly #statuses: string[] = Array.from({ length: SLOTS }, () => '');
  readonly #lines: string[] = Array.from({ length: SLOTS }, () => '');

  /** @param member the cache's name as it is written. */
  constructor(member: string) {
    this.#member = member;
  }

  /** The lines, each with its CRLF. */
  find(age: number, ttl: number): string {
    const slot = (age * 31 + ttl) & (SLOTS - 1);
    if (this.#ages[slot] !== age || this.#ttls[slot] !== ttl) {
      const status = `${this.#member}; hit; ttl=${ttl}`;
      this.#ages[slot] = age;
      this.#ttls[slot] = ttl;
      this.#statuses[slot] = status;
      this.#lines[slot] = `Age: ${age}\r\nCache-Status: ${status}\r\n`;
    }
    this.status = this.#statuses[slot] as string;
    return this.#lines[slot] as string;
  }
}
