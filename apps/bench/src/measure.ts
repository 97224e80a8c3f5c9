import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ClientJob } from './client-main.ts';
import type { HandshakeReport } from './handshakes.ts';
import type { LoadReport } from './load.ts';
import type { RunningPeer } from './peers/peer.ts';
import { cpuTime, processTree, residentMemory } from './proc.ts';
import { LOAD_CORE, type ProcessGroup, canPin, programPath } from './process.ts';
import { h2loadCommand, parseH2load, parseH2loadLog, parseWrk, wrkCommand } from './tools.ts';
import type { Workload } from './workloads.ts';

/** One measurement of one peer in one round. Absent figures were not measured by this kind of workload. */
export interface Sample {
  /** Processor time of the proxy per request (or connection), microseconds. */
  readonly cpu?: number;
  readonly perSecond?: number;
  /** Milliseconds. */
  readonly p50?: number;
  readonly p95?: number;
  readonly p99?: number;
  /** Resident memory of the proxy's processes after the run, bytes. */
  readonly memory?: number;
  /** Resident memory per open connection, bytes. */
  readonly perConnection?: number;
  /** Connections of the held ones that were served at the end. */
  readonly served?: number;
  /** 99th percentile of the generator's own lateness, ms. */
  readonly lateP99?: number;
  readonly errors: number;
}

/** What a measurement needs beside the peer. */
export interface MeasureContext {
  readonly group: ProcessGroup;
  readonly folder: string;
  readonly seconds: number;
  /** PEM of the certificate, for TLS workloads. */
  readonly ca?: string | undefined;
}

/** Open connections of the `connections` workload, and the addresses they come from. */
export const HELD_CONNECTIONS = 10_000;
const CLIENT_ADDRESSES = Array.from({ length: 8 }, (_, i) => `127.0.0.${i + 2}`);

/** Measures a workload once on a peer that runs. */
export async function measure(
  peer: RunningPeer,
  workload: Workload,
  context: MeasureContext,
): Promise<Sample> {
  switch (workload.kind) {
    case 'wrk':
    case 'h2load':
      return measureTool(peer, workload, context);
    case 'latency':
      return measureLatency(peer, workload, context);
    case 'handshakes':
      return measureHandshakes(peer, workload, context);
    case 'connections':
      return measureConnections(peer, workload, context);
  }
}

/** Processes of a peer; none for `direct`. */
function pidsOf(peer: RunningPeer): number[] {
  return peer.child ? processTree(peer.child.pid) : [];
}

/** Processor time per request while `work` ran, and memory after it. */
async function accounted<T>(
  peer: RunningPeer,
  work: () => Promise<T>,
  requestsOf: (result: T) => number,
): Promise<{ result: T; figures: { cpu?: number; memory?: number } }> {
  const pids = pidsOf(peer);
  const before = cpuTime(pids);
  const result = await work();
  if (pids.length === 0) return { result, figures: {} };
  const cpu = (cpuTime(pids) - before) / Math.max(1, requestsOf(result));
  return { result, figures: { cpu, memory: residentMemory(pids) } };
}

async function measureTool(peer: RunningPeer, workload: Workload, context: MeasureContext): Promise<Sample> {
  const log = join(context.folder, 'h2load.log');
  const h2 = workload.kind === 'h2load';
  const line = h2
    ? h2loadCommand(workload, peer.port, context.seconds, log)
    : wrkCommand(workload, peer.port, context.seconds, context.folder);
  const { result, figures } = await accounted(
    peer,
    async () => {
      const output = await runOnLoadCore(line);
      return h2 ? { ...parseH2load(output), ...parseH2loadLog(readFileSync(log, 'utf8')) } : parseWrk(output);
    },
    (report) => report.requests,
  );
  rmSync(log, { force: true });
  const { perSecond, p50, p99, errors } = result;
  return { ...figures, perSecond, p50, p99, errors };
}

async function measureLatency(
  peer: RunningPeer,
  workload: Workload,
  context: MeasureContext,
): Promise<Sample> {
  const job: ClientJob = {
    job: 'load',
    port: peer.port,
    path: workload.path,
    connections: 1000,
    pacing: { kind: 'rate', perSecond: 5000 },
    warmupMs: 1000,
    durationMs: context.seconds * 1000,
  };
  const { result, figures } = await accounted(
    peer,
    () => runClient<LoadReport>(context.group, job),
    // The warm-up's processor time is counted, so its requests are too.
    (report) => (report.ok / report.seconds) * (report.seconds + 1),
  );
  const { perSecond, p50, p95, p99, errors, lateP99 } = result;
  return { ...figures, perSecond, p50, p95, p99, errors, lateP99 };
}

async function measureHandshakes(
  peer: RunningPeer,
  workload: Workload,
  context: MeasureContext,
): Promise<Sample> {
  const job: ClientJob = {
    job: 'handshakes',
    port: peer.port,
    ca: context.ca ?? '',
    path: workload.path,
    resume: workload.resume,
    concurrency: 32,
    durationMs: context.seconds * 1000,
  };
  const { result, figures } = await accounted(
    peer,
    () => runClient<HandshakeReport>(context.group, job),
    (report) => report.handshakes,
  );
  const unwanted = workload.resume ? result.handshakes - result.resumed : result.resumed;
  const { perSecond, p50, p99, errors } = result;
  return { ...figures, perSecond, p50, p99, errors: errors + unwanted };
}

async function measureConnections(
  peer: RunningPeer,
  workload: Workload,
  context: MeasureContext,
): Promise<Sample> {
  const before = residentMemory(pidsOf(peer));
  const job: ClientJob = {
    job: 'hold',
    port: peer.port,
    path: workload.path,
    connections: HELD_CONNECTIONS,
    localAddresses: CLIENT_ADDRESSES,
  };
  const client = startClient(context.group, job);
  const { opened } = await client.next<{ opened: number }>();
  await new Promise((resolve) => setTimeout(resolve, context.seconds * 1000));
  const during = residentMemory(pidsOf(peer));
  client.go();
  const { served } = await client.next<{ served: number }>();
  await client.exited;
  return {
    memory: during,
    perConnection: (during - before) / Math.max(1, opened),
    served,
    errors: HELD_CONNECTIONS - Math.min(opened, served),
  };
}

/** Runs a command on the load's core and gives what it printed. */
function runOnLoadCore(line: readonly string[]): Promise<string> {
  const [command = '', ...args] = canPin() ? ['taskset', '-c', String(LOAD_CORE), ...line] : line;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${command}: ${output}`)),
    );
  });
}

interface Client {
  next<T>(): Promise<T>;
  go(): void;
  readonly exited: Promise<number | string>;
}

function startClient(group: ProcessGroup, job: ClientJob): Client {
  const child = group.startNode(programPath(import.meta.url, './client-main'), job, {
    core: LOAD_CORE,
    descriptors: 65_536,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stdout = child.process.stdout;
  if (!stdout) throw new Error('the client has no output');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return {
    exited: child.exited,
    go: () => child.process.stdin?.write('\n'),
    async next<T>() {
      const line = await lines.next();
      if (line.done === true) throw new Error(`the client ended without a word:\n${child.errors()}`);
      return JSON.parse(line.value) as T;
    },
  };
}

async function runClient<T>(group: ProcessGroup, job: ClientJob): Promise<T> {
  const client = startClient(group, job);
  const report = await client.next<T>();
  await client.exited;
  return report;
}
