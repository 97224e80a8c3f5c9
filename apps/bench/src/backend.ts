import { mkdirSync, writeFileSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import { type Child, LOAD_CORE, type ProcessGroup, freePort, waitForPort } from './process.ts';

/** Bodies that the static backend serves, by path. */
export const STATIC_BODIES: Readonly<Record<string, string>> = {
  '/100': 'z'.repeat(100),
  '/10k': 'x'.repeat(10 * 1024),
  '/1m': 'y'.repeat(1024 * 1024),
};

/** A running nginx with static bodies, listening on two ports as if it were two backends. */
export interface StaticBackend {
  readonly ports: readonly [number, number];
  readonly child: Child;
}

/**
 * The backend's nginx configuration. `/100` comes from memory, the larger ones from files in the page cache;
 * `/echo` answers with the forwarding fields that arrived; `/stamp` answers differently each time, which shows
 * whether a cache answered. `/upload` reads a body away.
 */
export function staticBackendConfig(
  folder: string,
  ports: readonly number[],
  cacheable: boolean,
  address = '127.0.0.1',
): string {
  const listen = ports.map((port) => `listen ${address}:${port};`).join(' ');
  const caching = cacheable ? 'public, max-age=600' : 'no-store';
  return `worker_processes 1;
daemon off;
pid ${folder}/backend.pid;
error_log stderr crit;
worker_rlimit_nofile 65536;
events { worker_connections 32000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  open_file_cache max=100;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  ${tempPaths(folder)}
  server {
    ${listen}
    root ${folder}/www;
    default_type text/plain;
    add_header Cache-Control "${caching}";
    location = /100 { return 200 "${STATIC_BODIES['/100']}"; }
    location = /echo { return 200 "xff=$http_x_forwarded_for host=$http_host method=$request_method"; }
    location = /health { return 200 "ok"; }
    location = /stamp { return 200 "$request_id"; }
    location = /upload { return 200 "received $content_length"; }
  }
}
`;
}

/** nginx's temporary folders, moved into ours so that no rights on the system's are needed. */
export function tempPaths(folder: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/tmp-${kind};`)
    .join(' ');
}

/** Writes the bodies and the configuration, and starts nginx on the load's core. */
export async function startStaticBackend(
  group: ProcessGroup,
  options: {
    readonly cacheable?: boolean;
    readonly ports?: readonly [number, number];
    /** Default 127.0.0.1. */
    readonly address?: string;
  } = {},
): Promise<StaticBackend> {
  const folder = group.folder('backend');
  mkdirSync(join(folder, 'www'));
  for (const [path, body] of Object.entries(STATIC_BODIES)) writeFileSync(join(folder, 'www', path), body);
  const ports = options.ports ?? ([await freePort(), await freePort()] as const);
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, staticBackendConfig(folder, ports, options.cacheable ?? false, options.address));
  const child = group.start('nginx', ['-e', 'stderr', '-c', file], { core: LOAD_CORE, descriptors: 65_536 });
  await waitForPort(ports[0], child);
  return { ports, child };
}

/**
 * Answers a connection's bytes as a script wants: by writing to, resetting or leaving alone the socket. Gets all bytes
 * that were not dealt with yet; returns how many of them are dealt with now (0: come again with more).
 */
export type RawResponder = (socket: Socket, received: Buffer) => number;

/**
 * A backend on raw sockets, in this process: records every byte it gets and answers with what `respond` writes,
 * well-formed or not.
 */
export class RawBackend {
  readonly received: Buffer[] = [];
  readonly #server: Server;
  readonly #sockets = new Map<Socket, Buffer>();
  readonly #keep: boolean;

  /** @param keep whether to keep what was received (tests) or not (long runs) */
  constructor(respond: RawResponder, keep: boolean = true) {
    this.#keep = keep;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.set(socket, Buffer.alloc(0));
      socket.on('data', (chunk: Buffer) => {
        if (this.#keep) this.received.push(chunk);
        let rest = Buffer.concat([this.#sockets.get(socket) ?? Buffer.alloc(0), chunk]);
        for (let used = -1; used !== 0 && rest.length > 0; rest = rest.subarray(used))
          used = respond(socket, rest);
        this.#sockets.set(socket, rest);
      });
      // A proxy that drops a hostile backend's connection resets it: expected, and 'close' follows.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** Number of connections open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens on a port that the OS gives, or on a given one. */
  async listen(port: number = 0): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, '127.0.0.1', 1024, resolve);
    });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the OS gave no port');
    return address.port;
  }

  /** Closes the listener and every connection. */
  async close(): Promise<void> {
    for (const socket of this.#sockets.keys()) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/**
 * The first request of what a raw backend received: its head (without the empty line) and its length with the body;
 * undefined while it is not complete. Bodies end where `Content-Length` or the last chunk says.
 */
export function completeRequest(received: Buffer): { head: string; length: number } | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = received.toString('latin1', 0, end);
  const start = end + 4;
  if (/^transfer-encoding:/im.test(head)) {
    const stop = endOfChunks(received, start);
    return stop === undefined ? undefined : { head, length: stop };
  }
  const length = start + Number(/^content-length:\s*(\d+)/im.exec(head)?.[1] ?? 0);
  return received.length >= length ? { head, length } : undefined;
}

/** Where a chunked body ends, its trailers included; undefined while it is not complete. */
function endOfChunks(bytes: Buffer, start: number): number | undefined {
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    at = lineEnd + 2;
    if (!(size > 0)) return endOfTrailers(bytes, at);
    at += size + 2;
    if (at > bytes.length) return undefined;
  }
}

function endOfTrailers(bytes: Buffer, start: number): number | undefined {
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    if (lineEnd === at) return at + 2;
    at = lineEnd + 2;
  }
}
