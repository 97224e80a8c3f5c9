import { createHash } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import { STATIC_BODIES } from './backend.ts';
import { getRequest } from './load.ts';
import { ResponseReader } from './response-reader.ts';
import type { Workload } from './workloads.ts';

/** One answer, whole. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** How to reach a peer. */
export interface Endpoint {
  readonly port: number;
  /** PEM of the authority; TLS where present. */
  readonly ca?: string | undefined;
  readonly http2?: boolean;
}

const LIMIT_MS = 10_000;

/** One request on a connection of its own, its answer read strictly. */
export function ask(endpoint: Endpoint, path: string, fields: readonly string[] = []): Promise<Answer> {
  return endpoint.http2 === true ? askHttp2(endpoint, path) : askHttp1(endpoint, path, fields);
}

function askHttp1({ port, ca }: Endpoint, path: string, fields: readonly string[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const where = { port, host: '127.0.0.1' };
    const socket =
      ca === undefined ? connect(where) : connectSecure({ ...where, ca, servername: 'localhost' });
    const reader = new ResponseReader({
      onBody: (chunk) => chunks.push(chunk),
      onEnd: (head) => {
        socket.destroy();
        resolve({ status: head.status, body: Buffer.concat(chunks) });
      },
    });
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(`GET ${path} on port ${port}: ${why}`));
    };
    socket.setTimeout(LIMIT_MS, () => fail('no answer'));
    socket.on('error', (cause) => fail(cause.message));
    socket.on('data', (chunk: Buffer) => {
      if (!reader.feed(chunk)) fail(reader.problem ?? 'malformed');
    });
    socket.on('end', () => {
      if (reader.end() !== 'clean') fail('cut short');
      else if (!socket.destroyed) fail('closed without an answer');
    });
    socket.write(getRequest(path, 'localhost', fields).bytes);
  });
}

function askHttp2({ port, ca }: Endpoint, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://localhost:${port}`, ca === undefined ? {} : { ca });
    session.once('error', reject);
    const stream = session.request({ ':path': path });
    const chunks: Buffer[] = [];
    let status = 0;
    stream.once('response', (headers) => {
      status = Number(headers[':status']);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('error', reject);
    stream.once('end', () => {
      session.close();
      resolve({ status, body: Buffer.concat(chunks) });
    });
  });
}

const digest = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

/**
 * What is wrong with a peer's answers for a workload; empty when all is right. A figure of a proxy that answers
 * wrongly is worthless, so this comes before every measurement: status and checksum of the body, the forwarding
 * field that the backend got, and for caches whether a second request was answered from the cache.
 */
export async function verify(endpoint: Endpoint, workload: Workload, isProxy: boolean): Promise<string[]> {
  const wrong: string[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const { status, body } = await ask(endpoint, workload.path, workload.fields);
    if (status !== 200) wrong.push(`status ${status} for ${workload.path}`);
    else if (digest(body) !== digest(STATIC_BODIES[workload.path] ?? '')) {
      wrong.push(`wrong body for ${workload.path}: ${body.length} bytes`);
    }
  }
  if (!isProxy) return wrong;
  const echo = (await ask(endpoint, '/echo')).body.toString();
  if (!echo.startsWith('xff=127.0.0.1 ')) wrong.push(`X-Forwarded-For did not arrive: ${echo}`);
  const first = (await ask(endpoint, '/stamp')).body.toString();
  const second = (await ask(endpoint, '/stamp')).body.toString();
  if (workload.cache && first !== second) wrong.push('the second request was not answered from the cache');
  if (!workload.cache && first === second) wrong.push('answered from a cache');
  return wrong;
}
