import { parseArgs } from 'node:util';
import { RawBackend, completeRequest, startStaticBackend } from './backend.ts';
import { Load, type LoadReport, getRequest } from './load.ts';
import { isAlive } from './proc.ts';
import { ProcessGroup } from './process.ts';
import { holdSocket } from './socket-holder.ts';
import { Subject, type SubjectKind, subjectKind } from './subject.ts';
import { ask } from './verify.ts';

const USAGE = `usage: node dist/reloads.js [reloads] [handovers] [term] [--peer rp|nginx] [--reloads 100] [--handovers 20]
                       [--interval 200] [--connections 32] [--workers 2]
Counts the requests that fail while the proxy is reloaded, replaced by a new process on the same socket
(LISTEN_FDS), or told to end (SIGTERM), all under keep-alive load. Exits 1 when any failed.`;

interface Options {
  readonly kind: SubjectKind;
  readonly reloads: number;
  readonly handovers: number;
  readonly interval: number;
  readonly connections: number;
  readonly workers: number;
}

/** What a part of the script found. */
interface Outcome {
  readonly part: string;
  readonly report: LoadReport;
  /** Failures that count: a refused connection after the end of the proxy is not one. */
  readonly failed: number;
  readonly notes: Readonly<Record<string, unknown>>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function loadOn(port: number, connections: number): Promise<Load> {
  const request = getRequest('/100', 'localhost');
  const load = new Load({
    host: '127.0.0.1',
    port,
    connections,
    pacing: { kind: 'closed' },
    request: () => request,
  });
  await load.start();
  await pause(300);
  return load;
}

/** Reloads that add and remove a third backend in turn; it counts its requests, which shows that they took effect. */
async function reloads(group: ProcessGroup, options: Options, ports: readonly number[]): Promise<Outcome> {
  let thirdServed = 0;
  const third = new RawBackend((socket, received) => {
    const request = completeRequest(received);
    if (!request) return 0;
    thirdServed++;
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthird');
    return request.length;
  }, false);
  const extra = await third.listen();
  const { workers } = options;
  const subject = await Subject.start(options.kind, group, { backends: ports, workers });
  const load = await loadOn(subject.port, options.connections);
  let seen = 0;
  for (let i = 0; i < options.reloads; i++) {
    const before = thirdServed;
    subject.write({ backends: i % 2 === 0 ? [...ports, extra] : ports, workers });
    subject.reload();
    await pause(options.interval);
    if (i % 2 === 0 && thirdServed > before) seen++;
  }
  const report = await load.stop();
  await subject.stop();
  await third.close();
  const notes = {
    reloads: options.reloads,
    tookEffect: `${seen} of ${Math.ceil(options.reloads / 2)}`,
    thirdServed,
  };
  return { part: 'reloads', report, failed: report.errors + (seen === 0 ? 1 : 0), notes };
}

/** Processes that replace one another on the same socket: the new one first, then SIGTERM to the old one. */
async function handovers(group: ProcessGroup, options: Options, ports: readonly number[]): Promise<Outcome> {
  const subject = await Subject.prepare(options.kind, group, { backends: ports, workers: options.workers });
  const holder = await holdSocket(group, subject.port, subject.command());
  let current = await holder.next();
  // The socket listens already: this waits in its queue until the first process accepts.
  await ask({ port: subject.port }, '/100');
  const load = await loadOn(subject.port, options.connections);
  let stubborn = 0;
  for (let i = 0; i < options.handovers; i++) {
    const successor = await holder.next();
    await pause(Math.max(1500, options.interval));
    process.kill(current, 'SIGTERM');
    const limit = performance.now() + 10_000;
    while (isAlive(current) && performance.now() < limit) await pause(20);
    if (isAlive(current)) {
      stubborn++;
      process.kill(current, 'SIGKILL');
    }
    current = successor;
  }
  const report = await load.stop();
  if (isAlive(current)) process.kill(current, 'SIGTERM');
  return {
    part: 'handovers',
    report,
    failed: report.errors + stubborn,
    notes: { handovers: options.handovers, didNotEnd: stubborn },
  };
}

/** SIGTERM under load: whatever was accepted is answered; new connections are refused, which is no failure. */
async function term(group: ProcessGroup, options: Options, ports: readonly number[]): Promise<Outcome> {
  const subject = await Subject.start(options.kind, group, { backends: ports, workers: options.workers });
  const load = await loadOn(subject.port, options.connections);
  const exit = await Promise.race([subject.drain(), pause(15_000).then(() => 'still running')]);
  const report = await load.stop();
  const { refused = 0, connect = 0 } = report.failures;
  const wrongExit = exit === 0 ? 0 : 1;
  return {
    part: 'term',
    report,
    failed: report.errors - refused - connect + wrongExit,
    notes: { exit, refused, connect },
  };
}

const PARTS = { reloads, handovers, term };

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      peer: { type: 'string', default: 'rp' },
      reloads: { type: 'string', default: '100' },
      handovers: { type: 'string', default: '20' },
      interval: { type: 'string', default: '200' },
      connections: { type: 'string', default: '32' },
      workers: { type: 'string', default: '2' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const options: Options = {
    kind: subjectKind(values.peer),
    reloads: Number(values.reloads),
    handovers: Number(values.handovers),
    interval: Number(values.interval),
    connections: Number(values.connections),
    workers: Number(values.workers),
  };
  const wanted = Object.entries(PARTS).filter(
    ([name]) => positionals.length === 0 || positionals.includes(name),
  );
  for (const [name, run] of wanted) {
    if (name === 'handovers' && options.kind !== 'rp') {
      console.log(JSON.stringify({ part: name, skipped: 'nginx hands over in a way of its own' }));
      continue;
    }
    const group = new ProcessGroup();
    try {
      const backend = await startStaticBackend(group);
      const { part, report, failed, notes } = await run(group, options, backend.ports);
      console.log(
        JSON.stringify({
          part,
          failed,
          ok: report.ok,
          badStatus: report.badStatus,
          failures: report.failures,
          ...notes,
        }),
      );
      if (failed > 0) process.exitCode = 1;
    } catch (cause) {
      // The other parts are still worth knowing; this one has failed.
      console.log(JSON.stringify({ part: name, failed: 'could not be run', why: String(cause) }));
      process.exitCode = 1;
    } finally {
      await group.close();
    }
  }
}

await main();
