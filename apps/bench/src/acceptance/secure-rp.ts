import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rpCommand } from '../peers/rp.ts';
import { residentMemory } from '../proc.ts';
import { freePort, waitForPort, type Child, type ProcessGroup } from '../process.ts';
import type { Issued } from './authority.ts';

/** What rp is to serve. */
export interface SecurePlan {
  readonly certificates: readonly Issued[];
  /** URL of the only backend. */
  readonly backend: string;
  readonly workers?: number;
  /** Further lines of the file. */
  readonly more?: string;
}

/** A line of rp's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** An rp with TLS and HTTP/2 on one port, and HTTP/1 and h2c in the clear on another. */
export class SecureRp {
  readonly child: Child;
  readonly port: number;
  readonly clearPort: number;
  readonly #adminPort: number;
  readonly #file: string;
  readonly #log: string;

  private constructor(child: Child, ports: readonly number[], file: string, log: string) {
    const [port = 0, clearPort = 0, adminPort = 0] = ports;
    this.child = child;
    this.port = port;
    this.clearPort = clearPort;
    this.#adminPort = adminPort;
    this.#file = file;
    this.#log = log;
  }

  /** Starts it, and waits until it listens. */
  static async start(group: ProcessGroup, plan: SecurePlan): Promise<SecureRp> {
    const ports = [await freePort(), await freePort(), await freePort()];
    const folder = group.folder('rp');
    const file = join(folder, 'rp.yaml');
    const log = join(folder, 'rp.log');
    writeFileSync(file, configOf(plan, ports));
    const stdio = ['ignore', 'ignore', openSync(log, 'a')] as const;
    const child = group.start(process.execPath, rpCommand(file), { descriptors: 65_536, stdio: [...stdio] });
    const rp = new SecureRp(child, ports, file, log);
    await waitForPort(rp.port, child, 60_000).catch((cause: unknown) => {
      throw new Error(`${String(cause)}\n${readFileSync(log, 'utf8').slice(-2000)}`);
    });
    return rp;
  }

  /** Takes another plan over, as SIGHUP does. */
  reload(plan: SecurePlan): void {
    writeFileSync(this.#file, configOf(plan, [this.port, this.clearPort, this.#adminPort]));
    process.kill(this.child.pid, 'SIGHUP');
  }

  /** Everything that was logged so far. */
  log(): readonly LogLine[] {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** What `GET /stats` says. */
  async stats(): Promise<Record<string, Record<string, unknown>>> {
    const response = await fetch(`http://127.0.0.1:${this.#adminPort}/stats`);
    return (await response.json()) as Record<string, Record<string, unknown>>;
  }

  /** Octets: resident memory, and the heaps of all workers. */
  async memory(): Promise<{ readonly resident: number; readonly heap: number }> {
    const { workers } = await this.stats();
    const each = (workers?.each ?? []) as readonly { heapUsed?: number }[];
    const heap = each.reduce((sum, { heapUsed = 0 }) => sum + heapUsed, 0);
    return { resident: residentMemory([this.child.pid]), heap };
  }
}

function configOf(plan: SecurePlan, [port, clearPort, adminPort]: readonly number[]): string {
  const pairs = plan.certificates.map(({ cert, key }) => `        - { cert: "${cert}", key: "${key}" }`);
  return `listeners:
  - address: 127.0.0.1
    port: ${port}
    http2: true
    tls:
      certificates:
${pairs.join('\n')}
  - { address: 127.0.0.1, port: ${clearPort}, http2: true, h2c: true }
workers: ${plan.workers ?? 2}
upstreams: { app: { backends: [{ url: "${plan.backend}" }], pool: { maxConnections: 4096 } } }
log: { level: info, access: { enabled: false } }
admin: { address: 127.0.0.1, port: ${adminPort} }
${plan.more ?? ''}`;
}

/** Looks again and again until `look` is true. */
export async function until(
  what: string,
  look: () => boolean | Promise<boolean>,
  limitMs = 15_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await look())) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
