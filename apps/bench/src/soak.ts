import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { type StaticBackend, startStaticBackend } from './backend.ts';
import { Load, getRequest, postRequest } from './load.ts';
import { ProcessGroup } from './process.ts';
import { Random } from './random.ts';
import { judge } from './stats.ts';
import { Subject, type SubjectPlan, subjectKind } from './subject.ts';

const USAGE = `usage: node dist/soak.js [--minutes 60] [--peer rp|nginx] [--rate 500] [--seed N] [--workers 2]
Mixes requests, uploads, aborts, reloads and restarts of backends for a long time and samples descriptors, memory and
whatever /stats counts as held (timers, permits, connections …). Prints JSON lines; exits 1 when a series is not flat.`;

/** Counters of `/stats` that must come back down; totals, which only rise, are left out. */
const HELD =
  /timer|permit|parser|active|inflight|in_flight|waiting|waiters|idle|open|heapused|handles|connections$/i;
const TOTAL =
  /total|created|accepted|reused|evicted|opened|closed|timeouts|(^|\.)requests|max|limit|since|uptime/i;

const ALLOWED = {
  memory: { absolute: 24 * 2 ** 20, relative: 0.15 },
  descriptors: { absolute: 30, relative: 0.1 },
  held: { absolute: 50, relative: 0.25 },
  heap: { absolute: 16 * 2 ** 20, relative: 0.25 },
};

const say = (record: Readonly<Record<string, unknown>>): void => console.log(JSON.stringify(record));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Clients that go away at random points: in the head, in an upload, before and inside a large answer. */
class Aborter {
  readonly #port: number;
  readonly #random: Random;
  #timer: NodeJS.Timeout | undefined;
  aborted = 0;

  constructor(port: number, seed: number) {
    this.#port = port;
    this.#random = new Random(seed);
  }

  /** Starts `perSecond` connections each second. */
  start(perSecond: number): void {
    this.#timer = setInterval(() => this.#one(), 1000 / perSecond);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #one(): void {
    const upload = postRequest('/upload', 'localhost', 64 * 1024).bytes;
    const whole = this.#random.chance(0.5) ? getRequest('/1m', 'localhost').bytes : upload;
    const part = this.#random.chance(0.5) ? whole : whole.subarray(0, this.#random.below(whole.length));
    const socket = connect(this.#port, '127.0.0.1', () => socket.write(part));
    const end = this.#random.chance(0.5) ? () => socket.destroy() : () => socket.resetAndDestroy();
    setTimeout(end, this.#random.below(200));
    // Whatever happens to a client that is about to leave is of no interest, the count excepted.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.aborted++);
    socket.resume();
  }
}

/** Everything measured, as series. */
class Series {
  readonly series = new Map<string, number[]>();

  add(name: string, value: number): void {
    const list = this.series.get(name);
    if (list) list.push(value);
    else this.series.set(name, [value]);
  }

  async sample(subject: Subject): Promise<Record<string, number>> {
    const { memory, descriptors } = subject.usage();
    const taken: Record<string, number> = { memory, descriptors };
    for (const [path, value] of (await subject.stats()) ?? []) {
      if (HELD.test(path) && !TOTAL.test(path)) taken[`stats.${path}`] = value;
    }
    for (const [name, value] of Object.entries(taken)) this.add(name, value);
    return taken;
  }

  /** Names of the series that grew by more than is allowed. */
  judge(): { notFlat: string[]; verdicts: Record<string, unknown> } {
    const notFlat: string[] = [];
    const verdicts: Record<string, unknown> = {};
    for (const [name, values] of this.series) {
      const bytes = /heap|memory/i.test(name) && name !== 'memory';
      const allowed =
        name === 'memory' || name === 'descriptors' ? ALLOWED[name] : bytes ? ALLOWED.heap : ALLOWED.held;
      const verdict = judge(values, allowed);
      verdicts[name] = { first: values[0], last: values.at(-1), ...verdict };
      if (!verdict.flat) notFlat.push(name);
    }
    return { notFlat, verdicts };
  }
}

interface Setting {
  readonly group: ProcessGroup;
  readonly subject: Subject;
  readonly plan: SubjectPlan;
  readonly backends: StaticBackend[];
  readonly extra: number;
}

/** Reloads and restarts, alternating, every few seconds. */
async function disturb(setting: Setting, step: number): Promise<string> {
  const { subject, plan, backends, group, extra } = setting;
  if (step % 3 !== 2) {
    subject.write(step % 3 === 0 ? { ...plan, backends: [...plan.backends, extra] } : plan);
    subject.reload();
    return 'reload';
  }
  const index = step % backends.length;
  const old = backends[index];
  if (!old) return 'nothing';
  await group.stop(old.child);
  await pause(300);
  backends[index] = await startStaticBackend(group, { ports: old.ports });
  return 'backend restart';
}

async function soak(setting: Setting, minutes: number, rate: number, seed: number): Promise<void> {
  const { subject } = setting;
  const { port } = subject;
  const every = Math.max(1000, (minutes * 60_000) / 240);
  const where = { host: '127.0.0.1', port, timeoutMs: 10_000 };
  const mix = ['/100', '/100', '/10k', '/100', '/echo', '/100', '/10k', '/1m'].map((path) =>
    getRequest(path, 'localhost'),
  );
  const upload = postRequest('/upload', 'localhost', 256 * 1024);
  const gets = new Load({
    ...where,
    connections: 64,
    pacing: { kind: 'rate', perSecond: rate },
    request: (n) => mix[n % mix.length] ?? upload,
  });
  const posts = new Load({
    ...where,
    connections: 4,
    pacing: { kind: 'rate', perSecond: 10 },
    request: () => upload,
  });
  const aborter = new Aborter(port, seed);
  const record = new Series();
  const before = subject.usage();
  await Promise.all([gets.start(), posts.start()]);
  aborter.start(20);
  const until = performance.now() + minutes * 60_000;
  let errors = 0;
  let ok = 0;
  for (let step = 0; performance.now() < until && subject.alive; step++) {
    await pause(every / 2);
    const disturbed = await disturb(setting, step);
    await pause(every / 2);
    const [get, post] = [gets.take(), posts.take()];
    ok += get.ok + post.ok;
    errors += get.errors + post.errors;
    const failures = {
      gets: { ...get.badStatus, ...get.failures },
      posts: { ...post.badStatus, ...post.failures },
    };
    const seconds = Math.round(minutes * 60 - (until - performance.now()) / 1000);
    say({
      seconds,
      disturbed,
      ok,
      errors,
      failures,
      p99: get.p99,
      aborted: aborter.aborted,
      ...(await record.sample(subject)),
    });
  }
  aborter.stop();
  await Promise.all([gets.stop(), posts.stop()]);
  await pause(Math.min(10_000, minutes * 10_000));
  const after = subject.usage();
  const { notFlat, verdicts } = record.judge();
  // Connections to the backends may stay in their pools; nothing else may.
  if (after.descriptors > before.descriptors + 128) notFlat.push('descriptors after the end');
  // A series that was never seen has not been found flat: the record must not read as if it had.
  const held = [...record.series.keys()].filter((name) => name.startsWith('stats.')).length;
  const unchecked = held > 0 ? [] : ['timers, permits, connections, heap: no /stats'];
  say({
    done: true,
    unchecked,
    alive: subject.alive,
    ok,
    errors,
    aborted: aborter.aborted,
    before,
    after,
    notFlat,
    verdicts,
  });
  if (notFlat.length > 0 || !subject.alive) process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '60' },
      peer: { type: 'string', default: 'rp' },
      rate: { type: 'string', default: '500' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const kind = subjectKind(values.peer);
  const group = new ProcessGroup();
  try {
    const backends = [await startStaticBackend(group), await startStaticBackend(group)];
    const [extra] = (await startStaticBackend(group)).ports;
    const plan = {
      backends: backends.map((backend) => backend.ports[0]),
      health: true,
      workers: Number(values.workers),
    };
    const subject = await Subject.start(kind, group, plan);
    await soak(
      { group, subject, plan, backends, extra },
      Number(values.minutes),
      Number(values.rate),
      Number(values.seed),
    );
  } finally {
    await group.close();
  }
}

await main();
