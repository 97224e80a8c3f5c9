import { ErrorCode, FrameType, SettingId } from '@rp/parser';
import { describe, expect, test } from 'vitest';
import { H2Client, get, setting, value } from './support/h2-client.ts';
import { startH2 } from './support/h2-proxy.ts';
import { until } from './support/wait.ts';

const octets = (...values: number[]): Uint8Array => Uint8Array.from(values);
const word = (value: number): Uint8Array => octets(value >>> 24, value >>> 16, value >>> 8, value);

describe('the beginning of a connection (RFC 9113 §3.4)', () => {
  test('the server says SETTINGS with its limits first, and acknowledges the client’s', async () => {
    const { connect } = await startH2();
    const client = await connect();
    await client.until(() => client.frames.some(({ type }) => type === 'settingsAck'));
    const [first] = client.frames;
    expect(first?.type).toBe('settings');
    expect(setting(first!.bytes!, SettingId.MAX_CONCURRENT_STREAMS)).toBe(128);
    expect(setting(first!.bytes!, SettingId.MAX_HEADER_LIST_SIZE)).toBe(32_768);
    expect(setting(first!.bytes!, SettingId.ENABLE_CONNECT_PROTOCOL)).toBe(1);
  });

  test('the preface may come byte by byte', async () => {
    const { port } = await startH2();
    const client = await H2Client.bare(port);
    client.socket.setNoDelay(true);
    for (const byte of Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')) {
      client.socket.write(octets(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.writer.settings([]);
    const stream = client.request();
    expect(value((await client.result(stream)).fields, ':status')).toBe('200');
    client.destroy();
  });

  test('something else than SETTINGS after the preface is a PROTOCOL_ERROR', async () => {
    const { port } = await startH2();
    const client = await H2Client.bare(port);
    client.writer.preface();
    client.writer.ping(Buffer.alloc(8), 0, false);
    client.flush();
    expect(await client.goaway()).toBe(ErrorCode.PROTOCOL_ERROR);
    await client.gone();
  });

  test('a client that says no SETTINGS is sent away after the header timeout', async () => {
    const { port, proxy } = await startH2();
    const client = await H2Client.bare(port);
    client.writer.preface();
    client.flush();
    await until(() => proxy.count('http2Connections') === 1);
    await proxy.advance(10_100);
    expect(await client.goaway()).toBe(ErrorCode.PROTOCOL_ERROR);
  });

  test('SETTINGS that are never acknowledged are a SETTINGS_TIMEOUT (§6.5.3)', async () => {
    const { port, proxy } = await startH2();
    const client = await H2Client.bare(port);
    client.greet();
    await client.until(() => client.frames.some(({ type }) => type === 'settingsAck'));
    await proxy.advance(10_100);
    expect(await client.goaway()).toBe(ErrorCode.SETTINGS_TIMEOUT);
  });
});

describe('frames (RFC 9113 §4, §6)', () => {
  test('PING is answered with its octets', async () => {
    const { connect } = await startH2();
    const client = await connect();
    client.writer.ping(Buffer.from('12345678'), 0, false);
    client.flush();
    await client.until(() => client.frames.some(({ type }) => type === 'pingAck'));
    expect(client.frames.find(({ type }) => type === 'pingAck')?.bytes?.toString()).toBe('12345678');
  });

  test('frames of unknown types are ignored', async () => {
    const { connect } = await startH2();
    const client = await connect();
    client.frame(0xee, 0xff, 0, octets(1, 2, 3));
    client.frame(0xee, 0xff, 77, octets(1, 2, 3));
    const stream = client.request();
    expect(value((await client.result(stream)).fields, ':status')).toBe('200');
  });

  const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, STREAM_CLOSED, FLOW_CONTROL_ERROR, COMPRESSION_ERROR } =
    ErrorCode;
  test.each<[string, number, (client: H2Client) => void]>([
    ['DATA on stream 0', PROTOCOL_ERROR, (c) => c.frame(FrameType.DATA, 0, 0, octets(1))],
    ['HEADERS on stream 0', PROTOCOL_ERROR, (c) => c.frame(FrameType.HEADERS, 5, 0, octets(0x82))],
    ['DATA on an idle stream', PROTOCOL_ERROR, (c) => c.frame(FrameType.DATA, 0, 1, octets(1))],
    ['RST_STREAM on an idle stream', PROTOCOL_ERROR, (c) => c.frame(FrameType.RST_STREAM, 0, 1, word(8))],
    [
      'WINDOW_UPDATE on an idle stream',
      PROTOCOL_ERROR,
      (c) => c.frame(FrameType.WINDOW_UPDATE, 0, 1, word(1)),
    ],
    ['HEADERS on an even stream', PROTOCOL_ERROR, (c) => c.writer.headers(2, get(), true)],
    ['PUSH_PROMISE from a client', PROTOCOL_ERROR, (c) => c.frame(FrameType.PUSH_PROMISE, 4, 1, word(2))],
    ['SETTINGS on a stream', PROTOCOL_ERROR, (c) => c.frame(FrameType.SETTINGS, 0, 1)],
    ['SETTINGS of a wrong size', FRAME_SIZE_ERROR, (c) => c.frame(FrameType.SETTINGS, 0, 0, octets(0, 1, 0))],
    [
      'an acknowledgement with payload',
      FRAME_SIZE_ERROR,
      (c) => c.frame(FrameType.SETTINGS, 1, 0, octets(0, 1, 0, 0, 0, 0)),
    ],
    ['ENABLE_PUSH 2', PROTOCOL_ERROR, (c) => c.writer.settings([SettingId.ENABLE_PUSH, 2])],
    [
      'INITIAL_WINDOW_SIZE over 2^31-1',
      FLOW_CONTROL_ERROR,
      (c) => c.writer.settings([SettingId.INITIAL_WINDOW_SIZE, 2 ** 31]),
    ],
    [
      'MAX_FRAME_SIZE too small',
      PROTOCOL_ERROR,
      (c) => c.writer.settings([SettingId.MAX_FRAME_SIZE, 16_383]),
    ],
    ['PING on a stream', PROTOCOL_ERROR, (c) => c.frame(FrameType.PING, 0, 1, new Uint8Array(8))],
    ['PING of a wrong size', FRAME_SIZE_ERROR, (c) => c.frame(FrameType.PING, 0, 0, new Uint8Array(7))],
    ['GOAWAY on a stream', PROTOCOL_ERROR, (c) => c.frame(FrameType.GOAWAY, 0, 1, new Uint8Array(8))],
    ['a window increment of 0', PROTOCOL_ERROR, (c) => c.frame(FrameType.WINDOW_UPDATE, 0, 0, word(0))],
    ['a connection window over 2^31-1', FLOW_CONTROL_ERROR, (c) => c.writer.windowUpdate(0, 2 ** 31 - 1)],
    ['a frame larger than allowed', FRAME_SIZE_ERROR, (c) => c.frame(0xee, 0, 0, octets(1), 16_385)],
    [
      'CONTINUATION without HEADERS',
      PROTOCOL_ERROR,
      (c) => c.frame(FrameType.CONTINUATION, 4, 1, octets(0x82)),
    ],
    [
      'a header block that is no HPACK',
      COMPRESSION_ERROR,
      (c) => c.frame(FrameType.HEADERS, 5, 1, octets(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
    ],
    [
      'padding longer than the frame',
      PROTOCOL_ERROR,
      (c) => c.frame(FrameType.HEADERS, 0x0d, 1, octets(9, 0x82)),
    ],
    [
      'a frame between HEADERS and CONTINUATION',
      PROTOCOL_ERROR,
      (c) => {
        c.frame(FrameType.HEADERS, 1, 1, octets(0x82));
        c.writer.ping(Buffer.alloc(8), 0, false);
      },
    ],
    [
      'HEADERS on a stream that both sides have closed',
      STREAM_CLOSED,
      (c) => {
        c.writer.headers(1, get(), true);
        c.flush();
        void c.result(1).then(() => {
          c.writer.headers(1, get(), true);
          c.flush();
        });
      },
    ],
    [
      'a stream number that went backwards',
      PROTOCOL_ERROR,
      (c) => {
        c.writer.headers(1001, get(), true);
        c.writer.headers(3, get(), true);
      },
    ],
  ])('%s ends the connection with the right code', async (_, code, act) => {
    const { connect } = await startH2();
    const client = await connect();
    act(client);
    client.flush();
    // A number below the last one is a closed stream that nobody remembers: either code of §5.1.1 will do.
    expect([code, ...(_ === 'a stream number that went backwards' ? [STREAM_CLOSED] : [])]).toContain(
      await client.goaway(),
    );
    await client.gone();
  });

  test('others go on when one connection is ended', async () => {
    const { connect } = await startH2();
    const [good, bad] = [await connect(), await connect()];
    bad.frame(FrameType.DATA, 0, 0, octets(1));
    await bad.gone();
    expect(value((await good.result(good.request())).fields, ':status')).toBe('200');
  });
});

describe('streams (RFC 9113 §5.1)', () => {
  test('a second head on an open stream is malformed: PROTOCOL_ERROR, and the backend’s work ends', async () => {
    const { connect, backend } = await startH2({ onHead: () => {} });
    const client = await connect();
    const stream = client.request(get('POST'), false);
    await until(() => backend.connections.some(({ text }) => text.includes('POST')));
    client.writer.headers(stream, get(), false);
    client.flush();
    expect((await client.result(stream)).reset).toBe(ErrorCode.PROTOCOL_ERROR);
    await until(() => backend.open === 0);
  });

  test('DATA after END_STREAM is STREAM_CLOSED, for the stream alone', async () => {
    const { connect } = await startH2({ onHead: () => {} });
    const client = await connect();
    const stream = client.request(get(), true);
    client.data(stream, 'x', false);
    expect((await client.result(stream)).reset).toBe(ErrorCode.STREAM_CLOSED);
    expect(client.ended).toBe(false);
  });

  test('frames on a stream that we reset are ignored', async () => {
    const { connect } = await startH2();
    const client = await connect();
    const bad = client.request([...get('POST'), 'connection', 'close'], false);
    expect((await client.result(bad)).reset).toBe(ErrorCode.PROTOCOL_ERROR);
    client.data(bad, 'late', true);
    client.writer.windowUpdate(bad, 10);
    client.writer.rstStream(bad, 8);
    expect(value((await client.result(client.request())).fields, ':status')).toBe('200');
  });

  test('more streams than allowed are refused so that they can be tried again', async () => {
    const { connect, proxy } = await startH2({ onHead: () => {} }, { pool: { maxConnections: 256 } });
    const client = await connect();
    const streams = Array.from({ length: 130 }, () => client.request());
    expect((await client.result(streams[128]!)).reset).toBe(ErrorCode.REFUSED_STREAM);
    expect((await client.result(streams[129]!)).reset).toBe(ErrorCode.REFUSED_STREAM);
    expect(proxy.count('requestsNow')).toBe(128);
  });

  test('a stream that depends on itself is reset', async () => {
    const { connect } = await startH2();
    const client = await connect();
    client.frame(FrameType.PRIORITY, 0, 1, octets(0, 0, 0, 1, 5));
    expect(await client.goaway()).toBe(ErrorCode.PROTOCOL_ERROR);
  });
});
