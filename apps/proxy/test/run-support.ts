import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type RequestListener, type Server } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { BackendStats, Stats } from '../src/admin/stats.ts';

const BIN = fileURLToPath(new URL('../bin/rp.js', import.meta.url));

/** What is to be undone after a test, last first. */
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanups.splice(0).toReversed()) await undo();
});
export const onCleanup = (undo: () => unknown): void => void cleanups.push(undo);

export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'rp-run-'));
  onCleanup(() => rmSync(path, { recursive: true, force: true }));
  return path;
};

/** Waits until `look` gives something, looking again every few milliseconds; fails with `what` when it never does. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  limit = 10_000,
) {
  const end = performance.now() + limit;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A running `rp` process. */
export class Rp {
  readonly child: ChildProcess;
  readonly exited: Promise<number | string>;
  readonly file: string;
  stderr = '';
  ended = false;

  constructor(file: string, command: readonly string[], options: Parameters<typeof spawn>[2]) {
    this.file = file;
    const [program = '', ...args] = command;
    this.child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], ...options });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        this.ended = true;
        resolve(code ?? signal ?? 'ended');
      });
    });
  }

  get log(): readonly LogLine[] {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** The first line with this message. */
  said(msg: string, also: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    return eventually(`log line "${msg}" in:\n${this.stderr}`, () => {
      const line = this.log.find((one) => one.msg === msg && also(one));
      if (line === undefined && this.ended) throw new Error(`rp ended without "${msg}":\n${this.stderr}`);
      return line;
    });
  }

  async ready(): Promise<this> {
    const line = await this.said('Ready');
    this.port = Number(new URL((line.listening as string[])[0] ?? '').port);
    this.admin = (line.admin as string | undefined) ?? '';
    return this;
  }

  port = 0;
  admin = '';

  write(config: string): void {
    writeFileSync(this.file, config);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async stats(): Promise<Stats> {
    const { body } = await ask(`${this.admin}/stats`);
    return JSON.parse(body) as Stats;
  }

  /** The backends of the upstream `app`. */
  async backends(): Promise<readonly BackendStats[]> {
    return (await this.stats()).upstreams.app!.backends;
  }

  async stop(): Promise<void> {
    if (this.ended) return;
    this.signal('SIGKILL');
    await this.exited;
  }
}

export interface RpOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Runs rp by a shell that has these descriptors as 3, 4, … and says so (sd_listen_fds). */
  readonly sockets?: readonly number[];
  /** A module that every thread loads first. */
  readonly preload?: string;
}

/** Starts `rp run` with a file of this content. */
export function startRp(config: string, options: RpOptions = {}): Rp {
  const file = join(folder(), 'proxy.yaml');
  writeFileSync(file, config);
  const { sockets = [] } = options;
  const preload =
    options.preload === undefined
      ? []
      : ['--import', `data:text/javascript,${encodeURIComponent(options.preload)}`];
  const command = [process.execPath, ...preload, BIN, 'run', '-c', file];
  const shell = ['sh', '-c', `LISTEN_PID=$$ LISTEN_FDS=${sockets.length} exec "$@"`, 'sh'];
  const rp = new Rp(file, sockets.length === 0 ? command : [...shell, ...command], {
    stdio: ['ignore', 'ignore', 'pipe', ...sockets],
    env: { ...process.env, ...options.env },
  });
  onCleanup(() => rp.stop());
  return rp;
}

/** A backend of this process. */
export async function backend(
  listener: RequestListener,
  port = 0,
): Promise<{ server: Server; port: number; url: string }> {
  const server = http.createServer({ keepAliveTimeout: 60_000 }, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  onCleanup(() => closeServer(server));
  const bound = (server.address() as AddressInfo).port;
  return { server, port: bound, url: `http://127.0.0.1:${bound}` };
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** A backend that answers with a word. */
export const wordBackend = (word: string) => backend((_request, response) => response.end(word));

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** One request on a connection of its own. */
export function ask(
  url: string,
  options: http.RequestOptions & { readonly body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(options.body);
  });
}

/** Keep-alive connections that send one request after the other, and count what came of them. */
export class Load {
  ok = 0;
  readonly bodies: Map<string, number> = new Map();
  readonly failures: string[] = [];
  readonly #agent: http.Agent;
  readonly #runs: Promise<void>[] = [];
  #running = true;

  constructor(url: string, connections: number) {
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: connections });
    onCleanup(() => this.stop());
    for (let i = 0; i < connections; i++) this.#runs.push(this.#run(url));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#runs);
    this.#agent.destroy();
  }

  async #run(url: string): Promise<void> {
    while (this.#running) {
      try {
        const { status, body } = await ask(url, { agent: this.#agent });
        if (status === 200) this.ok++;
        else this.failures.push(`${status} ${body}`);
        this.bodies.set(body, (this.bodies.get(body) ?? 0) + 1);
      } catch (error) {
        this.failures.push((error as Error).message);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }
}

/** A configuration with these backends; `more` is added at the end. */
export const configFor = (
  urls: readonly string[],
  more = '',
  upstreamMore = '',
): string => `listeners: [{ address: 127.0.0.1, port: 0 }]
workers: 2
upstreams:
  app:
    backends: [${urls.map((url) => `{ url: "${url}" }`).join(', ')}]
${upstreamMore}
log: { access: { enabled: false } }
admin: { port: 0 }
${more}`;

/** A TCP connection that is open, and what came over it. */
export async function connection(
  port: number,
): Promise<{ socket: net.Socket; received: () => string; closed: () => boolean }> {
  let text = '';
  let closed = false;
  const socket = net.connect(port, '127.0.0.1');
  socket.setEncoding('latin1').on('data', (data: string) => (text += data));
  socket.on('error', () => undefined).on('close', () => (closed = true));
  onCleanup(() => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, received: () => text, closed: () => closed };
}
