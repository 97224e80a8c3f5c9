import { ErrorCode, FrameType, SettingId } from '@rp/parser';
import { expect, test } from 'vitest';
import { get, value, type H2Client } from './support/h2-client.ts';
import { startH2 } from './support/h2-proxy.ts';
import { turns, until } from './support/wait.ts';

/** Rounds of a flood; each is one write. */
const ROUNDS = 300;

const floods: [string, (client: H2Client, round: number) => void][] = [
  [
    'rapid reset (CVE-2023-44487)',
    (client) => {
      for (let i = 0; i < 20; i++) client.writer.rstStream(client.request(), ErrorCode.CANCEL);
    },
  ],
  [
    'streams that make us reset them (CVE-2025-8671)',
    (client) => {
      for (let i = 0; i < 20; i++)
        client.writer.windowUpdate(client.request(get('POST'), false), 2 ** 31 - 1);
    },
  ],
  ['SETTINGS', (client) => client.writer.settings([4, 65_535])],
  ['PING', (client) => Array.from({ length: 20 }, () => client.writer.ping(Buffer.alloc(8), 0, false))],
  [
    'empty DATA',
    (client, round) => {
      if (round === 0) client.request(get('POST'), false);
      for (let i = 0; i < 20; i++) client.frame(FrameType.DATA, 0, 1);
    },
  ],
  [
    'PRIORITY',
    (client) =>
      Array.from({ length: 20 }, () => client.frame(FrameType.PRIORITY, 0, 1, Buffer.from([0, 0, 0, 3, 1]))),
  ],
  ['unknown frames', (client) => Array.from({ length: 20 }, () => client.frame(0xbe, 0, 0))],
  ['WINDOW_UPDATE', (client) => Array.from({ length: 20 }, () => client.writer.windowUpdate(0, 1))],
  [
    'CONTINUATION (CVE-2024-27316)',
    (client, round) =>
      client.frame(round === 0 ? FrameType.HEADERS : FrameType.CONTINUATION, 0, 1, Buffer.alloc(100, 0x82)),
  ],
  [
    'a header block that never ends',
    (client, round) =>
      client.frame(
        round === 0 ? FrameType.HEADERS : FrameType.CONTINUATION,
        0,
        1,
        Buffer.alloc(16_000, 0x82),
      ),
  ],
];

test.each(floods)(
  'a flood of %s ends the connection with ENHANCE_YOUR_CALM; others are served',
  async (_, act) => {
    const { connect, proxy } = await startH2({
      onHead: (head, connection) =>
        void (
          head.start.includes('/fine') &&
          connection.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
        ),
    });
    const [good, bad] = [await connect(), await connect()];
    for (let round = 0; round < ROUNDS && !bad.frames.some(({ type }) => type === 'goaway'); round++) {
      act(bad, round);
      bad.flush();
      await turns(1);
    }
    expect(await bad.goaway()).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(value((await good.result(good.request(get('GET', '/fine')))).fields, ':status')).toBe('200');
    bad.destroy();
    await until(() => proxy.engine.connections === 2 || proxy.engine.connections === 1);
    // Nothing of the flood's streams is left.
    await until(() => proxy.count('requestsNow') === 0);
  },
);

test('windows that open octet by octet (CVE-2019-9511) end the connection; small messages do not', async () => {
  const { connect } = await startH2((request, connection) => {
    connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    if (request.start.includes('/whole')) return void connection.write(`4e20\r\n${'x'.repeat(20_000)}\r\n`);
    let left = 1_500;
    const one = (): void => {
      if (left-- > 0) connection.write('1\r\nx\r\n');
      if (left > 0) setImmediate(one);
      else connection.write('0\r\n\r\n');
    };
    return one();
  });
  const [good, bad] = [await connect(), await connect([SettingId.INITIAL_WINDOW_SIZE, 0])];
  good.generous = false;
  const messages = good.request(get('GET', '/messages'));
  for (let i = 0; i < 1_500 && !good.of(messages).ended; i++) {
    await good.until(() => good.of(messages).body.length > i || good.of(messages).ended);
    good.writer.windowUpdate(messages, 1);
    good.writer.windowUpdate(0, 1);
    good.flush();
  }
  expect((await good.result(messages)).body).toHaveLength(1_500);
  const whole = bad.request(get('GET', '/whole'));
  for (let i = 0; i < 3_000 && !bad.frames.some(({ type }) => type === 'goaway'); i++) {
    bad.writer.windowUpdate(whole, 1);
    bad.flush();
    if (i % 20 === 0) await turns(1);
  }
  expect(await bad.goaway()).toBe(ErrorCode.ENHANCE_YOUR_CALM);
  expect(bad.of(whole).body.length).toBeLessThan(2_100);
});

test('resets within one read do not free slots within that read: the backend gets no more than 128 requests', async () => {
  const { connect, proxy } = await startH2({ onHead: () => {} }, { pool: { maxConnections: 256 } });
  const client = await connect();
  for (let i = 0; i < 190; i++) {
    client.writer.headers(1 + 2 * i, get(), true);
    client.writer.rstStream(1 + 2 * i, ErrorCode.CANCEL);
  }
  client.flush();
  await until(() => proxy.count('requests') > 0);
  await turns(10);
  expect(proxy.count('requests')).toBeLessThanOrEqual(128);
});

test('a header bomb is answered with 431, and the connection goes on', async () => {
  const { connect, backend } = await startH2();
  const client = await connect();
  // One large entry in the table, then references to it, one octet each.
  client.writer.headers(1, [...get(), 'x-bomb', 'b'.repeat(1500)], true);
  client.flush();
  await client.result(1);
  const reference = 0x80 | 62;
  client.frame(
    FrameType.HEADERS,
    5,
    3,
    Buffer.concat([Buffer.from([0x82, 0x86, 0x84]), Buffer.alloc(10_000, reference)]),
  );
  expect(value((await client.result(3)).fields, ':status')).toBe('431');
  client.writer.headers(5, get(), true);
  client.flush();
  expect(value((await client.result(5)).fields, ':status')).toBe('200');
  expect(backend.requests).toHaveLength(2);
});

test('a client that sends but does not read is not read on, and ends after the write timeout', async () => {
  const { proxy, connect } = await startH2((_, connection) =>
    connection.write(`HTTP/1.1 200 OK\r\nX-Large: ${'x'.repeat(20_000)}\r\nContent-Length: 0\r\n\r\n`),
  );
  const client = await connect();
  client.socket.pause();
  for (let i = 0; i < 3000; i++) {
    client.request();
    await turns(1);
  }
  await turns(50);
  // One mebibyte here, and some more in the kernel; 3000 responses would be sixty.
  expect(proxy.count('requests')).toBeLessThan(1500);
  await proxy.advance(61_000);
  await until(() => proxy.engine.connections === 0);
});
