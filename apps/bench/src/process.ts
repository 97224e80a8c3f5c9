import { type ChildProcess, type StdioOptions, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isAlive, processTree } from './proc.ts';

/** Core of the proxy that is measured. */
export const PROXY_CORE = 0;
/** Core of the load and of the backend. */
export const LOAD_CORE = 1;

/** How a child is started. */
export interface StartOptions {
  /** Core to pin it to; not pinned where absent or where the machine has one core only. */
  readonly core?: number | undefined;
  /** Descriptors it may have open; raised with `ulimit -n` in a shell that then becomes the child. */
  readonly descriptors?: number | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** Default: nothing in, output read by nobody, errors kept (last 4 KiB) for messages. */
  readonly stdio?: StdioOptions | undefined;
}

/** A child process with the end of what it said on stderr. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly process: ChildProcess;
  /** Settles with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  errors(): string;
}

const STDERR_KEPT = 4096;

/** Whether pinning to two cores is possible here. */
export function canPin(): boolean {
  return availableParallelism() >= 2 && isInstalled('taskset');
}

/** Whether a program can be found on the path (or in the sbin folders that Debian leaves off a user's path). */
export function isInstalled(program: string): boolean {
  return locate(program) !== undefined;
}

/** The full path of an installed program, or undefined. */
export function locate(program: string): string | undefined {
  const found = spawnSync('sh', ['-c', 'PATH="$PATH:/usr/sbin:/sbin"; command -v "$1"', 'sh', program], {
    encoding: 'utf8',
  });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

/** First line that a program prints about its version (on either stream). */
export function versionLine(program: string, ...args: string[]): string {
  const path = locate(program);
  if (path === undefined) return 'not installed';
  const out = execFileSync('sh', ['-c', '"$@" 2>&1; true', 'sh', path, ...args], { encoding: 'utf8' });
  return (out.split('\n').find((line) => line.trim() !== '') ?? '').trim();
}

/** The path of a program beside the module at `base`: `.ts` when run from the sources, `.js` when built. */
export function programPath(base: string, name: string): string {
  return fileURLToPath(new URL(name + (base.endsWith('.ts') ? '.ts' : '.js'), base));
}

/**
 * Owns every child process and temporary folder of a run, and ends them all: on {@link close}, when the process
 * exits for whatever reason, and on Ctrl-C. Children are ended by their id, descendants included.
 */
export class ProcessGroup {
  readonly #children = new Set<Child>();
  readonly #folders: string[] = [];
  readonly #onExit = (): void => this.#killAll();
  readonly #onSignal = (): void => {
    this.#killAll();
    process.exit(130);
  };

  constructor() {
    process.once('exit', this.#onExit);
    process.once('SIGINT', this.#onSignal);
    process.once('SIGTERM', this.#onSignal);
  }

  /** A new folder under the system's temporary one that other users' workers may read. */
  folder(label: string): string {
    const path = mkdtempSync(join(tmpdir(), `rp-bench-${label}-`));
    chmodSync(path, 0o755);
    this.#folders.push(path);
    return path;
  }

  /** Starts a program in the foreground. */
  start(program: string, args: readonly string[], options: StartOptions = {}): Child {
    const line = [locate(program) ?? program, ...args];
    if (options.descriptors !== undefined) {
      const raise = `ulimit -n ${options.descriptors} 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"`;
      line.unshift('sh', '-c', raise, 'sh');
    }
    if (options.core !== undefined && canPin()) line.unshift('taskset', '-c', String(options.core));
    const [command = program, ...rest] = line;
    const child = spawn(command, rest, {
      stdio: options.stdio ?? ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    // Only its last part: messages end up in results, where nobody's folders belong.
    return this.#adopt(basename(program), child);
  }

  /** Starts a Node program of this package with one JSON argument. */
  startNode(path: string, argument: unknown, options: StartOptions = {}): Child {
    return this.start(process.execPath, [path, JSON.stringify(argument)], options);
  }

  /** Ends a child: `signal` first, and all of its tree by force when it is not gone after `graceMs`. */
  async stop(child: Child, signal: NodeJS.Signals = 'SIGTERM', graceMs: number = 3000): Promise<void> {
    const tree = processTree(child.pid);
    if (isAlive(child.pid)) process.kill(child.pid, 'SIGCONT');
    child.process.kill(signal);
    const timer = setTimeout(() => killTree(tree), graceMs);
    await child.exited;
    clearTimeout(timer);
    killTree(tree.slice(1));
    this.#children.delete(child);
  }

  /** Ends everything and removes the folders. */
  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.stop(child)));
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true });
    process.removeListener('exit', this.#onExit);
    process.removeListener('SIGINT', this.#onSignal);
    process.removeListener('SIGTERM', this.#onSignal);
  }

  #adopt(name: string, child: ChildProcess): Child {
    let tail = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-STDERR_KEPT);
    });
    const exited = new Promise<number | string>((resolve) => {
      child.once('exit', (code, signal) => resolve(code ?? signal ?? 'ended'));
      child.once('error', (cause) => resolve(cause.message));
    });
    const adopted: Child = { name, pid: child.pid ?? 0, process: child, exited, errors: () => tail };
    this.#children.add(adopted);
    void exited.then(() => this.#children.delete(adopted));
    return adopted;
  }

  #killAll(): void {
    for (const child of this.#children) killTree(processTree(child.pid));
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  }
}

function killTree(pids: readonly number[]): void {
  for (const pid of pids) {
    if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
}

/** A port that was free a moment ago, given by the OS. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('the OS gave no port');
  return address.port;
}

/** Waits until something accepts on the port; fails at once, with its words, when the child ends. */
export async function waitForPort(port: number, child: Child, timeoutMs: number = 15_000): Promise<void> {
  let ended: number | string | undefined;
  void child.exited.then((code) => {
    ended = code;
  });
  const limit = performance.now() + timeoutMs;
  while (performance.now() < limit) {
    if (await accepts(port)) return;
    if (ended !== undefined)
      throw new Error(`${child.name} ended (${ended}) before it listened:\n${child.errors()}`);
    await delay(30);
  }
  throw new Error(`${child.name} did not listen on ${port} within ${timeoutMs} ms:\n${child.errors()}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
