import { ErrorCode, FrameType, SettingId } from '@rp/parser';
import { describe, expect, test } from 'vitest';
import { RawClient } from './support/client.ts';
import {
  octets,
  word,
  join,
  text,
  PADDED,
  HAS_PRIORITY,
  WHOLE,
  block,
  open,
  whole,
  begun,
  waiting,
  type Act,
} from './support/h2-frames.ts';
import { startH2 } from './support/h2-proxy.ts';
import { until } from './support/wait.ts';

// The cases that a conformance suite has, frame by frame, in the order of the RFCs. Those about floods, shutting down
// and translation stand in files of their own.

const { DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, GOAWAY, WINDOW_UPDATE, CONTINUATION } = FrameType;
const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, FLOW_CONTROL_ERROR, COMPRESSION_ERROR } = ErrorCode;

describe('connection errors (RFC 9113 §5.4.1): GOAWAY, then the end', () => {
  test.each<[string, number, Act]>([
    [
      'DATA larger than allowed (§4.2)',
      FRAME_SIZE_ERROR,
      (c) => (open(c), c.frame(DATA, 0, 1, octets(), 16_385)),
    ],
    [
      'HEADERS larger than allowed (§4.2)',
      FRAME_SIZE_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, octets(), 16_385),
    ],
    [
      'PRIORITY within a block (§4.3)',
      PROTOCOL_ERROR,
      (c) => (begun(c), c.frame(PRIORITY, 0, 1, octets(0, 0, 0, 0, 1))),
    ],
    [
      'HEADERS of another stream within a block (§4.3)',
      PROTOCOL_ERROR,
      (c) => (begun(c), c.frame(HEADERS, WHOLE, 3, block())),
    ],
    [
      'CONTINUATION of another stream (§4.3)',
      PROTOCOL_ERROR,
      (c) => (begun(c), c.frame(CONTINUATION, 4, 3, block())),
    ],
    [
      'an unknown frame within a block (§5.5)',
      PROTOCOL_ERROR,
      (c) => (begun(c), c.frame(0x16, 0, 0, octets(1))),
    ],
    ['CONTINUATION on an idle stream (§5.1)', PROTOCOL_ERROR, (c) => c.frame(CONTINUATION, 4, 1, block())],
    [
      'CONTINUATION on stream 0 (§6.10)',
      PROTOCOL_ERROR,
      (c) => (begun(c), c.frame(CONTINUATION, 4, 0, block())),
    ],
    [
      'CONTINUATION after a whole block (§6.10)',
      PROTOCOL_ERROR,
      (c) => (open(c), c.frame(CONTINUATION, 4, 1, block())),
    ],
    [
      'CONTINUATION after the last CONTINUATION (§6.10)',
      PROTOCOL_ERROR,
      (c) => {
        begun(c);
        c.frame(CONTINUATION, 4, 1, block());
        c.frame(CONTINUATION, 4, 1, block());
      },
    ],
    [
      'CONTINUATION after DATA (§6.10)',
      PROTOCOL_ERROR,
      (c) => {
        open(c);
        c.frame(DATA, 0, 1, text('x'));
        c.frame(CONTINUATION, 4, 1, block());
      },
    ],
    ['an even stream number (§5.1.1)', PROTOCOL_ERROR, (c) => c.frame(HEADERS, WHOLE, 2, block())],
    ['padding as long as DATA (§6.1)', PROTOCOL_ERROR, (c) => (open(c), c.frame(DATA, PADDED, 1, octets(1)))],
    ['PADDED without a length (§6.1)', FRAME_SIZE_ERROR, (c) => (open(c), c.frame(DATA, PADDED, 1))],
    [
      'padding longer than HEADERS (§6.2)',
      PROTOCOL_ERROR,
      (c) => c.frame(HEADERS, WHOLE | PADDED, 1, join(octets(7), block())),
    ],
    [
      'HEADERS too short for its priority (§6.2)',
      FRAME_SIZE_ERROR,
      (c) => c.frame(HEADERS, WHOLE | HAS_PRIORITY, 1, octets(0, 0, 0)),
    ],
    ['PRIORITY on stream 0 (§6.3)', PROTOCOL_ERROR, (c) => c.frame(PRIORITY, 0, 0, octets(0, 0, 0, 0, 1))],
    ['RST_STREAM on stream 0 (§6.4)', PROTOCOL_ERROR, (c) => c.frame(RST_STREAM, 0, 0, word(8))],
    [
      'RST_STREAM of a wrong size (§6.4)',
      FRAME_SIZE_ERROR,
      (c) => (open(c), c.frame(RST_STREAM, 0, 1, octets(0, 0, 0))),
    ],
    [
      'MAX_FRAME_SIZE too large (§6.5.2)',
      PROTOCOL_ERROR,
      (c) => c.writer.settings([SettingId.MAX_FRAME_SIZE, 16_777_216]),
    ],
    [
      'ENABLE_CONNECT_PROTOCOL 2 (RFC 8441 §3)',
      PROTOCOL_ERROR,
      (c) => c.writer.settings([SettingId.ENABLE_CONNECT_PROTOCOL, 2]),
    ],
    ['GOAWAY too short (§6.8)', FRAME_SIZE_ERROR, (c) => c.frame(GOAWAY, 0, 0, word(0))],
    [
      'WINDOW_UPDATE of a wrong size (§6.9)',
      FRAME_SIZE_ERROR,
      (c) => c.frame(WINDOW_UPDATE, 0, 0, octets(0, 0, 1)),
    ],
    [
      'settings that take a window over 2^31-1 (§6.9.2)',
      FLOW_CONTROL_ERROR,
      (c) => {
        whole(c);
        c.frame(WINDOW_UPDATE, 0, 1, word(2 ** 31 - 1 - 65_535));
        c.writer.settings([SettingId.INITIAL_WINDOW_SIZE, 65_536]);
      },
    ],
    ['PUSH_PROMISE (§8.4)', PROTOCOL_ERROR, (c) => (open(c), c.frame(PUSH_PROMISE, 4, 1, word(2)))],
    [
      'an index of 0 (RFC 7541 §6.1)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0x80))),
    ],
    [
      'an index beyond the tables (RFC 7541 §2.3.3)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0xff, 0))),
    ],
    [
      'a name beyond the tables (RFC 7541 §2.3.3)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0x7f, 0, 1), text('v'))),
    ],
    [
      'a size update behind a field (RFC 7541 §4.2)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0x20))),
    ],
    [
      'a size update over the setting (RFC 7541 §6.3)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(octets(0x3f, 0xe2, 0x1f), block())),
    ],
    [
      'Huffman padding of 8 bits (RFC 7541 §5.2)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0, 1, 0x78, 0x82, 0x3f, 0xff))),
    ],
    [
      'Huffman padding with zeros (RFC 7541 §5.2)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0, 1, 0x78, 0x81, 0x18))),
    ],
    [
      'the end of string in Huffman code (RFC 7541 §5.2)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0, 1, 0x78, 0x84, 0xff, 0xff, 0xff, 0xff))),
    ],
    [
      'a string longer than its block (RFC 7541 §5.2)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0, 9, 0x78))),
    ],
    [
      'an integer without end (RFC 7541 §5.1)',
      COMPRESSION_ERROR,
      (c) => c.frame(HEADERS, WHOLE, 1, join(block(), octets(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))),
    ],
  ])('%s', async (_name, code, act) => {
    const { connect } = await waiting();
    const client = await connect();
    act(client);
    client.flush();
    expect(await client.goaway()).toBe(code);
    await client.gone();
  });

  test('a preface that is none is not taken for HTTP/2 (§3.4)', async () => {
    const { port } = await startH2();
    const client = await RawClient.connect(port);
    client.write('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n');
    await until(() => client.ended);
    expect(client.text).toMatch(/^HTTP\/1\.1 [45]\d\d /);
    client.destroy();
  });
});
