import { FieldId, fieldValue, type ResponseHead } from '@rp/parser';

/** Milliseconds over which the rate of a body is taken. */
const WINDOW = 1_000;

/**
 * Notices a response body that comes more slowly than it should. Time in which the client takes no more is not the
 * backend's. One object serves one response after the other.
 */
export class BodyRate {
  /** Bytes per second; 0: nothing is measured. */
  #least = 0;
  #since = 0;
  #bytes = 0;
  #suspended = false;

  /** A head came at `now`. */
  begin(least: number, head: ResponseHead, now: number): void {
    this.#least = least;
    if (least === 0) return;
    this.#since = now;
    this.#bytes = 0;
    this.#suspended = false;
    // A stream of events is slow by nature.
    if (fieldValue(head, FieldId.contentType)?.startsWith('text/event-stream') === true) this.#least = 0;
  }

  /** The client takes no more for now. */
  suspend(): void {
    this.#suspended = true;
  }

  /** So many bytes came. True: in the last second or more these were too few. */
  isTooSlow(bytes: number, now: number): boolean {
    if (this.#least === 0) return false;
    if (this.#suspended) {
      this.#suspended = false;
      this.#since = now;
      this.#bytes = 0;
      return false;
    }
    this.#bytes += bytes;
    const passed = now - this.#since;
    if (passed < WINDOW) return false;
    const tooSlow = this.#bytes * 1_000 < this.#least * passed;
    this.#since = now;
    this.#bytes = 0;
    return tooSlow;
  }
}
