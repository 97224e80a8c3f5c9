import { ErrorCode, MAX_STREAM_ID } from '@rp/parser';
import { describe, expect, test } from 'vitest';
import { ok, type BackendSocket } from './support/backend.ts';
import { RawClient, status } from './support/client.ts';
import { get, value } from './support/h2-client.ts';
import { startH2 } from './support/h2-proxy.ts';
import { turns, until } from './support/wait.ts';

describe('shutting down (RFC 9113 §6.8)', () => {
  test('two GOAWAYs: streams under way between them are served, later ones ignored, then the connection ends', async () => {
    const waiting: BackendSocket[] = [];
    const { connect, proxy } = await startH2((_, connection) => void waiting.push(connection));
    const client = await connect();
    const first = client.request();
    await until(() => waiting.length === 1);
    const drained = proxy.engine.drain(60_000);
    await client.until(() => client.frames.some(({ type }) => type === 'goaway'));
    expect(client.frames.find(({ type }) => type === 'goaway')).toMatchObject({
      last: MAX_STREAM_ID,
      code: ErrorCode.NO_ERROR,
    });
    const second = client.request(get('GET', '/second'));
    await until(() => waiting.length === 2);
    await proxy.advance(600);
    await client.until(() => client.frames.filter(({ type }) => type === 'goaway').length === 2);
    expect(client.frames.findLast(({ type }) => type === 'goaway')?.last).toBe(second);
    const third = client.request(get('GET', '/third'));
    await turns(20);
    expect(waiting).toHaveLength(2);
    for (const connection of waiting) connection.write(ok());
    expect(value((await client.result(first)).fields, ':status')).toBe('200');
    expect(value((await client.result(second)).fields, ':status')).toBe('200');
    await client.gone();
    client.destroy();
    expect(await drained).toBe(0);
    expect(client.of(third).fields).toEqual([]);
  });

  test('an idle connection ends with GOAWAY', async () => {
    const { connect, proxy } = await startH2();
    const client = await connect();
    await client.result(client.request());
    const drained = proxy.engine.drain(60_000);
    await turns();
    await proxy.advance(600);
    expect(await client.goaway()).toBe(ErrorCode.NO_ERROR);
    await client.gone();
    client.destroy();
    expect(await drained).toBe(0);
  });

  test('a client’s GOAWAY ends the connection with its last stream', async () => {
    const { connect } = await startH2();
    const client = await connect();
    const stream = client.request();
    client.writer.goaway(0, ErrorCode.NO_ERROR);
    client.flush();
    expect(value((await client.result(stream)).fields, ':status')).toBe('200');
    await client.gone();
  });
});

describe('timeouts', () => {
  test('a connection without streams ends after the idle timeout, however often it pings', async () => {
    const { connect, proxy } = await startH2();
    const client = await connect();
    await client.result(client.request());
    await turns(5);
    await proxy.advance(40_000);
    client.writer.ping(Buffer.alloc(8), 0, false);
    client.flush();
    await client.until(() => client.frames.some(({ type }) => type === 'pingAck'));
    expect(client.ended).toBe(false);
    await proxy.advance(21_000);
    expect(await client.goaway()).toBe(ErrorCode.NO_ERROR);
  });

  test('a stream under way keeps the connection beyond it', async () => {
    const { connect, proxy } = await startH2({ onHead: () => {} }, { timeouts: { response: 1_000_000 } });
    const client = await connect();
    client.request();
    await until(() => proxy.count('requestsNow') === 1);
    await proxy.advance(200_000);
    expect(client.frames.some(({ type }) => type === 'goaway')).toBe(false);
  });

  test('slow body: 408 for the stream, the connection goes on', async () => {
    const { connect, proxy, backend } = await startH2({ onHead: () => {} });
    const client = await connect();
    const stream = client.request(get('POST'), false);
    client.data(stream, 'x');
    await until(() => backend.text.includes('x\r\n'));
    await proxy.advance(30_100);
    expect(value((await client.result(stream)).fields, ':status')).toBe('408');
    expect(client.ended).toBe(false);
  });

  test('a body that makes progress may take as long as it likes', async () => {
    const { connect, proxy } = await startH2();
    const client = await connect();
    const stream = client.request(get('POST'), false);
    for (let i = 0; i < 10; i++) {
      client.data(stream, 'y'.repeat(100));
      await turns();
      await proxy.advance(20_000);
    }
    client.data(stream, '', true);
    expect(value((await client.result(stream)).fields, ':status')).toBe('200');
  });

  test('slow read: a stream that gets no window is reset after the write timeout', async () => {
    const { connect, proxy, backend } = await startH2((_, connection) =>
      connection.write(ok(Buffer.alloc(500_000))),
    );
    const client = await connect();
    client.generous = false;
    const stream = client.request();
    await client.until(() => client.of(stream).body.length === 65_535);
    await proxy.advance(30_100);
    expect((await client.result(stream)).reset).toBe(ErrorCode.CANCEL);
    expect(proxy.count('failure.CLIENT_STALLED')).toBe(1);
    await until(() => backend.open === 0);
  });

  test('slowloris: a frame that does not get complete ends the connection', async () => {
    const { connect, proxy } = await startH2();
    const client = await connect();
    client.frame(1, 4, 1, Buffer.alloc(10, 0x82), 100);
    await turns(5);
    for (let i = 0; i < 4; i++) {
      client.socket.write(Buffer.alloc(1, 0x82));
      await proxy.advance(3_000);
    }
    expect(await client.goaway()).toBe(ErrorCode.ENHANCE_YOUR_CALM);
  });
});

describe('prior knowledge (RFC 9113 §3.3)', () => {
  test('HTTP/1 is served on the same port, with keep-alive', async () => {
    const { port } = await startH2();
    const client = await RawClient.connect(port);
    client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(status(await client.response())).toBe(200);
    client.write('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    expect((await client.responses(2)).length).toBe(2);
    client.destroy();
  });

  test('“PR” and nothing more is closed after the header timeout', async () => {
    const { port, proxy } = await startH2();
    const client = await RawClient.connect(port);
    client.write('PR');
    await until(() => proxy.engine.connections === 1);
    await turns(5);
    await proxy.advance(10_100);
    await client.gone();
    await until(() => proxy.engine.connections === 0);
    expect(client.text).toBe('');
  });

  test('a method that begins like the preface is HTTP/1', async () => {
    const { port, backend } = await startH2();
    const client = await RawClient.connect(port);
    client.write('PR');
    await turns(5);
    client.write('OPFIND /x HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(status(await client.response())).toBe(200);
    expect(backend.requests[0]!.start).toBe('PROPFIND /x HTTP/1.1');
    client.destroy();
  });

  test('without h2c the preface is refused', async () => {
    const { proxy } = await startH2();
    const client = await RawClient.connect(proxy.port);
    client.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await client.gone();
    expect(client.text).toMatch(/^HTTP\/1\.1 (400|505) /);
    client.destroy();
  });

  test('an upgrade to h2c is not taken up, and not passed on', async () => {
    const { port, backend } = await startH2();
    const client = await RawClient.connect(port);
    client.write(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n',
    );
    expect(status(await client.response())).toBe(200);
    expect(backend.text).not.toMatch(/h2c|http2-settings/i);
    client.destroy();
  });
});

test('nothing is left over: streams, timers and counts after a thousand requests', async () => {
  const { connect, proxy } = await startH2();
  const client = await connect();
  for (let i = 0; i < 50; i++) {
    const streams = Array.from({ length: 20 }, () => client.request());
    for (const stream of streams) await client.result(stream);
  }
  expect(proxy.count('http2Streams')).toBe(1000);
  expect(proxy.count('requestsNow')).toBe(0);
  client.destroy();
  await proxy.quiet();
  expect(proxy.count('connectionsNow')).toBe(0);
});

test('sessions and streams are counted while they last, each session in one state', async () => {
  const { backend, proxy, connect } = await startH2(() => {});
  const gauges = (): (string | number)[] =>
    Object.entries(proxy.engine.counters.snapshot())
      .filter(([name, count]) => /^(?:state\..*|http2.*)Now$/.test(name) && count !== 0)
      .flat();
  const client = await connect();
  const idle = ['http2ConnectionsNow', 1, 'state.idleNow', 1];
  expect(gauges()).toEqual(idle);
  const first = client.request();
  client.request();
  await backend.received(2);
  const busy = ['http2ConnectionsNow', 1, 'http2StreamsNow', 2, 'state.multiplexingNow', 1];
  expect(gauges()).toEqual(busy);
  client.writer.rstStream(first, ErrorCode.CANCEL);
  client.writer.rstStream(first + 2, ErrorCode.CANCEL);
  client.flush();
  await until(() => proxy.count('http2StreamsNow') === 0);
  expect(gauges()).toEqual(idle);
  client.request();
  await backend.received(3);
  client.destroy();
  await until(() => gauges().length === 0);
});
