import { INITIAL_WINDOW_SIZE, ReceiveWindow } from '@rp/parser';
import { CONNECTION_WINDOW, MAX_WITHHELD } from './bounds.ts';

/**
 * How much a client may send on all streams of a connection together. What streams with slow backends hold is given
 * back at once up to a limit: their own windows bound it, and a few of them must not stop the others (RFC 9113 §5.2).
 */
export class ReceiveFlow {
  readonly #window: ReceiveWindow = new ReceiveWindow(INITIAL_WINDOW_SIZE);
  /** Octets held by streams, those given back early included. */
  #withheld = 0;
  /** Octets held that were not given back early. */
  #owed = 0;

  /** The increment of the first WINDOW_UPDATE, which makes the window as large as we want it. */
  enlarge(): number {
    return this.#window.resize(CONNECTION_WINDOW);
  }

  /** Octets that the client may send now. */
  get available(): number {
    return this.#window.available;
  }

  /** False: FLOW_CONTROL_ERROR of the connection. */
  receive(octets: number): boolean {
    return this.#window.receive(octets);
  }

  /** Octets were passed on or thrown away. Returns the increment to send, 0 for none. */
  release(octets: number): number {
    return this.#window.release(octets);
  }

  /** A stream holds octets. Returns the increment to send, 0 for none. */
  withhold(octets: number): number {
    this.#withheld += octets;
    if (this.#withheld <= MAX_WITHHELD) return this.#window.release(octets);
    this.#owed += octets;
    return 0;
  }

  /** A stream holds octets no more. Returns the increment to send, 0 for none. */
  letGo(octets: number): number {
    this.#withheld -= octets;
    const due = Math.min(octets, this.#owed);
    if (due === 0) return 0;
    this.#owed -= due;
    return this.#window.release(due);
  }
}
