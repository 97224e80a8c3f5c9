import { parseArgs } from 'node:util';
import { playCase } from './fuzzing/client.ts';
import { type FuzzCase, makeCase } from './fuzzing/cases.ts';
import { CONTROL_BODY, HostileBackend } from './fuzzing/hostile-backend.ts';
import { SecondOpinion } from './fuzzing/second-opinion.ts';
import { ProcessGroup } from './process.ts';
import { caseSeed } from './random.ts';
import { judge } from './stats.ts';
import { Subject, subjectKind } from './subject.ts';
import { ask } from './verify.ts';

const USAGE = `usage: node dist/fuzz.js [--minutes 10] [--seed N] [--cases 400] [--peer rp|nginx] [--only CASESEED]
Fuzzes the proxy from both sides. Prints JSON lines; exits 1 when anything was wrong.
--seed repeats a whole run, --only one case (both are printed with every failure).`;

/** Cases under way at once. */
const LANES = 96;
/** What may still be added over a run: idle backend connections come and go; a heap breathes. */
const ALLOWED = {
  descriptors: { absolute: 40, relative: 0.2 },
  memory: { absolute: 32 * 2 ** 20, relative: 0.25 },
};
/** Failures recorded in full; more are only counted. */
const RECORDED = 50;

const say = (record: Readonly<Record<string, unknown>>): void => console.log(JSON.stringify(record));

class Fuzzer {
  readonly #subject: Subject;
  readonly #backend: HostileBackend;
  readonly #opinion: SecondOpinion;
  readonly #seed: number;
  readonly #memory: number[] = [];
  readonly #descriptors: number[] = [];
  #said = '';
  cases = 0;
  answers = 0;
  failures = 0;

  constructor(subject: Subject, backend: HostileBackend, opinion: SecondOpinion, seed: number) {
    this.#subject = subject;
    this.#backend = backend;
    this.#opinion = opinion;
    this.#seed = seed;
  }

  /** One round of cases, then the checks. Returns false when it makes no sense to go on. */
  async round(count: number): Promise<boolean> {
    const first = this.cases;
    const lane = async (): Promise<void> => {
      while (this.cases < first + count) await this.#play(makeCase(caseSeed(this.#seed, this.cases++)));
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    for (const { seed, problem } of this.#backend.problems.splice(0))
      this.#fail(`forwarded: ${problem}`, { case: seed });
    for (const problem of await this.#opinion.judge(this.#backend.takeForwarded()))
      this.#fail(`smuggled: ${problem.slice(0, 4000)}`, { cases: [first, this.cases] });
    this.#backend.forget();
    return this.#checkSubject(first);
  }

  /** One case by its own seed, with everything that was sent and received. */
  async only(seed: number): Promise<void> {
    const fuzzCase = makeCase(seed);
    const result = await playCase(fuzzCase, this.#subject.port);
    const sent = Buffer.concat(fuzzCase.pieces).toString('latin1');
    say({
      case: seed,
      kind: fuzzCase.kind,
      end: fuzzCase.end,
      sent,
      received: result.received.toString('latin1'),
    });
    if (result.problem !== undefined) this.#fail(result.problem, { case: seed });
    for (const { problem } of this.#backend.problems) this.#fail(`forwarded: ${problem}`, { case: seed });
  }

  /** Judges the series of memory and descriptors, and sums up. */
  summary(): void {
    const memory = judge(this.#memory, ALLOWED.memory);
    const descriptors = judge(this.#descriptors, ALLOWED.descriptors);
    if (!memory.flat) this.#fail(`resident memory grew by ${Math.round(memory.grew / 2 ** 20)} MiB`, {});
    if (!descriptors.flat) this.#fail(`open descriptors grew by ${Math.round(descriptors.grew)}`, {});
    const { cases, answers, failures } = this;
    const mib = Math.round((this.#memory.at(-1) ?? 0) / 2 ** 20);
    say({
      done: true,
      seed: this.#seed,
      cases,
      answers,
      failures,
      rounds: this.#memory.length,
      memoryMiB: mib,
      memory,
      descriptors,
    });
  }

  async #play(fuzzCase: FuzzCase): Promise<void> {
    const { problem, answers, received } = await playCase(fuzzCase, this.#subject.port);
    this.answers += answers;
    if (problem === undefined) return;
    const sent = Buffer.concat(fuzzCase.pieces).toString('base64');
    this.#fail(problem, {
      case: fuzzCase.seed,
      kind: fuzzCase.kind,
      sent: sent.slice(0, 4000),
      received: received.toString('base64').slice(0, 4000),
    });
  }

  async #checkSubject(first: number): Promise<boolean> {
    if (!this.#subject.alive) {
      this.#fail('the process has ended', { cases: [first, this.cases], stderr: this.#subject.errors() });
      return false;
    }
    // A supervisor replaces a dead worker within a second: that the process lives does not show that nothing died.
    const said = this.#subject.errors();
    if (said !== this.#said && /worker died/.test(said))
      this.#fail('a worker died', { cases: [first, this.cases], stderr: said });
    this.#said = said;
    if (!(await this.#control(first)) && !(await this.#controlAfterRestart(first))) return false;
    const { memory, descriptors } = this.#subject.usage();
    this.#memory.push(memory);
    this.#descriptors.push(descriptors);
    say({
      round: this.#memory.length,
      cases: this.cases,
      answers: this.answers,
      failures: this.failures,
      memory,
      descriptors,
    });
    return true;
  }

  /** A correct request on the route of its own. A failure is recorded with what the proxy said. */
  async #control(first: number): Promise<boolean> {
    try {
      const { status, body } = await ask({ port: this.#subject.port }, '/ok/control');
      if (status !== 200 || body.toString() !== CONTROL_BODY) this.#fail(`control request got ${status}`, {});
      return true;
    } catch (cause) {
      this.#fail(`control request failed: ${String(cause)}`, {
        cases: [first, this.cases],
        stderr: this.#subject.errors(),
      });
      return false;
    }
  }

  /** Whether it serves again after the time a replacement takes; the run goes on then, and has failed all the same. */
  async #controlAfterRestart(first: number): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    return this.#control(first);
  }

  #fail(problem: string, more: Readonly<Record<string, unknown>>): void {
    this.failures++;
    if (this.failures <= RECORDED) say({ failure: problem, seed: this.#seed, ...more });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string' },
      cases: { type: 'string', default: '400' },
      peer: { type: 'string', default: 'rp' },
      only: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed);
  const group = new ProcessGroup();
  const backend = new HostileBackend();
  const opinion = new SecondOpinion();
  try {
    await opinion.start(group);
    const port = await backend.listen();
    const subject = await Subject.start(subjectKind(values.peer), group, { backends: [port], control: port });
    const fuzzer = new Fuzzer(subject, backend, opinion, seed);
    say({ start: true, seed, peer: values.peer, minutes: Number(values.minutes) });
    const until = performance.now() + Number(values.minutes) * 60_000;
    if (values.only !== undefined) await fuzzer.only(Number(values.only));
    else while (performance.now() < until && (await fuzzer.round(Number(values.cases))));
    if (values.only === undefined) fuzzer.summary();
    if (fuzzer.failures > 0) process.exitCode = 1;
  } finally {
    opinion.close();
    await group.close();
    // Not waited for: hostile cases leave sockets behind that never come to an end.
    void backend.close();
  }
}

await main();
process.exit();
