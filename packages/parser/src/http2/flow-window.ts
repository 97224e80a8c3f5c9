import { MAX_WINDOW_SIZE } from './constants.ts';

/**
 * How much we may send (RFC 9113 §6.9), one for the connection and one for each stream. May become
 * negative when the peer lowers SETTINGS_INITIAL_WINDOW_SIZE (§6.9.2).
 */
export class SendWindow {
  /** Octets that may be sent now; nothing may be if it is 0 or less. */
  available: number;

  /** @param initial octets: 65535, or for streams the peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  constructor(initial: number) {
    this.available = initial;
  }

  /** Takes octets that are being sent; they must not be more than `available`. */
  consume(octets: number): void {
    this.available -= octets;
  }

  /**
   * A WINDOW_UPDATE came, or (with a difference that may be negative) SETTINGS_INITIAL_WINDOW_SIZE changed.
   * @returns false if the window is over 2^31-1 now: FLOW_CONTROL_ERROR, of the stream for a WINDOW_UPDATE
   *   on it, otherwise of the connection (RFC 9113 §6.9.1, §6.9.2).
   */
  grow(octets: number): boolean {
    this.available += octets;
    return this.available <= MAX_WINDOW_SIZE;
  }
}

/** How many octets may go out on a stream now, at most `wanted`: the least of both windows, never below 0. */
export function sendable(connection: SendWindow, stream: SendWindow, wanted: number): number {
  return Math.max(0, Math.min(wanted, connection.available, stream.available));
}

/**
 * How much the peer may send (RFC 9113 §6.9), one for the connection and one for each stream.
 *
 * Octets are taken off when they arrive and given back when they have been passed on, so a slow reader at
 * the other side slows the sender down. Giving back is put off until half of the window has come together:
 * a WINDOW_UPDATE for each DATA frame would double the number of frames.
 */
export class ReceiveWindow {
  /** Octets the peer may still send, as it knows. Negative only after `resize` to a smaller window. */
  available: number;
  /** Octets that have arrived and were not given back: what we may be holding. */
  held: number = 0;
  #size: number;
  #unannounced = 0;

  /** @param size octets that may be under way: 65535, or for streams our SETTINGS_INITIAL_WINDOW_SIZE. */
  constructor(size: number) {
    this.#size = size;
    this.available = size;
  }

  /** Octets the window has when nothing is under way. */
  get size(): number {
    return this.#size;
  }

  /**
   * Octets arrived (`FrameReader.flowLength`: padding counts).
   * @returns false if they were more than allowed: FLOW_CONTROL_ERROR.
   */
  receive(octets: number): boolean {
    this.available -= octets;
    this.held += octets;
    return this.available >= 0;
  }

  /**
   * Octets were passed on, or thrown away.
   * @returns the increment to send in a WINDOW_UPDATE now; 0 for none.
   */
  release(octets: number): number {
    this.held -= octets;
    this.#unannounced += octets;
    if (this.#unannounced * 2 < this.#size) return 0;
    return this.#announce();
  }

  /**
   * Changes the size of a connection's window, which SETTINGS do not touch.
   * @returns the increment to send now; 0 for none. A smaller window takes effect as octets are given back.
   */
  resize(size: number): number {
    this.#unannounced += size - this.#size;
    this.#size = size;
    return this.#unannounced > 0 ? this.#announce() : 0;
  }

  /** The peer has acknowledged SETTINGS_INITIAL_WINDOW_SIZE, which changes the windows of all streams (§6.9.2). */
  adjust(size: number): void {
    this.available += size - this.#size;
    this.#size = size;
  }

  #announce(): number {
    const increment = this.#unannounced;
    this.#unannounced = 0;
    this.available += increment;
    return increment;
  }
}
