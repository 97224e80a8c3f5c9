import { parseArgs } from 'node:util';
import { startStaticBackend } from './backend.ts';
import { Load, type LoadOptions, type LoadReport, getRequest } from './load.ts';
import { type Child, ProcessGroup, freePort, programPath, waitForPort } from './process.ts';
import type { BackendMode } from './scripted-backend-main.ts';
import { Subject, subjectKind } from './subject.ts';
import { cell, renderTable } from './table.ts';

const USAGE = `usage: node dist/faults.js [--peer rp|nginx] [--secs 5] [--connections 64] [--rate N] [--strict]
Three backends behind the proxy (two scripted, one nginx) under constant GET load; one of them fails in turn in every
way. Prints what clients noticed in each phase. --rate: requests/s (default: as fast as the answers come).
--strict: exit code 1 when a client noticed anything.`;

/** One way to fail: what is done to the fleet at its start, and how it is healed. */
interface Phase {
  readonly name: string;
  start(): void | Promise<void>;
  heal(): void | Promise<void>;
}

/** Two scripted backends and one nginx. */
class Fleet {
  readonly ports: readonly [number, number, number];
  readonly #group: ProcessGroup;
  readonly #scripted: readonly [Child, Child];
  #nginx: Child;
  readonly #spare: number;

  private constructor(
    group: ProcessGroup,
    ports: [number, number, number],
    scripted: [Child, Child],
    nginx: Child,
    spare: number,
  ) {
    this.#group = group;
    this.ports = ports;
    this.#scripted = scripted;
    this.#nginx = nginx;
    this.#spare = spare;
  }

  static async start(group: ProcessGroup): Promise<Fleet> {
    const ports: [number, number, number] = [await freePort(), await freePort(), await freePort()];
    const program = programPath(import.meta.url, './scripted-backend-main');
    const scripted = ports.slice(0, 2).map((port) =>
      group.start(process.execPath, [program, String(port)], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      }),
    ) as [Child, Child];
    await Promise.all(scripted.map((child, i) => waitForPort(ports[i] ?? 0, child)));
    const spare = await freePort();
    const { child } = await startStaticBackend(group, { ports: [ports[2], spare] });
    return new Fleet(group, ports, scripted, child, spare);
  }

  setMode(index: 0 | 1, mode: BackendMode): void {
    this.#scripted[index].process.send(mode);
  }

  pause(paused: boolean): void {
    this.#scripted[1].process.kill(paused ? 'SIGSTOP' : 'SIGCONT');
  }

  kill(): Promise<void> {
    return this.#group.stop(this.#nginx, 'SIGKILL');
  }

  async revive(): Promise<void> {
    this.#nginx = (await startStaticBackend(this.#group, { ports: [this.ports[2], this.#spare] })).child;
  }
}

function phases(fleet: Fleet): Phase[] {
  const scripted = (name: string, index: 0 | 1, mode: BackendMode): Phase => ({
    name,
    start: () => fleet.setMode(index, mode),
    heal: () => fleet.setMode(index, 'ok'),
  });
  return [
    { name: 'all well', start: () => undefined, heal: () => undefined },
    { name: 'one killed', start: () => fleet.kill(), heal: () => fleet.revive() },
    { name: 'one stopped (SIGSTOP)', start: () => fleet.pause(true), heal: () => fleet.pause(false) },
    // Turn and turn about, so that none is still ejected for what it did in the phase before.
    scripted('one answers 500', 0, 'error500'),
    scripted('one resets', 1, 'reset'),
    scripted('one trickles (10 B/s)', 0, 'trickle'),
    scripted('one is 300 ms late', 1, 'slow'),
    { name: 'all well again', start: () => undefined, heal: () => undefined },
  ];
}

const COLUMNS = [
  { title: 'phase', align: 'left' as const },
  ...['requests/s', 'errors', 'p50 ms', 'p99 ms', 'max ms', 'oldest waiting ms'].map((title) => ({ title })),
  { title: 'which errors', align: 'left' as const },
];

function row(name: string, report: LoadReport): string[] {
  const kinds = Object.entries({ ...report.badStatus, ...report.failures }).map(
    ([kind, count]) => `${kind}: ${count}`,
  );
  const figures = [
    cell(report.perSecond, 0),
    String(report.errors),
    cell(report.p50, 2),
    cell(report.p99, 2),
    cell(report.max, 0),
    cell(report.oldest, 0),
  ];
  return [name, ...figures, kinds.join(', ')];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      peer: { type: 'string', default: 'rp' },
      secs: { type: 'string', default: '5' },
      connections: { type: 'string', default: '64' },
      rate: { type: 'string' },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const kind = subjectKind(values.peer);
  const group = new ProcessGroup();
  try {
    const fleet = await Fleet.start(group);
    const subject = await Subject.start(kind, group, { backends: fleet.ports, health: true });
    const request = getRequest('/100', 'localhost');
    const options: LoadOptions = {
      host: '127.0.0.1',
      port: subject.port,
      connections: Number(values.connections),
      pacing:
        values.rate === undefined ? { kind: 'closed' } : { kind: 'rate', perSecond: Number(values.rate) },
      request: () => request,
    };
    const rows: string[][] = [];
    let errors = 0;
    for (const phase of phases(fleet)) {
      // New connections for each phase: those that a slow answer holds must not starve the next one.
      const load = new Load(options);
      await load.start();
      await phase.start();
      await pause(Number(values.secs) * 1000);
      const report = load.take();
      errors += report.errors;
      rows.push(row(phase.name, report));
      await phase.heal();
      await load.stop(0);
      // Recovery (health checks, ejection times) is not part of the next phase.
      await pause(Math.min(3, Number(values.secs)) * 1000);
    }
    console.log(renderTable(COLUMNS, rows));
    console.log(JSON.stringify({ peer: kind, errors, alive: subject.alive }));
    if ((values.strict && errors > 0) || !subject.alive) process.exitCode = 1;
  } finally {
    await group.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await main();
