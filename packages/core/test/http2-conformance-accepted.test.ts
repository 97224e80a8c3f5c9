import { ErrorCode, FrameType, SettingId } from '@rp/parser';
import { describe, expect, test } from 'vitest';
import { get, value } from './support/h2-client.ts';
import {
  octets,
  word,
  join,
  text,
  END_STREAM,
  END_HEADERS,
  PADDED,
  HAS_PRIORITY,
  WHOLE,
  block,
  open,
  whole,
  waiting,
  type Act,
} from './support/h2-frames.ts';
import { startH2, type H2Pair } from './support/h2-proxy.ts';
import { turns, until } from './support/wait.ts';

// The cases that a conformance suite has, frame by frame, in the order of the RFCs. Those about floods, shutting down
// and translation stand in files of their own.

const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION } =
  FrameType;

describe('what a server must take (RFC 9113)', () => {
  test.each<[string, Act]>([
    ['PRIORITY on an idle stream', (c) => c.frame(PRIORITY, 0, 1, octets(0, 0, 0, 0, 1))],
    ['PRIORITY of weight 256', (c) => c.frame(PRIORITY, 0, 3, octets(0, 0, 0, 0, 255))],
    ['an exclusive dependency', (c) => c.frame(PRIORITY, 0, 3, octets(0x80, 0, 0, 1, 15))],
    ['an undefined flag', (c) => c.frame(PING, 0x16, 0, new Uint8Array(8))],
    ['the reserved bit of a stream number', (c) => c.frame(PING, 0, 0x80000000, new Uint8Array(8))],
    ['an unknown setting', (c) => c.writer.settings([0xff, 1])],
    ['empty SETTINGS', (c) => c.frame(SETTINGS, 0, 0)],
    ['an answer to a PING that nobody sent', (c) => c.frame(PING, 1, 0, new Uint8Array(8))],
    ['WINDOW_UPDATE of the connection', (c) => c.frame(WINDOW_UPDATE, 0, 0, word(1))],
  ])('%s', async (_name, act) => {
    const { connect } = await startH2();
    const client = await connect();
    act(client);
    client.flush();
    expect(value((await client.result(client.request())).fields, ':status')).toBe('200');
  });

  test.each<[string, Act]>([
    ['a request', whole],
    [
      'HEADERS with padding',
      (c) => c.frame(HEADERS, WHOLE | PADDED, 1, join(octets(2), block(), octets(0, 0))),
    ],
    [
      'HEADERS with priority',
      (c) => c.frame(HEADERS, WHOLE | HAS_PRIORITY, 1, join(octets(0, 0, 0, 0, 15), block())),
    ],
    [
      'HEADERS with padding and priority',
      (c) =>
        c.frame(
          HEADERS,
          WHOLE | PADDED | HAS_PRIORITY,
          1,
          join(octets(1, 0, 0, 0, 0, 15), block(), octets(0)),
        ),
    ],
    [
      'a block in many pieces, some of them empty',
      (c) => {
        c.frame(HEADERS, END_STREAM, 1, block().subarray(0, 1));
        c.frame(CONTINUATION, 0, 1);
        c.frame(CONTINUATION, 0, 1, block().subarray(1, 4));
        c.frame(CONTINUATION, END_HEADERS, 1, block().subarray(4));
      },
    ],
    [
      'DATA in several frames, with and without padding',
      (c) => {
        open(c);
        c.frame(DATA, 0, 1, text('one'));
        c.frame(DATA, PADDED, 1, join(octets(3), text('two'), new Uint8Array(3)));
        c.frame(DATA, END_STREAM | PADDED, 1, octets(0));
      },
    ],
    [
      'DATA of 2^14 octets',
      (c) => {
        open(c);
        c.frame(DATA, END_STREAM, 1, new Uint8Array(16_384));
      },
    ],
    [
      'POST with trailers',
      (c) => {
        open(c);
        c.frame(DATA, 0, 1, text('body'));
        c.frame(HEADERS, WHOLE, 1, join(octets(0, 1), text('t'), octets(1), text('v')));
      },
    ],
    ['WINDOW_UPDATE on a half-closed stream', (c) => (whole(c), c.frame(WINDOW_UPDATE, 0, 1, word(1)))],
    ['PRIORITY on a half-closed stream', (c) => (whole(c), c.frame(PRIORITY, 0, 1, octets(0, 0, 0, 0, 1)))],
  ])('%s', async (_name, act) => {
    const { connect } = await startH2();
    const client = await connect();
    act(client);
    expect(value((await client.result(1)).fields, ':status')).toBe('200');
  });

  test.each<[string, Act]>([
    ['RST_STREAM', (c) => c.frame(RST_STREAM, 0, 1, word(8))],
    ['RST_STREAM with an unknown code (§7)', (c) => c.frame(RST_STREAM, 0, 1, word(0xff))],
    [
      'PRIORITY, WINDOW_UPDATE and RST_STREAM on a stream that was reset',
      (c) => {
        c.frame(RST_STREAM, 0, 1, word(8));
        c.frame(PRIORITY, 0, 1, octets(0, 0, 0, 0, 1));
        c.frame(WINDOW_UPDATE, 0, 1, word(1));
        c.frame(RST_STREAM, 0, 1, word(8));
      },
    ],
  ])('%s, and the connection goes on', async (_name, act) => {
    const { connect, backend } = await waiting();
    const client = await connect();
    whole(client);
    await backend.received(1);
    act(client);
    client.writer.ping(Buffer.alloc(8), 0, false);
    client.flush();
    await client.until(() => client.frames.some(({ type }) => type === 'pingAck'));
    expect(client.ended).toBe(false);
    await until(() => backend.open === 0);
  });

  test('GOAWAY with an unknown code (§7) lets what is under way end', async () => {
    const { connect } = await startH2();
    const client = await connect();
    whole(client);
    client.frame(GOAWAY, 0, 0, join(word(0), word(0xff), text('bye')));
    expect(value((await client.result(1)).fields, ':status')).toBe('200');
    await client.gone();
  });

  test('HEAD has a head and no DATA', async () => {
    const { connect } = await startH2((_request, connection) =>
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'),
    );
    const client = await connect();
    const stream = client.request(get('HEAD'));
    const { fields, body } = await client.result(stream);
    expect(value(fields, ':status')).toBe('200');
    expect(body).toHaveLength(0);
  });
});

describe('header blocks that must be taken (RFC 7541)', () => {
  test.each<[string, Uint8Array]>([
    ['a literal with indexing, name from the table', join(octets(0x7a, 1), text('u'))],
    ['a literal with indexing, new name', join(octets(0x40, 1), text('x'), octets(1), text('y'))],
    ['a literal without indexing, name from the table', join(octets(0x0f, 0x2b, 1), text('u'))],
    ['a literal without indexing, new name', join(octets(0, 1), text('x'), octets(1), text('y'))],
    ['a literal never indexed, name from the table', join(octets(0x1f, 0x2b, 1), text('u'))],
    ['a literal never indexed, new name', join(octets(0x10, 1), text('x'), octets(1), text('y'))],
    ['an empty value', join(octets(0, 1), text('x'), octets(0))],
    ['a Huffman-coded value', join(octets(0, 1), text('x'), octets(0x82, 0x3c, 0x7f))],
  ])('%s', async (_name, field) => {
    const { connect } = await startH2();
    const client = await connect();
    client.frame(HEADERS, WHOLE, 1, join(block(), field));
    expect(value((await client.result(1)).fields, ':status')).toBe('200');
  });

  test('a size update, and several, at the beginning of a block', async () => {
    const { connect } = await startH2();
    const client = await connect();
    client.frame(HEADERS, WHOLE, 1, join(octets(0x20), block()));
    client.frame(HEADERS, WHOLE, 3, join(octets(0x20, 0x3f, 0xe1, 0x1f), block()));
    for (const stream of [1, 3]) expect(value((await client.result(stream)).fields, ':status')).toBe('200');
  });

  test('what was indexed is found again, until the table is emptied', async () => {
    const { connect, backend } = await startH2();
    const client = await connect();
    client.frame(HEADERS, WHOLE, 1, join(block(), octets(0x40, 1), text('x'), octets(1), text('y')));
    client.frame(HEADERS, WHOLE, 3, join(block(), octets(0xbe)));
    await client.result(3);
    expect(backend.text.match(/^x: y\r$/gm)).toHaveLength(2);
    client.frame(HEADERS, WHOLE, 5, join(octets(0x20, 0x3f, 0xe1, 0x1f), block(), octets(0xbe)));
    expect(await client.goaway()).toBe(ErrorCode.COMPRESSION_ERROR);
  });
});

describe('flow control (RFC 9113 §6.9)', () => {
  const body = 'body of five words here';
  const answering = (): Promise<H2Pair> =>
    startH2((_request, connection) =>
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    );

  test('a window of 1 octet gets one, and each further one another', async () => {
    const { connect } = await answering();
    const client = await connect([SettingId.INITIAL_WINDOW_SIZE, 1]);
    client.generous = false;
    whole(client);
    for (let i = 1; i <= body.length; i++) {
      await client.until(() => client.of(1).body.length === i);
      await turns(2);
      expect(client.of(1).body.toString()).toBe(body.slice(0, i));
      client.frame(WINDOW_UPDATE, 0, 1, word(1));
    }
    expect(client.of(1).ended).toBe(true);
  });

  test('the last of several values in one SETTINGS counts (§6.5.3)', async () => {
    const { connect } = await answering();
    const client = await connect([SettingId.INITIAL_WINDOW_SIZE, 100, SettingId.INITIAL_WINDOW_SIZE, 1]);
    client.generous = false;
    whole(client);
    await client.until(() => client.of(1).body.length > 0);
    await turns(5);
    expect(client.of(1).body).toHaveLength(1);
  });

  test('a window that settings made negative must be filled up first (§6.9.2)', async () => {
    const { connect } = await answering();
    const client = await connect([SettingId.INITIAL_WINDOW_SIZE, 3]);
    client.generous = false;
    whole(client);
    await client.until(() => client.of(1).body.length === 3);
    client.writer.settings([SettingId.INITIAL_WINDOW_SIZE, 2]);
    client.writer.windowUpdate(1, 1);
    client.flush();
    await turns(10);
    expect(client.of(1).body).toHaveLength(3);
    client.frame(WINDOW_UPDATE, 0, 1, word(1));
    await client.until(() => client.of(1).body.length === 4);
  });

  test('a response without content needs no window', async () => {
    const { connect } = await startH2((_request, connection) =>
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
    );
    const client = await connect([SettingId.INITIAL_WINDOW_SIZE, 0]);
    whole(client);
    expect((await client.result(1)).ended).toBe(true);
  });
});
