import type { Counters } from './counters.ts';

/**
 * Where a client connection stands (spec 2.1). `closing` is final; a tunnel (RFC 9110 §7.8) is a connection that
 * has stopped being HTTP; one of HTTP/2 is `multiplexing` while it has streams, each of them in a state of its own.
 */
export const ConnectionState = {
  idle: 0,
  readingRequest: 1,
  forwarding: 2,
  readingResponse: 3,
  writingResponse: 4,
  tunnelling: 5,
  closing: 6,
  multiplexing: 7,
} as const;
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState];

export const connectionStateNames: readonly string[] = Object.keys(ConnectionState);

const {
  idle,
  readingRequest,
  forwarding,
  readingResponse,
  writingResponse,
  tunnelling,
  closing,
  multiplexing,
} = ConnectionState;
const to = (...states: ConnectionState[]): number =>
  states.reduce<number>((set, state) => set | (1 << state), 0);

/** From each state, where it may go. A response may begin before the request is complete, hence the short cuts. */
const allowed: readonly number[] = [
  /* idle */ to(readingRequest, multiplexing, closing),
  /* readingRequest */ to(forwarding, writingResponse, closing),
  /* forwarding */ to(readingResponse, writingResponse, closing),
  /* readingResponse */ to(writingResponse, tunnelling, closing),
  /* writingResponse */ to(idle, closing),
  /* tunnelling */ to(closing),
  /* closing */ 0,
  /* multiplexing */ to(idle, closing),
];

/** The state of one connection: the one place where it changes, and where each state is counted. */
export class ConnectionStateMachine {
  #state: ConnectionState = idle;
  readonly #counters: Counters;

  constructor(counters: Counters) {
    this.#counters = counters;
    counters.enterState(idle);
  }

  get current(): ConnectionState {
    return this.#state;
  }

  /** Throws on a transition that is not in the table: a mistake of ours, never of a peer. */
  go(next: ConnectionState): void {
    const from = this.#state;
    if ((allowed[from]! & (1 << next)) === 0) {
      throw new Error(`illegal transition ${connectionStateNames[from]} → ${connectionStateNames[next]}`);
    }
    this.#counters.moveState(from, next);
    this.#state = next;
  }

  /** The connection is gone: it counts in no state any more. */
  gone(): void {
    this.#counters.leaveState(this.#state);
  }
}
