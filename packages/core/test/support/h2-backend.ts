import { UpstreamGroup, type UpstreamGroupChange } from '@rp/balancer';
import {
  Engine,
  Http2BackendPool,
  Http2Connector,
  Upstream,
  type BackendTls,
  type Http2PoolLimits,
  type Timeouts,
} from '@rp/core';
import http2, { type Http2SecureServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A server of node:http2 and the sessions that it has. */
export interface H2Backend {
  readonly server: Http2Server | Http2SecureServer;
  readonly sessions: ServerHttp2Session[];
  /** Below the sessions. */
  readonly sockets: net.Socket[];
  readonly port: number;
}

type Listener = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

export async function listening(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Starts a server that ends with the test: h2c, or TLS with `tls`. */
export async function startH2Backend(
  options: http2.ServerOptions & { tls?: { key: string; cert: string } },
  listener?: Listener,
): Promise<H2Backend> {
  const { tls, ...rest } = options;
  const server = tls === undefined ? http2.createServer(rest) : http2.createSecureServer({ ...rest, ...tls });
  if (listener !== undefined) server.on('request', listener);
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session: ServerHttp2Session) => {
    sessions.push(session);
    session.on('error', () => session.destroy());
  });
  const sockets: net.Socket[] = [];
  server.on('connection', (socket: net.Socket) => sockets.push(socket));
  const port = await listening(server);
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { server, sessions, sockets, port };
}

export interface H2ProxyOptions {
  readonly backends: readonly number[];
  readonly protocol?: 'h2' | 'h2c';
  readonly tls?: BackendTls;
  readonly pool?: Http2PoolLimits;
  readonly group?: UpstreamGroupChange;
  readonly timeouts?: Partial<Timeouts>;
}

export interface H2Front {
  readonly engine: Engine;
  readonly pools: Http2BackendPool[];
  readonly group: UpstreamGroup;
  /** Takes HTTP/1 and h2c. */
  readonly port: number;
}

/** An engine in front of HTTP/2 backends, which ends with the test. */
export async function startH2Front(options: H2ProxyOptions): Promise<H2Front> {
  const pools: Http2BackendPool[] = [];
  const { protocol = 'h2c' } = options;
  const group = new UpstreamGroup({
    name: 'app',
    backends: options.backends.map((port) => ({ url: `${protocol}://127.0.0.1:${port}` })),
    ejection: false,
    circuitBreaker: false,
    ...options.group,
  });
  const upstream: Upstream = new Upstream({
    name: 'app',
    balancer: group,
    createPool: (target) => {
      const { runtime } = engine;
      const pool = new Http2BackendPool(
        new Http2Connector(runtime, target, options.tls),
        () => runtime.now,
        options.pool,
      );
      engine.adopt(pool);
      pools.push(pool);
      return pool;
    },
  });
  const engine: Engine = new Engine({
    settings: {
      routes: [{ upstream }],
      ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
    },
  });
  const { port } = await engine.listen({ address: '127.0.0.1', h2c: true });
  onTestFinished(() => engine.close());
  return { engine, pools, group, port };
}

/** What a client got. */
export interface H2Answer {
  readonly headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
  readonly body: Buffer;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly code: number;
}

/** A client of node:http2 that ends with the test. */
export async function connectH2(port: number): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => session.destroy());
  onTestFinished(() => session.destroy());
  await new Promise((resolve) => session.once('connect', resolve));
  return session;
}

/** One request, all of its response. */
export function exchange(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
): Promise<H2Answer> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    let got: H2Answer['headers'] = {};
    let trailers: http2.IncomingHttpHeaders = {};
    const parts: Buffer[] = [];
    stream.on('response', (fields) => (got = fields));
    stream.on('trailers', (fields) => (trailers = fields));
    stream.on('data', (chunk: Buffer) => parts.push(chunk));
    stream.on('error', () => undefined);
    stream.on('close', () =>
      resolve({ headers: got, body: Buffer.concat(parts), trailers, code: stream.rstCode }),
    );
  });
}
