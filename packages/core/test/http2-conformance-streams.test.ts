import { ErrorCode, FrameType } from '@rp/parser';
import { describe, expect, test } from 'vitest';
import { get } from './support/h2-client.ts';
import {
  octets,
  word,
  join,
  text,
  END_HEADERS,
  HAS_PRIORITY,
  WHOLE,
  block,
  open,
  whole,
  waiting,
  type Act,
} from './support/h2-frames.ts';
import { startH2 } from './support/h2-proxy.ts';
import { turns } from './support/wait.ts';

// The cases that a conformance suite has, frame by frame, in the order of the RFCs. Those about floods, shutting down
// and translation stand in files of their own.

const { DATA, HEADERS, PRIORITY, RST_STREAM, WINDOW_UPDATE } = FrameType;
const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, STREAM_CLOSED, FLOW_CONTROL_ERROR, REFUSED_STREAM } = ErrorCode;

describe('stream errors (RFC 9113 §5.4.2): RST_STREAM, and the connection goes on', () => {
  const list =
    (...fields: string[]): Act =>
    (c) =>
      c.writer.headers(1, fields, true);
  const base = get();
  const without = (name: string): string[] => {
    const at = base.indexOf(name);
    return base.toSpliced(at, 2);
  };
  test.each<[string, number, Act]>([
    ['DATA on a half-closed stream (§5.1)', STREAM_CLOSED, (c) => (whole(c), c.frame(DATA, 0, 1, text('x')))],
    [
      'HEADERS on a half-closed stream (§5.1)',
      STREAM_CLOSED,
      (c) => (whole(c), c.frame(HEADERS, WHOLE, 1, block())),
    ],
    [
      'HEADERS that depend on themselves (RFC 7540 §5.3.1)',
      PROTOCOL_ERROR,
      (c) => c.frame(HEADERS, WHOLE | HAS_PRIORITY, 1, join(octets(0, 0, 0, 1, 15), block())),
    ],
    [
      'PRIORITY of a wrong size (§6.3)',
      FRAME_SIZE_ERROR,
      (c) => (open(c), c.frame(PRIORITY, 0, 1, octets(0, 0, 0, 1))),
    ],
    ['an increment of 0 (§6.9)', PROTOCOL_ERROR, (c) => (open(c), c.frame(WINDOW_UPDATE, 0, 1, word(0)))],
    [
      'a window over 2^31-1 (§6.9.1)',
      FLOW_CONTROL_ERROR,
      (c) => (open(c), c.frame(WINDOW_UPDATE, 0, 1, word(2 ** 31 - 1))),
    ],
    [
      'trailers without END_STREAM (§8.1)',
      PROTOCOL_ERROR,
      (c) => (open(c), c.frame(HEADERS, END_HEADERS, 1, octets(0, 1, 0x78, 1, 0x79))),
    ],
    [
      'a pseudo-field in trailers (§8.1)',
      PROTOCOL_ERROR,
      (c) => (open(c), c.frame(HEADERS, WHOLE, 1, octets(0x84))),
    ],
    [
      'a name in capitals (§8.2.1)',
      PROTOCOL_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0, 1), text('X'), octets(1), text('y'))),
    ],
    [
      'an empty name (§8.2.1)',
      PROTOCOL_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0, 0, 1), text('y'))),
    ],
    ['a space at the end of a value (§8.2.1)', PROTOCOL_ERROR, list(...base, 'x', 'y ')],
    ['keep-alive (§8.2.2)', PROTOCOL_ERROR, list(...base, 'keep-alive', 'timeout=1')],
    ['proxy-connection (§8.2.2)', PROTOCOL_ERROR, list(...base, 'proxy-connection', 'close')],
    ['upgrade (§8.2.2)', PROTOCOL_ERROR, list(...base, 'upgrade', 'x')],
    ['te: gzip (§8.2.2)', PROTOCOL_ERROR, list(...base, 'te', 'trailers, gzip')],
    ['an unknown pseudo-field (§8.3)', PROTOCOL_ERROR, list(':test', 'x', ...base)],
    [':status in a request (§8.3)', PROTOCOL_ERROR, list(':status', '200', ...base)],
    [
      'a pseudo-field behind a field (§8.3)',
      PROTOCOL_ERROR,
      list(...base.slice(2), 'x', 'y', ':method', 'GET'),
    ],
    ['no :method (§8.3.1)', PROTOCOL_ERROR, list(...without(':method'))],
    ['no :scheme (§8.3.1)', PROTOCOL_ERROR, list(...without(':scheme'))],
    ['no :path (§8.3.1)', PROTOCOL_ERROR, list(...without(':path'))],
    ['an empty :path (§8.3.1)', PROTOCOL_ERROR, list(...get('GET', ''))],
    ['two :method (§8.3.1)', PROTOCOL_ERROR, list(':method', 'GET', ...base)],
    ['two :scheme (§8.3.1)', PROTOCOL_ERROR, list(':scheme', 'http', ...base)],
    ['two :path (§8.3.1)', PROTOCOL_ERROR, list(':path', '/', ...base)],
    ['two :authority (§8.3.1)', PROTOCOL_ERROR, list(':authority', 'app.example', ...base)],
    [
      'user information in :authority (§8.3.1)',
      PROTOCOL_ERROR,
      list(...without(':authority'), ':authority', 'u@a'),
    ],
    [':protocol without CONNECT (RFC 8441 §4)', PROTOCOL_ERROR, list(':protocol', 'websocket', ...base)],
    [
      'DATA longer than content-length (§8.1.1)',
      PROTOCOL_ERROR,
      (c) => (c.writer.headers(1, get('POST', '/', 'content-length', '1'), false), c.data(1, 'two', true)),
    ],
    [
      'DATA shorter than content-length (§8.1.1)',
      PROTOCOL_ERROR,
      (c) => {
        c.writer.headers(1, get('POST', '/', 'content-length', '9'), false);
        c.data(1, 'one', false);
        c.data(1, 'two', true);
      },
    ],
    [
      'a content-length without DATA (§8.1.1)',
      PROTOCOL_ERROR,
      list(...get('POST', '/', 'content-length', '1')),
    ],
    [
      'two lengths (§8.1.1)',
      PROTOCOL_ERROR,
      list(...get('POST', '/', 'content-length', '0', 'content-length', '1')),
    ],
  ])('%s', async (_name, code, act) => {
    const { connect } = await waiting();
    const client = await connect();
    act(client);
    client.flush();
    expect((await client.result(1)).reset).toBe(code);
    client.writer.ping(Buffer.alloc(8), 0, false);
    client.flush();
    await client.until(() => client.frames.some(({ type }) => type === 'pingAck'));
    expect([client.ended, client.closed]).toEqual([false, false]);
  });

  test('frames behind the end of both sides: STREAM_CLOSED (§5.1)', async () => {
    for (const type of [DATA, HEADERS]) {
      const { connect } = await startH2();
      const client = await connect();
      await client.result(client.request());
      client.frame(type, WHOLE, 1, type === DATA ? text('x') : block());
      await client.until(() =>
        client.frames.some((frame) => frame.type === 'rst' || frame.type === 'goaway'),
      );
      const { reset } = client.of(1);
      expect(reset ?? (await client.goaway())).toBe(STREAM_CLOSED);
    }
  });

  test('frames behind a reset of the client: STREAM_CLOSED (§5.1)', async () => {
    for (const type of [DATA, HEADERS]) {
      const { connect } = await waiting();
      const client = await connect();
      open(client);
      client.frame(RST_STREAM, 0, 1, word(8));
      await turns();
      client.frame(type, WHOLE, 1, type === DATA ? text('x') : block());
      await client.until(() =>
        client.frames.some((frame) => frame.type === 'rst' || frame.type === 'goaway'),
      );
      const { reset } = client.of(1);
      expect(reset ?? (await client.goaway())).toBe(STREAM_CLOSED);
    }
  });

  test('streams above the limit: REFUSED_STREAM (§5.1.2)', async () => {
    const { connect } = await startH2({ onHead: () => {} }, { pool: { maxConnections: 256 } });
    const client = await connect();
    const streams = Array.from({ length: 129 }, () => client.request());
    expect((await client.result(streams[128]!)).reset).toBe(REFUSED_STREAM);
  });
});
