import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { failures, type FailureCode } from '../src/failure.ts';
import { ProxyFailure } from '../src/failure.ts';
import { RecordingBackend } from './support/backend.ts';
import { RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import {
  startBackend,
  startProxy,
  type startPair,
  type ProxyOptions,
  type TestProxy,
} from './support/proxy.ts';
import { until } from './support/wait.ts';

type Script = Parameters<typeof startPair>[0];

/** How a client meets a failure. */
interface Meeting {
  /** Request line and fields, without `Accept` and the empty line. */
  readonly request: string;
  readonly body?: string;
  readonly backend?: Script;
  readonly options?: Partial<ProxyOptions>;
  /** What happens besides. */
  readonly then?: (proxy: TestProxy, backend: RecordingBackend) => Promise<void>;
  readonly prepare?: (proxy: TestProxy) => void;
  /** The head cannot be read, so what the client would like is not known. */
  readonly textOnly?: boolean;
}

const get = 'GET / HTTP/1.1\r\nHost: a\r\n';
const silent: Script = { onHead: () => {} };

const meetings: Partial<Record<FailureCode, Meeting>> = {
  BAD_REQUEST: { request: 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n', body: 'zz\r\n' },
  NO_ROUTE: { request: get, options: { routes: [{ host: 'b' }] } },
  METHOD_NOT_ALLOWED: { request: 'TRACE / HTTP/1.1\r\nHost: a\r\n' },
  REQUEST_TIMEOUT: {
    request: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n',
    options: { timeouts: { body: 1000 } },
    then: async (proxy) => {
      await until(() => proxy.count('requests') === 1);
      await proxy.advance(1100);
    },
  },
  BODY_TOO_LARGE: {
    request: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n',
    options: { limits: { body: 4 } },
  },
  TARGET_TOO_LONG: { request: `GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n`, textOnly: true },
  EXPECTATION_FAILED: { request: `${get}Expect: x\r\n`, textOnly: true },
  MISDIRECTED: {
    request: get,
    prepare: (proxy) =>
      void proxy.engine.hooks.requestParsed.on(({ exchange }) =>
        exchange.fail(new ProxyFailure('MISDIRECTED', 'wrong host')),
      ),
  },
  FIELDS_TOO_LARGE: { request: `${get}X: ${'x'.repeat(33_000)}\r\n`, textOnly: true },
  INTERNAL: {
    request: get,
    prepare: (proxy) =>
      void proxy.engine.hooks.requestParsed.on(
        () => {
          throw new Error('secret');
        },
        { onFailure: 'refuse' },
      ),
  },
  NOT_IMPLEMENTED: { request: 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n' },
  BACKEND_REFUSED: { request: get, then: async () => {} },
  BACKEND_CLOSED: { request: get, backend: (_request, connection) => connection.end() },
  BACKEND_INVALID: { request: get, backend: (_request, connection) => connection.write('nonsense\r\n\r\n') },
  BACKEND_TLS: {
    request: get,
    backend: { onConnection: (connection) => connection.write('no TLS here\r\n') },
    options: { protocol: 'https' },
  },
  NO_BACKEND: { request: get },
  POOL_EXHAUSTED: {
    request: get,
    backend: silent,
    options: { pool: { maxConnections: 1, onExhausted: 'fail' } },
  },
  OVERLOADED: { request: get, prepare: (proxy) => void (proxy.engine.runtime.overloaded = true) },
  CONNECT_TIMEOUT: {
    request: get,
    backend: silent,
    options: { protocol: 'https', pool: { connectTimeout: 1000 } },
    then: async (proxy, backend) => {
      await until(() => backend.connections.length === 1);
      await proxy.advance(1100);
    },
  },
  BACKEND_TIMEOUT: {
    request: get,
    backend: silent,
    options: { timeouts: { response: 1000 } },
    then: async (proxy, backend) => {
      await backend.received(1);
      await proxy.advance(1100);
    },
  },
  CACHE_ONLY: {
    request: get,
    prepare: (proxy) =>
      void proxy.engine.hooks.requestParsed.on(({ exchange }) =>
        exchange.fail(new ProxyFailure('CACHE_ONLY', 'not stored')),
      ),
  },
  VERSION_NOT_SUPPORTED: { request: 'GET / HTTP/3.0\r\nHost: a\r\n', textOnly: true },
};

const formats = [
  ['text/plain', /^text\/plain/, (id: string) => `Request ${id}\n`],
  ['text/html,application/xhtml+xml;q=0.9,*/*;q=0.8', /^text\/html/, (id: string) => `Request ${id}</small>`],
  ['application/json', /^application\/json/, (id: string) => `"requestId":"${id}"`],
] as const;

async function meet(
  meeting: Meeting,
  code: FailureCode,
  accept: string,
): Promise<{ text: string; client: RawClient; proxy: TestProxy }> {
  const backend = await startBackend(meeting.backend ?? {});
  const dead = code === 'BACKEND_REFUSED' ? await deadPort() : backend.port;
  const proxy = await startProxy({
    group: { allDown: 'reject' },
    ...meeting.options,
    backends: code === 'NO_BACKEND' ? [] : [dead],
  });
  meeting.prepare?.(proxy);
  if (code === 'POOL_EXHAUSTED') {
    const first = await RawClient.connect(proxy.port);
    first.write(`${get}\r\n`);
    await backend.received(1);
  }
  const client = await RawClient.connect(proxy.port);
  client.write(`${meeting.request}Accept: ${accept}\r\n\r\n${meeting.body ?? ''}`);
  await meeting.then?.(proxy, backend);
  await client.response();
  return { text: client.text, client, proxy };
}

async function deadPort(): Promise<number> {
  const backend = await RecordingBackend.start();
  await backend.close();
  return backend.port;
}

describe('every row of the failure table, from a socket', () => {
  const answered = (Object.keys(failures) as FailureCode[]).filter((code) => failures[code].status !== 0);

  it('is met below', () => {
    expect(Object.keys(meetings).sort()).toEqual([...answered].sort());
  });

  const rows = answered.flatMap((code) => formats.map((format) => [code, ...format] as const));

  it.each(rows)('%s, Accept: %s', async (code, accept, type, shown) => {
    const meeting = meetings[code]!;
    const { text, client, proxy } = await meet(meeting, code, accept);
    const response = await client.response();
    const row = failures[code];
    expect(status(response)).toBe(row.status);
    const id = field(response, 'x-request-id');
    expect(id).toMatch(/^\S{5,}$/);
    expect(field(response, 'cache-control')).toBe('no-store');
    expect(field(response, 'content-length')).toBe(String(response.body.length));
    if (meeting.textOnly !== true) {
      expect(field(response, 'content-type')).toMatch(type);
      expect(response.body.toString()).toContain(shown(id!));
    }
    expect(response.body.toString()).toContain(row.message);
    expect(field(response, 'connection')).toBe(row.close ? 'close' : undefined);
    expect(field(response, 'retry-after') !== undefined).toBe(row.status === 503);
    // Nothing of our insides: addresses, ports, paths, stacks, other people's words.
    expect(text).not.toMatch(
      /127\.0\.0\.1|localhost|secret|node:|\.ts\b|at \w+ \(|ECONN|POOL_(?!EXHAUSTED)|llhttp/,
    );
    expect(proxy.count(`failure.${code}`)).toBe(1);
    client.destroy();
  });
});

describe('failures without an answer', () => {
  it('are those of a client that is gone, or that takes nothing, and of a shutdown', () => {
    const silentCodes = (Object.keys(failures) as FailureCode[]).filter(
      (code) => failures[code].status === 0,
    );
    expect(silentCodes).toEqual(['CLIENT_GONE', 'CLIENT_STALLED', 'DRAINED']);
  });
});

describe('the table in the README', () => {
  it('is the table in the code', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const rows = [
      ...readme.matchAll(
        /^\| `([A-Z_]+)` \| (\d+|—) \| (client|backend|proxy) \| (yes|no|reusedOnly) \| (yes|no) \| (.+?) \|$/gm,
      ),
    ];
    const found = Object.fromEntries(rows.map(([, code, ...rest]) => [code, rest]));
    const wanted = Object.fromEntries(
      Object.entries(failures).map(([code, row]) => [
        code,
        [
          row.status === 0 ? '—' : String(row.status),
          row.source,
          row.retryable,
          row.close ? 'yes' : 'no',
          row.message,
        ],
      ]),
    );
    expect(found).toEqual(wanted);
  });
});
