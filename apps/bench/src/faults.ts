import { parseArgs } from 'node:util';
import { FAULTS, type Fault, Fleet } from './faults/fleet.ts';
import { WrkLoad } from './faults/wrk-load.ts';
import { Watch, pause } from './faults/watch.ts';
import { Load, type LoadOptions, type LoadReport, getRequest } from './load.ts';
import { ProcessGroup } from './process.ts';
import { Subject, type SubjectKind, subjectKind } from './subject.ts';
import { cell, renderTable } from './table.ts';

const USAGE = `usage: node dist/faults.js [${Object.keys(FAULTS).join('] [')}]
  [--peer rp|nginx] [--secs 5] [--connections 64] [--rate 4000] [--workers 1] [--wrk] [--plain] [--strict]
Three backends behind the proxy (one scripted, two nginx) under constant GET load; one of them fails in one way, and is
well again after --secs. A new proxy for each way. Prints what clients noticed before, until the backend was out of
service, until it was healed, and afterwards; how long it took; and the share that it had in each second after its return.
--rate: requests/s; 0: as fast as the answers come, as wrk does it. --wrk: the load is wrk, which tells all at its end
("after"). --plain: without the options for late, trickling and
5xx answers. --strict: exit code 1 when a client noticed anything.`;

/** What a user would say to rp who wants backends to leave for late, trickling and 5xx answers too. */
const OPTIONS = `    passiveHealth: { ejectionTime: 2s, count5xx: true, maxLatency: 150ms, minRate: 1KB }
    retry: { statuses: [5xx] }
    slowStart: 5s
`;
const PLAIN = '    passiveHealth: { ejectionTime: 2s }\n    slowStart: 5s\n';

/** Seconds that are watched before the fault, and after the return. */
const BEFORE = 2;
const AFTER = 7;

interface Settings {
  readonly kind: SubjectKind;
  readonly seconds: number;
  readonly connections: number;
  readonly rate: number;
  readonly workers: number;
  readonly options: string;
  readonly wrk: boolean;
}

interface Outcome {
  readonly name: string;
  readonly before: LoadReport;
  readonly until: LoadReport;
  readonly out: LoadReport;
  readonly after: LoadReport;
  /** Milliseconds. */
  readonly left: number | undefined;
  readonly back: number | undefined;
  readonly shares: readonly number[];
  readonly alive: boolean;
}

async function play(fault: Fault, settings: Settings): Promise<Outcome> {
  const group = new ProcessGroup();
  try {
    const fleet = await Fleet.start(group);
    const { kind, workers, options } = settings;
    const plan = { backends: fleet.ports, health: true, workers, options };
    const subject = await Subject.start(kind, group, plan);
    const load = settings.wrk
      ? new WrkLoad(subject.port, settings.connections, BEFORE + settings.seconds + AFTER + 5)
      : new Load(loadOf(subject.port, settings));
    await load.start();
    const watch = new Watch(subject);
    // Warm first: what is compiled meanwhile is no part of the figures.
    await pause(1000);
    load.take();
    await pause(BEFORE * 1000);
    const before = load.take();
    const started = performance.now();
    await fault.start(fleet);
    if (kind === 'rp') await watch.wait((one) => one.untilOut(fault.index, started), settings.seconds * 1000);
    else await pause((settings.seconds * 1000) / 2);
    const until = load.take();
    await pause(Math.max(0, started + settings.seconds * 1000 - performance.now()));
    const out = load.take();
    const healed = performance.now();
    await fault.heal(fleet);
    if (kind === 'rp') await watch.wait((one) => one.untilBack(fault.index, healed), 15_000);
    await pause(AFTER * 1000);
    const rest = await load.stop();
    await watch.stop();
    const back = watch.untilBack(fault.index, healed);
    return {
      name: fault.name,
      before,
      until,
      out,
      after: rest,
      left: watch.untilOut(fault.index, started),
      back,
      shares: back === undefined ? [] : watch.shares(fault.index, healed + back, AFTER - 1),
      alive: subject.alive,
    };
  } finally {
    await group.close();
  }
}

function loadOf(port: number, { connections, rate }: Settings): LoadOptions {
  const request = getRequest('/100', 'localhost');
  return {
    host: '127.0.0.1',
    port,
    connections,
    pacing: rate === 0 ? { kind: 'closed' } : { kind: 'rate', perSecond: rate },
    request: () => request,
    timeoutMs: 15_000,
  };
}

const FIGURES = [
  { title: 'fault', align: 'left' as const },
  ...['requests', 'errors', 'p99 before', 'until out', 'while out', 'after', 'max ms'].map((title) => ({
    title,
  })),
  { title: 'out after ms' },
  { title: 'back after ms' },
  { title: 'share in each second after its return, %', align: 'left' as const },
  { title: 'which errors', align: 'left' as const },
];

function figures({ name, before, until, out, after, left, back, shares }: Outcome): string[] {
  const reports = [before, until, out, after];
  const sum = (value: (report: LoadReport) => number): number =>
    reports.reduce((total, report) => total + value(report), 0);
  return [
    name,
    String(sum(({ ok, errors }) => ok + errors)),
    String(sum(({ errors }) => errors)),
    ...reports.map(({ p99 }) => cell(p99, 1)),
    cell(Math.max(...reports.map(({ max }) => max)), 0),
    cell(left, 0),
    cell(back, 0),
    shares.map((share) => cell(share, 0)).join(' '),
    kindsOf(reports),
  ];
}

function kindsOf(reports: readonly LoadReport[]): string {
  const total = new Map<string, number>();
  for (const { badStatus, failures } of reports)
    for (const [kind, count] of Object.entries({ ...badStatus, ...failures }))
      total.set(kind, (total.get(kind) ?? 0) + count);
  return [...total].map(([kind, count]) => `${kind}: ${count}`).join(', ');
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      peer: { type: 'string', default: 'rp' },
      secs: { type: 'string', default: '5' },
      connections: { type: 'string', default: '64' },
      rate: { type: 'string', default: '4000' },
      workers: { type: 'string', default: '1' },
      plain: { type: 'boolean', default: false },
      wrk: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const chosen = positionals.length === 0 ? Object.keys(FAULTS) : positionals;
  const outcomes: Outcome[] = [];
  for (const word of chosen) {
    const fault = FAULTS[word];
    if (fault === undefined) throw new RangeError(`there is no fault "${word}"\n${USAGE}`);
    const settings: Settings = {
      kind: subjectKind(values.peer),
      seconds: Number(values.secs),
      connections: Number(values.connections),
      rate: Number(values.rate),
      workers: Number(values.workers),
      options: values.plain ? PLAIN : OPTIONS,
      wrk: values.wrk,
    };
    outcomes.push(await play(fault, settings));
  }
  console.log(renderTable(FIGURES, outcomes.map(figures)));
  const noticed = outcomes.some(({ before, until, out, after }) =>
    [before, until, out, after].some(({ errors }) => errors > 0),
  );
  if ((values.strict && noticed) || outcomes.some(({ alive }) => !alive)) process.exitCode = 1;
}

await main();
