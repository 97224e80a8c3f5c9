import { describe, expect, it } from 'vitest';
import { ask, exchange, RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import { startPair } from './support/proxy.ts';
import { until } from './support/wait.ts';

/** Bytes of a request at the limit and one over it. */
interface Case {
  readonly at: string;
  readonly over: string;
  readonly status: number;
}

const line = (length: number): string => {
  const rest = 'GET / HTTP/1.1'.length;
  return `GET /${'x'.repeat(length - rest)} HTTP/1.1\r\nHost: a\r\n\r\n`;
};
const fields = (bytes: number): string => {
  const rest = 'Host: a\r\nX: \r\n'.length;
  return `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(bytes - rest)}\r\n\r\n`;
};
const count = (number: number): string => `GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(number - 1)}\r\n`;
const length = (bytes: number): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
const chunked = (bytes: number): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(bytes)}0\r\n\r\n`;

const cases: Record<string, Case> = {
  'request line': { at: line(200), over: line(201), status: 414 },
  'bytes of all fields': { at: fields(1000), over: fields(1001), status: 431 },
  'number of fields': { at: count(20), over: count(21), status: 431 },
  'body with a length': { at: length(50), over: length(51), status: 413 },
  'body in chunks': { at: chunked(50), over: chunked(51), status: 413 },
};
const limits = { requestLine: 200, headers: 1000, headerCount: 20, body: 50 };

describe('limits of a request', () => {
  it.each(Object.entries(cases))('%s: at the limit passes', async (_name, { at }) => {
    const { proxy } = await startPair({}, { limits });
    expect(status(await ask(proxy.port, at))).toBe(200);
  });

  it.each(Object.entries(cases))(
    '%s: one over is refused and the connection closed',
    async (_name, { over, status: expected }) => {
      const { backend, proxy } = await startPair({}, { limits });
      const client = await exchange(proxy.port, over);
      expect(client.text).toMatch(new RegExp(`^HTTP/1\\.1 ${expected} `));
      expect(client.text).toContain('Connection: close\r\n');
      await proxy.quiet();
      expect(backend.requests).toHaveLength(0);
    },
  );

  it('an endless request line is refused when it is over the limit, not when it ends', async () => {
    const { proxy } = await startPair({}, { limits });
    const client = await RawClient.connect(proxy.port);
    client.write(`GET /${'x'.repeat(300)}`);
    await client.receives('414');
    client.destroy();
  });

  it('an endless body in chunks is refused when it is over the limit', async () => {
    const { backend, proxy } = await startPair({}, { limits });
    const client = await RawClient.connect(proxy.port);
    client.write(chunked(30).slice(0, -5));
    await until(() => backend.text.endsWith('x\r\n'));
    client.write('19\r\n' + 'x'.repeat(25));
    await client.receives('413');
    await until(() => backend.connections[0]!.closed);
    expect(backend.requests).toHaveLength(0);
    client.destroy();
  });
});

describe('limits of connections', () => {
  it('over maxConnections: 503 with Retry-After, closed; those who are there go on', async () => {
    const { proxy } = await startPair({}, { limits: { maxConnections: 2 } });
    const first = await RawClient.connect(proxy.port);
    const second = await RawClient.connect(proxy.port);
    await until(() => proxy.engine.connections === 2);
    const third = await RawClient.connect(proxy.port);
    await third.gone();
    expect(third.text).toMatch(/^HTTP\/1\.1 503 /);
    expect(third.text).toMatch(/Retry-After: \d+\r\n/);
    third.destroy();
    expect(proxy.engine.connections).toBe(2);
    expect(proxy.count('connectionsRefused')).toBe(1);
    first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(status(await first.response())).toBe(200);
    second.destroy();
    await until(() => proxy.engine.connections === 1);
    expect(status(await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'))).toBe(200);
    first.destroy();
  });

  it('per address: others are not concerned', async () => {
    const { proxy } = await startPair({}, { limits: { perAddress: 1 } });
    const first = await RawClient.connect(proxy.port);
    await until(() => proxy.engine.connections === 1);
    const second = await RawClient.connect(proxy.port);
    await second.gone();
    expect(second.text).toMatch(/^HTTP\/1\.1 503 /);
    second.destroy();
    first.destroy();
    await proxy.quiet();
    expect(status(await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'))).toBe(200);
  });

  it('a flood leaves existing clients served', async () => {
    const { proxy } = await startPair({}, { limits: { maxConnections: 10 } });
    const client = await RawClient.connect(proxy.port);
    await until(() => proxy.engine.connections === 1);
    const flood = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(proxy.port)));
    await until(() => proxy.count('connectionsRefused') === 91);
    expect(proxy.engine.connections).toBe(10);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(status(await client.response())).toBe(200);
    for (const one of [...flood, client]) one.destroy();
  });
});

describe('an overloaded process', () => {
  it('sheds requests with 503 and Retry-After', async () => {
    const { backend, proxy } = await startPair();
    proxy.engine.runtime.overloaded = true;
    const response = await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(status(response)).toBe(503);
    expect(field(response, 'retry-after')).toMatch(/^\d+$/);
    expect(backend.connections).toHaveLength(0);
    expect(proxy.count('overloadRefusals')).toBe(1);
  });
});
