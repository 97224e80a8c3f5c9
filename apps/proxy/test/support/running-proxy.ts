import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const bin = fileURLToPath(new URL('../../bin/rp.js', import.meta.url));

/** As much of `/stats` as tests look at. */
export interface Stats {
  readonly requests: { readonly active: number; readonly clientAborts: number };
  readonly bytes: { readonly fromBackends: number; readonly toClients: number };
}

export type LogLine = Readonly<Record<string, unknown>>;

/** The real `rp`, run as a user runs it: a process of its own, with a configuration file. */
export class RunningProxy {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #lines: LogLine[] = [];
  #output = '';
  #exit: number | null | undefined = undefined;
  #admin: string | undefined = undefined;
  port = 0;

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => this.#read(text));
    }
    child.on('exit', (code) => (this.#exit = code));
  }

  /** @param config the configuration file; its first listener is the one that `port` tells of */
  static async start(config: string): Promise<RunningProxy> {
    const folder = await mkdtemp(path.join(tmpdir(), 'rp-test-'));
    await writeFile(path.join(folder, 'proxy.yaml'), config);
    const child = spawn(process.execPath, [bin, 'run', '-c', 'proxy.yaml'], { cwd: folder });
    const proxy = new RunningProxy(child, folder);
    const ready = await until(
      () => proxy.#exit !== undefined || proxy.#lines.find(({ msg }) => msg === 'Ready'),
      () => `rp to be ready:\n${proxy.#output}`,
    );
    if (ready === true) throw new Error(`rp ended with ${proxy.#exit}:\n${proxy.#output}`);
    proxy.#admin = (ready as { admin?: string }).admin;
    proxy.port = Number(new URL((ready as { listening: string[] }).listening[0]!).port);
    return proxy;
  }

  /** All lines of the log so far, access log included. */
  get log(): readonly LogLine[] {
    return this.#lines;
  }

  /** What `/stats` says; the configuration has to have an admin listener. */
  async stats(): Promise<Stats> {
    const response = await fetch(new URL('/stats', this.#admin!));
    return (await response.json()) as Stats;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Waits for a line of the log. */
  logged(matches: (line: LogLine) => boolean): Promise<LogLine> {
    return until(
      () => this.#lines.find(matches),
      () => `a line in the log:\n${this.#output.slice(-4000)}`,
    );
  }

  /** Writes the configuration anew and has it read; resolves when the log says that it was. */
  async reload(config: string): Promise<void> {
    await writeFile(path.join(this.#folder, 'proxy.yaml'), config);
    const before = this.#lines.filter(({ msg }) => msg === 'reloaded').length;
    this.#child.kill('SIGHUP');
    await until(
      () => this.#lines.filter(({ msg }) => msg === 'reloaded').length > before,
      () => `a reload:\n${this.#output.slice(-4000)}`,
    );
  }

  async stop(): Promise<void> {
    if (this.#exit === undefined) {
      this.#child.kill('SIGTERM');
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #read(text: string): void {
    const start = this.#output.lastIndexOf('\n') + 1;
    this.#output += text;
    const whole = this.#output.slice(start).split('\n').slice(0, -1);
    for (const line of whole) if (line.startsWith('{')) this.#lines.push(JSON.parse(line) as LogLine);
  }
}
