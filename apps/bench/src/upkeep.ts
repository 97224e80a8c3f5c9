import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startStaticBackend } from './backend.ts';
import { HeldConnections } from './hold.ts';
import { Load, getRequest } from './load.ts';
import { rpCommand, rpMissing } from './peers/rp.ts';
import { ProcessGroup, freePort, programPath, waitForPort } from './process.ts';
import type { UpkeepLine } from './upkeep-probe.ts';

const USAGE = `usage: node dist/upkeep.js [--connections 10000] [--backends 1000] [--secs 10] [--limit 10] [--workers 2]
Holds many idle connections, uses many backends a little, scrapes and reloads, lets all connections reach their idle
time-out at once, and prints what the proxy's own timers and messages took at the worst. Exits 1 when any callback of a
worker was longer than --limit milliseconds.`;

const CLIENTS = Array.from({ length: 8 }, (_, at) => `127.0.1.${at + 1}`);
/** Milliseconds until idle connections are closed: long enough to open them all. */
const IDLE = 20_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Options {
  readonly connections: number;
  readonly backends: number;
  readonly secs: number;
  readonly limit: number;
  readonly workers: number;
}

/** Each backend is an address of its own of the loopback network, on one port. */
function configOf(
  port: number,
  adminPort: number,
  backendPort: number,
  options: Options,
  weight: number,
): string {
  const urls = Array.from({ length: options.backends }, (_, at) => {
    const address = `127.0.${2 + Math.floor(at / 250)}.${1 + (at % 250)}`;
    return `      - { url: "http://${address}:${backendPort}", weight: ${1 + ((at + weight) % 3)} }\n`;
  });
  return `listeners: [{ address: 127.0.0.1, port: ${port} }]
workers: ${options.workers}
upstreams:
  app:
    algorithm: weighted-round-robin
    backends:
${urls.join('')}    healthCheck: { path: /health, interval: 5s, timeout: 2s }
    pool: { maxConnections: 4, minIdle: 1, maxIdle: 2, idleTimeout: 30s }
timeouts: { idle: ${IDLE}ms }
limits: { maxConnections: ${options.connections + 1000} }
log: { level: error, access: { enabled: false } }
admin: { address: 127.0.0.1, port: ${adminPort} }
`;
}

function fetchAdmin(port: number, path: string, method: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const ask = request({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    ask.on('error', reject).end();
  });
}

/** What the threads reported since the last look, the longest first. */
class Report {
  readonly #file: string;
  #seen = 0;

  constructor(file: string) {
    this.#file = file;
  }

  take(phase: string): readonly UpkeepLine[] {
    const text = existsSync(this.#file) ? readFileSync(this.#file, 'utf8') : '';
    const fresh = text.slice(this.#seen).split('\n').filter(Boolean);
    this.#seen = text.length;
    const sites = new Map<string, UpkeepLine>();
    for (const line of fresh.map((one) => JSON.parse(one) as UpkeepLine)) {
      const name = `${line.thread} ${line.site}`;
      const before = sites.get(name) ?? { ...line, calls: 0, worst: 0, sum: 0 };
      sites.set(name, {
        ...before,
        calls: before.calls + line.calls,
        worst: Math.max(before.worst, line.worst),
        sum: before.sum + line.sum,
      });
    }
    const worst = [...sites.values()].toSorted((a, b) => b.worst - a.worst).slice(0, 8);
    for (const { thread, site, calls, worst: ms, sum } of worst) {
      const figures = { calls, worstMs: Number(ms.toFixed(2)), meanMs: Number((sum / calls).toFixed(3)) };
      console.log(JSON.stringify({ phase, thread, site, ...figures }));
    }
    return worst;
  }
}

/** The garbage collector is not upkeep of ours, and the main thread carries no traffic. */
function tooLong(lines: readonly UpkeepLine[], limit: number): readonly UpkeepLine[] {
  return lines.filter(
    ({ thread, site, worst }) => thread !== 'main' && site !== 'garbage collection' && worst > limit,
  );
}

async function measure(group: ProcessGroup, options: Options): Promise<readonly UpkeepLine[]> {
  const { ports } = await startStaticBackend(group, { address: '0.0.0.0' });
  const folder = group.folder('upkeep');
  const [port, adminPort] = [await freePort(), await freePort()];
  const [file, log] = [join(folder, 'rp.yaml'), join(folder, 'upkeep.jsonl')];
  writeFileSync(file, configOf(port, adminPort, ports[0], options, 0));
  const probe = programPath(import.meta.url, 'upkeep-probe');
  const child = group.start(process.execPath, ['--import', probe, ...rpCommand(file)], {
    descriptors: 65_536,
    env: { RP_UPKEEP_LOG: log },
  });
  await waitForPort(port, child);
  const report = new Report(log);
  const found: UpkeepLine[] = [];
  const phase = async (name: string, ms: number): Promise<void> => {
    await pause(ms);
    found.push(...report.take(name));
  };
  await phase('start', 2500);
  const held = new HeldConnections({
    host: '127.0.0.1',
    port,
    connections: options.connections,
    request: getRequest('/100', 'localhost'),
    concurrency: 400,
    localAddresses: CLIENTS,
  });
  console.log(JSON.stringify({ opened: await held.open() }));
  await phase('opened', 1100);
  const small = getRequest('/100', 'localhost');
  const pacing = { kind: 'rate', perSecond: 1000 } as const;
  const load = new Load({ host: '127.0.0.1', port, connections: 16, pacing, request: () => small });
  await load.start();
  await phase('1,000 requests a second', options.secs * 1000);
  for (let i = 0; i < 5; i++) await fetchAdmin(adminPort, i % 2 === 0 ? '/stats' : '/metrics', 'GET');
  await phase('statistics', 1100);
  for (let i = 1; i <= 5; i++) {
    writeFileSync(file, configOf(port, adminPort, ports[0], options, i));
    await fetchAdmin(adminPort, '/reload', 'POST');
    await pause(300);
  }
  await phase('reloads', 1100);
  await phase('time-outs of all connections', IDLE);
  const { ok, errors } = await load.stop();
  console.log(JSON.stringify({ ok, errors }));
  return tooLong(found, options.limit);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '10000' },
      backends: { type: 'string', default: '1000' },
      secs: { type: 'string', default: '10' },
      limit: { type: 'string', default: '10' },
      workers: { type: 'string', default: '2' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const missing = rpMissing();
  if (missing !== undefined) throw new Error(`missing: ${missing}`);
  const group = new ProcessGroup();
  try {
    const long = await measure(group, {
      connections: Number(values.connections),
      backends: Number(values.backends),
      secs: Number(values.secs),
      limit: Number(values.limit),
      workers: Number(values.workers),
    });
    console.log(JSON.stringify({ tooLong: long.length }));
    if (long.length > 0) process.exitCode = 1;
  } finally {
    await group.close();
  }
}

await main();
