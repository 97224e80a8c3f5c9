import { MAX_STREAM_ID } from './constants.ts';
import type { Role } from './constants.ts';
import { StreamState } from './stream-state.ts';

/** How many closed streams are remembered, by default. */
const REMEMBERED = 128;

/** The kinds of closing by their note of two bits; 0 is an unused place. */
const KINDS = [
  StreamState.forgotten,
  StreamState.closed,
  StreamState.resetLocal,
  StreamState.resetRemote,
] as const;

/**
 * Stream identifiers of one connection (RFC 9113 §5.1.1): which the peer may use next, which we may, and in
 * what way the last ones were closed.
 *
 * The session keeps live streams in a map. For an identifier that is not in it, `stateOf` tells whether the
 * stream is idle or closed.
 */
export class StreamIds {
  /** The highest identifier the peer has opened: goes into GOAWAY. 0 before the first. */
  lastPeerId: number = 0;
  readonly #peerParity: number;
  readonly #size: number;
  #nextLocal: number;
  /** Ring of identifiers without their parity bit, and the kind of closing in the low two bits. */
  #closed: Uint32Array | null = null;

  /**
   * @param role which end we are: clients open odd streams, servers none (push is disabled).
   * @param remembered closed streams remembered, a power of two (default 128, 4 octets each).
   */
  constructor(role: Role, remembered: number = REMEMBERED) {
    this.#peerParity = role === 'server' ? 1 : 0;
    this.#nextLocal = role === 'server' ? 2 : 1;
    this.#size = remembered;
  }

  /**
   * Whether HEADERS from the peer may open this stream: right parity and higher than all before. If so, it
   * is noted, and lower idle ones count as closed. If not, and `stateOf` says idle or forgotten, the
   * connection is in error (PROTOCOL_ERROR). A server has nothing to open towards a client.
   */
  accept(streamId: number): boolean {
    if (this.#peerParity === 0 || (streamId & 1) === 0 || streamId <= this.lastPeerId) return false;
    this.lastPeerId = streamId;
    return true;
  }

  /** The identifier for a new stream of ours; 0 when they are used up and a new connection is due. */
  open(): number {
    const streamId = this.#nextLocal;
    if (streamId > MAX_STREAM_ID) return 0;
    this.#nextLocal = streamId + 2;
    return streamId;
  }

  /** Notes how a stream was closed: `closed`, `resetLocal` or `resetRemote`. */
  closed(streamId: number, state: StreamState): void {
    const kind = state === StreamState.resetLocal ? 2 : state === StreamState.resetRemote ? 3 : 1;
    const place = streamId >>> 1;
    this.#closed ??= new Uint32Array(this.#size);
    this.#closed[place & (this.#size - 1)] = (place << 2) | kind;
  }

  /** State of a stream that is not live: idle, or one of the kinds of closed. */
  stateOf(streamId: number): StreamState {
    const fromPeer = (streamId & 1) === this.#peerParity;
    if (fromPeer ? streamId > this.lastPeerId : streamId >= this.#nextLocal) return StreamState.idle;
    const place = streamId >>> 1;
    const note = this.#closed?.[place & (this.#size - 1)] ?? 0;
    return note >>> 2 === place ? (KINDS[note & 3] as StreamState) : StreamState.forgotten;
  }
}
