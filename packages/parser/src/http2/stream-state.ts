import { ErrorCode, FrameType } from './constants.ts';

/**
 * States of a stream (RFC 9113 §5.1). There are no reserved ones: push is disabled on both sides. `closed`
 * comes in the kinds that §5.1 tells apart, because what may still arrive differs.
 */
export const StreamState = {
  idle: 0,
  open: 1,
  halfClosedLocal: 2,
  halfClosedRemote: 3,
  /** Both sides have sent END_STREAM. */
  closed: 4,
  /** We have sent RST_STREAM: the peer may not know yet, so what it sends is ignored. */
  resetLocal: 5,
  /** The peer has sent RST_STREAM. */
  resetRemote: 6,
  /** Closed so long ago that nobody remembers how. */
  forgotten: 7,
} as const;

/** One of the states of a stream. */
export type StreamState = (typeof StreamState)[keyof typeof StreamState];

/**
 * Result of `afterReceive` and `afterSend`: the next state (below 8), or `IGNORE`, or an error code (RFC
 * 9113 §7) together with `STREAM_ERROR` or `CONNECTION_ERROR`.
 */
export type Transition = number;

/**
 * The frame is to be ignored and the state stays. DATA still counts for the connection's window, and the
 * header block of HEADERS must still be decoded (RFC 9113 §5.1, "closed").
 */
export const IGNORE: Transition = 0x10;
/** The stream is to be reset with the error code in the low bits; windows and header blocks as for `IGNORE`. */
export const STREAM_ERROR: Transition = 0x20;
/** The connection is to be closed with the error code in the low bits. */
export const CONNECTION_ERROR: Transition = 0x40;

/** The error code of a transition that is an error. */
export function transitionError(transition: Transition): number {
  return transition & 0x0f;
}

const { open, halfClosedLocal, halfClosedRemote, closed, resetLocal, resetRemote } = StreamState;
const { PROTOCOL_ERROR, STREAM_CLOSED } = ErrorCode;

/** Rows of the tables: DATA, HEADERS, each without and with END_STREAM, then the other frames. */
const ROWS = 6;

function row(type: number, endStream: boolean): number {
  switch (type) {
    case FrameType.DATA:
      return endStream ? 1 : 0;
    case FrameType.HEADERS:
      return endStream ? 3 : 2;
    case FrameType.RST_STREAM:
      return 4;
    default:
      return 5;
  }
}

const closedByPeer = STREAM_ERROR | STREAM_CLOSED;
const closedForGood = CONNECTION_ERROR | STREAM_CLOSED;
const neverOpened = CONNECTION_ERROR | PROTOCOL_ERROR;
const reused = CONNECTION_ERROR | PROTOCOL_ERROR;

/** RFC 9113 §5.1. Columns: DATA, DATA+ES, HEADERS, HEADERS+ES, RST_STREAM, WINDOW_UPDATE. */
// prettier-ignore
const RECEIVE: Uint8Array = Uint8Array.of(
  /* idle */             neverOpened, neverOpened, open, halfClosedRemote, neverOpened, neverOpened,
  /* open */             open, halfClosedRemote, open, halfClosedRemote, resetRemote, open,
  /* halfClosedLocal */  halfClosedLocal, closed, halfClosedLocal, closed, resetRemote, halfClosedLocal,
  /* halfClosedRemote */ closedByPeer, closedByPeer, closedByPeer, closedByPeer, resetRemote, halfClosedRemote,
  /* closed */           closedForGood, closedForGood, closedForGood, closedForGood, IGNORE, IGNORE,
  /* resetLocal */       IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, IGNORE,
  /* resetRemote */      closedByPeer, closedByPeer, closedByPeer, closedByPeer, IGNORE, IGNORE,
  /* forgotten */        IGNORE, IGNORE, reused, reused, IGNORE, IGNORE,
);

const wrong = CONNECTION_ERROR | ErrorCode.INTERNAL_ERROR;

// prettier-ignore
const SEND: Uint8Array = Uint8Array.of(
  /* idle */             wrong, wrong, open, halfClosedLocal, wrong, wrong,
  /* open */             open, halfClosedLocal, open, halfClosedLocal, resetLocal, open,
  /* halfClosedLocal */  wrong, wrong, wrong, wrong, resetLocal, halfClosedLocal,
  /* halfClosedRemote */ halfClosedRemote, closed, halfClosedRemote, closed, resetLocal, halfClosedRemote,
  /* closed */           wrong, wrong, wrong, wrong, wrong, wrong,
  /* resetLocal */       wrong, wrong, wrong, wrong, wrong, wrong,
  /* resetRemote */      wrong, wrong, wrong, wrong, wrong, wrong,
  /* forgotten */        wrong, wrong, wrong, wrong, wrong, wrong,
);

/**
 * What a received frame does to a stream. `type` is DATA, HEADERS, RST_STREAM or WINDOW_UPDATE; PRIORITY
 * may come in any state and changes none, the rest does not belong to streams.
 *
 * For HEADERS on an idle stream `StreamIds` must have accepted the identifier.
 */
export function afterReceive(state: StreamState, type: number, endStream: boolean): Transition {
  return RECEIVE[state * ROWS + row(type, endStream)] as Transition;
}

/**
 * What a frame that we send does to a stream. A frame that must not be sent gives `CONNECTION_ERROR` with
 * INTERNAL_ERROR: that is a mistake of ours, and the frame must not be written.
 */
export function afterSend(state: StreamState, type: number, endStream: boolean): Transition {
  return SEND[state * ROWS + row(type, endStream)] as Transition;
}

/** Whether we may send DATA and HEADERS. */
export function canSend(state: StreamState): boolean {
  return state === open || state === halfClosedRemote;
}

/** Whether the peer may send DATA and HEADERS. */
export function canReceive(state: StreamState): boolean {
  return state === open || state === halfClosedLocal;
}

/** Whether nothing is to come of the stream any more. */
export function isClosed(state: StreamState): boolean {
  return state >= closed;
}
