import { readFileSync } from 'node:fs';
import { type IncomingMessage, type RequestListener, type ServerResponse, createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type Dispatcher, Pool } from 'undici';
import type { NodeProxyOptions } from './node.ts';

/**
 * A small but fair proxy on Node's standard parts: keep-alive on both sides, hop-by-hop fields dropped,
 * X-Forwarded-For added, bodies streamed with backpressure, undici's leanest interface (`dispatch`).
 */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

/** Field lines as name, value, name, value, without the hop-by-hop ones. */
function endToEnd(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, raw[i + 1] ?? '');
  }
  return kept;
}

/** Passes one backend response on to the client. */
class Relay implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#response.on('close', () => {
      if (!this.#response.writableFinished) controller.abort(new Error('the client went away'));
    });
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: object): void {
    if (status < 200) return;
    const fields: string[] = [];
    for (const [name, value] of Object.entries(headers as Record<string, string | string[]>)) {
      if (HOP_BY_HOP.has(name)) continue;
      for (const each of Array.isArray(value) ? value : [value]) fields.push(name, each);
    }
    this.#response.writeHead(status, fields);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  onResponseEnd(): void {
    this.#response.end();
  }

  onResponseError(): void {
    if (this.#response.headersSent) this.#response.destroy();
    else this.#response.writeHead(502).end();
  }
}

function listener(pools: readonly Pool[]): RequestListener {
  let turn = 0;
  return (request: IncomingMessage, response: ServerResponse) => {
    const headers = endToEnd(request.rawHeaders);
    headers.push('X-Forwarded-For', request.socket.remoteAddress ?? 'unknown');
    const hasBody = request.headers['content-length'] !== undefined || 'transfer-encoding' in request.headers;
    const pool = pools[turn++ % pools.length];
    pool?.dispatch(
      { path: request.url ?? '/', method: request.method ?? 'GET', headers, body: hasBody ? request : null },
      new Relay(response),
    );
  };
}

const options = JSON.parse(process.argv[2] ?? '{}') as NodeProxyOptions;
const handle = listener(
  options.backends.map((port) => new Pool(`http://127.0.0.1:${port}`, { connections: 256, pipelining: 1 })),
);
const server =
  options.tls === undefined
    ? createServer({ keepAliveTimeout: 600_000, noDelay: true }, handle)
    : createSecureServer(
        {
          keepAliveTimeout: 600_000,
          noDelay: true,
          cert: readFileSync(options.tls.cert),
          key: readFileSync(options.tls.key),
        },
        handle,
      );
server.listen(options.port, '127.0.0.1', 4096);
