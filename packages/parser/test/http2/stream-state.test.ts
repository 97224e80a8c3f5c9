import { describe, expect, it } from 'vitest';
import {
  afterReceive,
  afterSend,
  canReceive,
  canSend,
  CONNECTION_ERROR,
  ErrorCode,
  FrameType,
  IGNORE,
  isClosed,
  MAX_STREAM_ID,
  STREAM_ERROR,
  StreamIds,
  StreamState,
  transitionError,
} from '../../src/http2/index.ts';

const names = Object.keys(StreamState) as (keyof typeof StreamState)[];
const { DATA, HEADERS, RST_STREAM, WINDOW_UPDATE } = FrameType;

function show(transition: number): string {
  if (transition === IGNORE) return 'ignore';
  const error = transitionError(transition) === ErrorCode.STREAM_CLOSED ? 'STREAM_CLOSED' : 'PROTOCOL_ERROR';
  if ((transition & CONNECTION_ERROR) !== 0) {
    return transitionError(transition) === ErrorCode.INTERNAL_ERROR ? 'wrong' : `connection ${error}`;
  }
  if ((transition & STREAM_ERROR) !== 0) return `stream ${error}`;
  return names[transition] ?? '?';
}

const columns = [
  [DATA, false],
  [DATA, true],
  [HEADERS, false],
  [HEADERS, true],
  [RST_STREAM, false],
  [WINDOW_UPDATE, false],
] as const;

describe('RFC 9113 §5.1: a frame is received', () => {
  const protocol = 'connection PROTOCOL_ERROR';
  const over = 'connection STREAM_CLOSED';
  const reset = 'stream STREAM_CLOSED';
  it.each([
    ['idle', protocol, protocol, 'open', 'halfClosedRemote', protocol, protocol],
    ['open', 'open', 'halfClosedRemote', 'open', 'halfClosedRemote', 'resetRemote', 'open'],
    [
      'halfClosedLocal',
      'halfClosedLocal',
      'closed',
      'halfClosedLocal',
      'closed',
      'resetRemote',
      'halfClosedLocal',
    ],
    ['halfClosedRemote', reset, reset, reset, reset, 'resetRemote', 'halfClosedRemote'],
    ['closed', over, over, over, over, 'ignore', 'ignore'],
    ['resetLocal', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore'],
    ['resetRemote', reset, reset, reset, reset, 'ignore', 'ignore'],
    ['forgotten', 'ignore', 'ignore', protocol, protocol, 'ignore', 'ignore'],
  ] as const)('%s', (state, ...expected) => {
    const seen = columns.map(([type, end]) => show(afterReceive(StreamState[state], type, end)));
    expect(seen).toEqual(expected);
  });
});

describe('RFC 9113 §5.1: a frame is sent', () => {
  it.each([
    ['idle', 'wrong', 'wrong', 'open', 'halfClosedLocal', 'wrong', 'wrong'],
    ['open', 'open', 'halfClosedLocal', 'open', 'halfClosedLocal', 'resetLocal', 'open'],
    ['halfClosedLocal', 'wrong', 'wrong', 'wrong', 'wrong', 'resetLocal', 'halfClosedLocal'],
    [
      'halfClosedRemote',
      'halfClosedRemote',
      'closed',
      'halfClosedRemote',
      'closed',
      'resetLocal',
      'halfClosedRemote',
    ],
    ['closed', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong'],
    ['resetLocal', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong'],
    ['resetRemote', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong'],
    ['forgotten', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong'],
  ] as const)('%s', (state, ...expected) => {
    const seen = columns.map(([type, end]) => show(afterSend(StreamState[state], type, end)));
    expect(seen).toEqual(expected);
  });
  it('who may send what is told by the state', () => {
    expect(names.filter((name) => canSend(StreamState[name]))).toEqual(['open', 'halfClosedRemote']);
    expect(names.filter((name) => canReceive(StreamState[name]))).toEqual(['open', 'halfClosedLocal']);
    expect(names.filter((name) => isClosed(StreamState[name]))).toEqual([
      'closed',
      'resetLocal',
      'resetRemote',
      'forgotten',
    ]);
  });
});

describe('RFC 9113 §5.1.1 stream identifiers', () => {
  it('a server accepts odd ones that ascend', () => {
    const ids = new StreamIds('server');
    expect([ids.accept(1), ids.accept(2), ids.accept(7), ids.accept(5), ids.accept(7)]).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
    expect(ids.lastPeerId).toBe(7);
    expect(ids.accept(MAX_STREAM_ID)).toBe(true);
    expect(ids.accept(1)).toBe(false);
  });
  it('a client accepts none (push is disabled) and opens odd ones until they are used up', () => {
    const ids = new StreamIds('client');
    expect([ids.accept(2), ids.accept(1)]).toEqual([false, false]);
    expect([ids.open(), ids.open(), ids.open()]).toEqual([1, 3, 5]);
    expect(ids.stateOf(5)).toBe(StreamState.forgotten);
    expect(ids.stateOf(7)).toBe(StreamState.idle);
    expect(ids.stateOf(2)).toBe(StreamState.idle);
  });
  it('streams between two that were opened are closed, later ones idle', () => {
    const ids = new StreamIds('server');
    ids.accept(9);
    expect(ids.stateOf(3)).toBe(StreamState.forgotten);
    expect(ids.stateOf(1)).toBe(StreamState.forgotten);
    expect(ids.stateOf(11)).toBe(StreamState.idle);
    expect(ids.stateOf(8)).toBe(StreamState.idle);
  });
  it('remembers how the last streams were closed, also the first and the last identifier', () => {
    const ids = new StreamIds('server', 4);
    const kinds = [StreamState.closed, StreamState.resetLocal, StreamState.resetRemote] as const;
    for (const [index, id] of [1, 3, 5, 7, 9].entries()) {
      ids.accept(id);
      ids.closed(id, kinds[index % 3] as StreamState);
    }
    expect([3, 5, 7, 9].map((id) => ids.stateOf(id))).toEqual([
      StreamState.resetLocal,
      StreamState.resetRemote,
      StreamState.closed,
      StreamState.resetLocal,
    ]);
    expect(ids.stateOf(1)).toBe(StreamState.forgotten);
    ids.accept(MAX_STREAM_ID);
    ids.closed(MAX_STREAM_ID, StreamState.resetRemote);
    expect(ids.stateOf(MAX_STREAM_ID)).toBe(StreamState.resetRemote);
  });
});
