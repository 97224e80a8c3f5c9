/** `Date` of RFC 9110 §6.6.1, formatted once per second. */
export class DateField {
  #second = -1;
  #value = '';

  /** @param epochMs milliseconds since 1970 */
  at(epochMs: number): string {
    const second = Math.floor(epochMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#value = new Date(second * 1000).toUTCString();
    }
    return this.#value;
  }
}
