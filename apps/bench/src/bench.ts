import { readFileSync } from 'node:fs';
import { startStaticBackend } from './backend.ts';
import { makeCertificate } from './machine.ts';
import { type MeasureContext, type Sample, measure } from './measure.ts';
import type { CertificateFiles, Peer, RunningPeer } from './peers/peer.ts';
import { PROXY_CORE, ProcessGroup, freePort } from './process.ts';
import type { PeerResult } from './results.ts';
import { verify } from './verify.ts';
import type { Workload } from './workloads.ts';

/** How long and how often. */
export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Told what happens, a line at a time. */
  readonly log: (line: string) => void;
}

interface Entry {
  readonly peer: Peer;
  readonly samples: Sample[];
  running?: RunningPeer;
  skipped?: string;
}

/** Measures one workload on every peer that can do it. A peer that fails is reported and left out, not hidden. */
export async function runWorkload(
  workload: Workload,
  peers: readonly Peer[],
  options: BenchOptions,
): Promise<PeerResult[]> {
  const group = new ProcessGroup();
  try {
    const folder = group.folder('run');
    const tls = workload.tls ? makeCertificate(folder) : undefined;
    const ca = tls === undefined ? undefined : readFileSync(tls.cert, 'utf8');
    const context: MeasureContext = { group, folder, seconds: options.seconds, ca };
    const backend = await startStaticBackend(group, { cacheable: workload.cache });
    const entries = peers
      .filter((peer) => peer.supports(workload))
      .map((peer): Entry => ({ peer, samples: [] }));
    const run = new WorkloadRun(workload, context, backend.ports, tls, options);
    // Memory is compared from a fresh start, so there each peer runs alone.
    if (workload.kind === 'connections')
      await run.oneByOne(entries.filter((entry) => entry.peer.name !== 'direct'));
    else await run.alternating(entries);
    return entries
      .filter((entry) => entry.samples.length > 0 || entry.skipped !== undefined)
      .map(({ peer, samples, skipped }) => ({
        name: peer.name,
        version: skipped === undefined ? peer.version() : '',
        samples: skipped === undefined ? samples : [],
        skipped,
      }));
  } finally {
    await group.close();
  }
}

class WorkloadRun {
  readonly #workload: Workload;
  readonly #context: MeasureContext;
  readonly #backends: readonly number[];
  readonly #tls: CertificateFiles | undefined;
  readonly #options: BenchOptions;

  constructor(
    workload: Workload,
    context: MeasureContext,
    backends: readonly number[],
    tls: CertificateFiles | undefined,
    options: BenchOptions,
  ) {
    this.#workload = workload;
    this.#context = context;
    this.#backends = backends;
    this.#tls = tls;
    this.#options = options;
  }

  async alternating(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) await this.#attempt(entry, () => this.#start(entry));
    const warm = { ...this.#context, seconds: Math.min(1, this.#context.seconds) };
    for (const entry of entries) await this.#attempt(entry, (peer) => measure(peer, this.#workload, warm));
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const entry of entries) await this.#attempt(entry, (peer) => this.#sample(entry, peer, round));
    }
  }

  async oneByOne(entries: readonly Entry[]): Promise<void> {
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const entry of entries) {
        await this.#attempt(entry, () => this.#start(entry));
        await this.#attempt(entry, (peer) => this.#sample(entry, peer, round));
        await entry.running?.stop();
      }
    }
  }

  async #attempt(entry: Entry, work: (running: RunningPeer) => Promise<unknown>): Promise<void> {
    if (entry.skipped !== undefined) return;
    try {
      // `#start` is the one kind of work that does not look at what runs.
      await work(entry.running ?? { port: 0, stop: async () => undefined });
    } catch (cause) {
      const words = cause instanceof Error ? cause.message : String(cause);
      entry.skipped = words.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
      this.#options.log(`${this.#workload.name} ${entry.peer.name}: ${String(cause)}`);
    }
  }

  async #start(entry: Entry): Promise<void> {
    const missing = entry.peer.missing();
    if (missing !== undefined) throw new Error(`missing: ${missing}`);
    const { group, ca } = this.#context;
    entry.running = await entry.peer.start({
      group,
      folder: group.folder(entry.peer.name),
      port: await freePort(),
      adminPort: await freePort(),
      backends: this.#backends,
      tls: this.#tls,
      http2: this.#workload.http2,
      cache: this.#workload.cache,
      core: PROXY_CORE,
    });
    const endpoint = { port: entry.running.port, ca, http2: this.#workload.http2 };
    const wrong = await verify(endpoint, this.#workload, entry.peer.name !== 'direct');
    if (wrong.length > 0) throw new Error(`wrong answers: ${wrong.join('; ')}`);
  }

  async #sample(entry: Entry, peer: RunningPeer, round: number): Promise<void> {
    const sample = await measure(peer, this.#workload, this.#context);
    entry.samples.push(sample);
    const figures = Object.entries(sample).map(([name, value]) => `${name}=${Number(value).toFixed(2)}`);
    this.#options.log(`${this.#workload.name} round ${round} ${entry.peer.name}: ${figures.join(' ')}`);
  }
}
