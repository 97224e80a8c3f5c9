import { describe, expect, it } from 'vitest';
import type { AccessLog } from '@rp/core';
import { exchange, RawClient } from './support/client.ts';
import { get, value } from './support/h2-client.ts';
import { startH2 } from './support/h2-proxy.ts';
import { field, readResponses } from './support/message.ts';
import { startPair } from './support/proxy.ts';
import { until } from './support/wait.ts';

interface Line {
  readonly client: string;
  readonly request: readonly string[];
  readonly status: number;
  readonly code: string | undefined;
  readonly bytesOut: number;
  readonly duration: number;
  readonly requestId: string;
}

/** Keeps what an access log would write: the exchange is used again. */
class Lines implements AccessLog {
  readonly lines: Line[] = [];
  now = (): number => 0;

  log(ended: Parameters<AccessLog['log']>[0]): void {
    const { request, status, failure, bytesOut, requestId } = ended;
    this.lines.push({
      client: ended.clientAddress,
      request: [request.method, request.target, ended.downstream.version],
      status,
      code: failure?.code,
      bytesOut,
      duration: this.now() - ended.startedAt,
      requestId,
    });
  }
}

const fields = 'Host: a\r\nAuthorization: secret\r\n';
const long = 'x'.repeat(9_000);

/** What came → what the log says of it. */
const refused: readonly (readonly [string, string, readonly string[], number])[] = [
  ['a bad field', `GET /a HTTP/1.1\r\n${fields}X : 1\r\n\r\n`, ['GET', '/a', 'HTTP/1.1'], 400],
  ['an unknown version', `GET /a HTTP/2.7\r\n${fields}\r\n`, ['GET', '/a', 'HTTP/2.7'], 505],
  ['HTTP/0.9', `GET /a\r\n${fields}\r\n`, ['GET', '/a', ''], 400],
  ['an unknown method', `BREW /a HTTP/1.1\r\nX : 1\r\n\r\n`, ['BREW', '/a', 'HTTP/1.1'], 400],
  [
    'a method without end',
    `${'B'.repeat(65)} /a HTTP/1.1\r\n${fields}\r\n`,
    ['', `${'B'.repeat(65)} /a`, 'HTTP/1.1'],
    501,
  ],
  ['a method that is none', `G<T /a HTTP/1.1\r\n${fields}\r\n`, ['', 'G<T /a', 'HTTP/1.1'], 400],
  ['a target with spaces', `GET /a b HTTP/1.1\r\n${fields}\r\n`, ['GET', '/a b', 'HTTP/1.1'], 400],
  [
    'a target too long',
    `GET /${long} HTTP/1.1\r\n${fields}\r\n`,
    ['GET', `/${long.slice(0, 1_019)}`, ''],
    414,
  ],
  ['too many fields', `GET /a HTTP/1.0\r\n${'X: 1\r\n'.repeat(101)}\r\n`, ['GET', '/a', 'HTTP/1.0'], 431],
  ['an expectation', `GET /a HTTP/1.1\r\n${fields}Expect: x\r\n\r\n`, ['GET', '/a', 'HTTP/1.1'], 417],
  ['TLS', '\x16\x03\x01\x02\x00\x01', ['', '\x16\x03\x01\x02\x00\x01', ''], 400],
  ['too many empty lines', '\r\n\r\n\r\nGET /a HTTP/1.1\r\n', ['GET', '/a', 'HTTP/1.1'], 400],
  ['a bare line feed', `GET /a HTTP/1.1\n${fields}\r\n`, ['GET', '/a', 'HTTP/1.1'], 400],
];

describe('a request that is refused before it is one', () => {
  it.each(refused)(
    '%s: is in the access log, as far as it is known',
    async (_name, bytes, request, status) => {
      const accessLog = new Lines();
      const { proxy } = await startPair({}, { accessLog });
      const client = await exchange(proxy.port, bytes);
      const [response] = readResponses(client.bytes);
      expect(accessLog.lines).toEqual([
        {
          client: '127.0.0.1',
          request,
          status,
          code: expect.any(String),
          bytesOut: response!.body.length,
          duration: 0 - proxy.engine.runtime.now,
          requestId: field(response!, 'x-request-id'),
        },
      ]);
      expect(JSON.stringify(accessLog.lines)).not.toContain('secret');
      expect([proxy.count('requests'), proxy.count('requestsNow')]).toEqual([1, 0]);
      expect(proxy.count(`status${Math.floor(status / 100)}xx`)).toBe(1);
    },
  );

  it('comes in pieces: its first line is in the access log all the same', async () => {
    const accessLog = new Lines();
    const { proxy } = await startPair({}, { accessLog });
    const client = await RawClient.connect(proxy.port);
    for (const byte of `GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nBad : 1\r\n\r\n`)
      client.write(byte);
    await client.gone();
    client.destroy();
    expect(accessLog.lines.map((line) => line.request)).toEqual([
      ['GET', '/first', 'HTTP/1.1'],
      ['GET', '/second', 'HTTP/1.1'],
    ]);
  });

  it('comes by HTTP/2: is in the access log too', async () => {
    const accessLog = new Lines();
    const { connect } = await startH2({}, { accessLog });
    const client = await connect();
    const result = await client.result(client.request(get('HEAD', '/a', 'expect', 'x')));
    expect(value(result.fields, ':status')).toBe('417');
    expect(accessLog.lines).toMatchObject([
      {
        client: '127.0.0.1',
        request: ['HEAD', '/a', 'HTTP/2.0'],
        status: 417,
        bytesOut: 0,
        requestId: value(result.fields, 'x-request-id'),
      },
    ]);
  });

  it('never ends: the log says how long it took', async () => {
    const accessLog = new Lines();
    const { proxy } = await startPair({}, { accessLog, timeouts: { header: 1_000 } });
    accessLog.now = () => proxy.engine.runtime.now;
    const client = await RawClient.connect(proxy.port);
    client.write('GET /slow HTTP/1.1\r\nHost: a\r\nX: ');
    await until(() => proxy.count('state.readingRequestNow') === 1);
    await proxy.advance(1_100);
    await client.gone();
    client.destroy();
    expect(accessLog.lines).toMatchObject([
      { request: ['GET', '/slow', 'HTTP/1.1'], status: 408, code: 'REQUEST_TIMEOUT', duration: 1_000 },
    ]);
  });
});
