import { BackendTable, UpstreamGroup } from '@rp/balancer';
import { Counters, counterNames } from '@rp/core';
import type { ListeningAddress } from '../cli/io.ts';
import { diffConfig, type Plan, type ProxyConfig } from '../config/index.ts';
import type { LogLevel, Logger } from '../log/index.ts';
import { groupOptions } from './group-options.ts';
import type { Snapshot } from './messages.ts';
import { createWorkerMemory, permitsOf, shareUpstreams, type WorkerMemory } from './shared-memory.ts';
import { WorkerHandle, type WorkerEvents } from './worker-handle.ts';
import { processClock } from './worker-engine.ts';

/** Milliseconds between two looks at the workers. */
const WATCH = 500;
/** Milliseconds before a worker that died is replaced: the first at once, then doubled, up to the last. */
const FIRST_DELAY = 100;
const LAST_DELAY = 10_000;
/** A worker that lived this long may die without making the next wait longer. */
const LONG_LIFE = 60_000;

interface Slot {
  readonly memory: WorkerMemory;
  handle: WorkerHandle | undefined;
  bornAt: number;
  deaths: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The main thread's part: it owns the configuration and the shared memory, starts the workers, watches them, and
 * replaces those that die. It carries no traffic.
 */
export class Supervisor implements WorkerEvents {
  readonly #logger: Logger;
  readonly #workers: number;
  readonly #slots: Slot[] = [];
  readonly #clock: () => number = processClock();
  #snapshot: Snapshot;
  #groups: Map<string, UpstreamGroup> = new Map();
  #watch: NodeJS.Timeout | undefined = undefined;
  #draining = false;
  #waitingForDrain: Set<number> = new Set();
  #cut = 0;
  #drained: ((cut: number) => void) | undefined = undefined;
  #started:
    | { resolve: (listening: readonly ListeningAddress[]) => void; reject: (error: Error) => void }
    | undefined;

  constructor(config: ProxyConfig, workers: number, logger: Logger) {
    this.#logger = logger;
    this.#workers = workers;
    this.#snapshot = { version: 1, config, upstreams: shareUpstreams(config, workers, []) };
    for (let i = 0; i < workers; i++) {
      const memory = createWorkerMemory();
      this.#slots.push({ memory, handle: undefined, bornAt: 0, deaths: 0, timer: undefined });
    }
    this.#observeGroups();
  }

  get config(): ProxyConfig {
    return this.#snapshot.config;
  }

  get version(): number {
    return this.#snapshot.version;
  }

  get isReady(): boolean {
    return !this.#draining && this.#slots.every((slot) => slot.handle?.isReady === true);
  }

  /** The supervisor's own view of each upstream group: for statistics, health checks and the operator. */
  get groups(): ReadonlyMap<string, UpstreamGroup> {
    return this.#groups;
  }

  /** Resolves when every worker accepts connections; rejects if one cannot. */
  start(): Promise<readonly ListeningAddress[]> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      // One first: where port 0 is asked for, or an address cannot be had, it is known before the rest starts.
      this.#spawn(0);
      this.#watch = setInterval(() => this.#look(), WATCH);
    });
  }

  /** Counters of all workers added up, those of workers that died included. */
  counters(): Record<string, number> {
    const sum: Record<string, number> = Object.fromEntries(counterNames.map((name) => [name, 0]));
    for (const { memory } of this.#slots) {
      const one = new Counters(memory.counters).snapshot();
      for (const name of counterNames) sum[name]! += one[name]!;
    }
    return sum;
  }

  /** Takes a valid configuration over in all workers; returns what is different. */
  reload(config: ProxyConfig): Plan {
    const plan = diffConfig(this.#snapshot.config, config);
    const upstreams = shareUpstreams(config, this.#workers, this.#snapshot.upstreams);
    this.#snapshot = { version: this.#snapshot.version + 1, config, upstreams };
    this.#observeGroups();
    for (const { handle } of this.#slots) handle?.tell({ type: 'apply', snapshot: this.#snapshot });
    return plan;
  }

  logLevel(level: LogLevel): void {
    for (const { handle } of this.#slots) handle?.tell({ type: 'logLevel', level });
  }

  reopenLogs(): void {
    for (const { handle } of this.#slots) handle?.tell({ type: 'reopenLogs' });
  }

  /** Lets every worker finish; resolves with the number of connections that had to be cut. */
  drain(limit: number): Promise<number> {
    this.#draining = true;
    clearInterval(this.#watch);
    return new Promise((resolve) => {
      this.#drained = resolve;
      for (const slot of this.#slots) {
        clearTimeout(slot.timer);
        if (slot.handle === undefined) continue;
        this.#waitingForDrain.add(slot.handle.index);
        slot.handle.tell({ type: 'drain', limit });
      }
      if (this.#waitingForDrain.size === 0) resolve(0);
    });
  }

  /** Ends all workers at once. */
  async terminate(): Promise<void> {
    this.#draining = true;
    clearInterval(this.#watch);
    await Promise.all(this.#slots.map((slot) => slot.handle?.terminate()));
  }

  // ---- WorkerEvents -----------------------------------------------------------------------------------------

  ready(index: number, listening: readonly ListeningAddress[]): void {
    this.#logger.info({ worker: index }, 'worker ready');
    if (this.#started === undefined) return;
    if (index === 0) {
      this.#listening = listening;
      this.#snapshot = { ...this.#snapshot, config: withPorts(this.#snapshot.config, listening) };
      for (let i = 1; i < this.#workers; i++) this.#spawn(i);
    }
    if (!this.isReady) return;
    const started = this.#started;
    this.#started = undefined;
    started.resolve(this.#listening);
  }

  refused(index: number, version: number, message: string): void {
    this.#logger.error(
      { worker: index, version, error: message },
      'a worker could not take the configuration over',
    );
  }

  invalidated(index: number, key: string): void {
    for (const { handle } of this.#slots) {
      if (handle !== undefined && handle.index !== index) handle.tell({ type: 'invalidate', key });
    }
  }

  drained(index: number, cut: number): void {
    this.#cut += cut;
    this.#waitingForDrain.delete(index);
    if (this.#waitingForDrain.size === 0) this.#drained?.(this.#cut);
  }

  died(index: number, reason: string): void {
    const slot = this.#slots[index]!;
    slot.handle = undefined;
    if (this.#draining) return this.drained(index, 0);
    this.#reclaim(index, slot);
    if (this.#started !== undefined) {
      const started = this.#started;
      this.#started = undefined;
      clearInterval(this.#watch);
      void this.terminate().then(() => started.reject(new Error(reason)));
      return;
    }
    const now = this.#clock();
    slot.deaths = now - slot.bornAt > LONG_LIFE ? 1 : slot.deaths + 1;
    const delay = slot.deaths === 1 ? 0 : Math.min(LAST_DELAY, FIRST_DELAY * 2 ** (slot.deaths - 2));
    this.#logger.error({ worker: index, reason, deaths: slot.deaths, restartInMs: delay }, 'a worker died');
    slot.timer = setTimeout(() => this.#spawn(index), delay);
  }

  // ---- Inside -----------------------------------------------------------------------------------------------

  #listening: readonly ListeningAddress[] = [];

  #spawn(index: number): void {
    const slot = this.#slots[index]!;
    const now = this.#clock();
    slot.bornAt = now;
    const birth = { index, workers: this.#workers, memory: slot.memory, snapshot: this.#snapshot };
    slot.handle = new WorkerHandle(birth, now, this);
  }

  #look(): void {
    const now = this.#clock();
    for (const { handle } of this.#slots) handle?.checkPulse(now);
  }

  /** What a dead worker held in shared memory is free again; its sums stay, its gauges go. */
  #reclaim(index: number, slot: Slot): void {
    for (const group of this.#groups.values()) group.reclaim(index);
    for (const shared of this.#snapshot.upstreams) {
      const { capacity } = BackendTable.attach(shared.table, 0);
      for (let backend = 0; backend < capacity; backend++) {
        permitsOf(shared, backend, this.#workers).reclaim(index);
      }
    }
    new Counters(slot.memory.counters).clearGauges();
  }

  #observeGroups(): void {
    const groups = new Map<string, UpstreamGroup>();
    for (const shared of this.#snapshot.upstreams) {
      const upstream = this.#snapshot.config.upstreams.find(({ name }) => name === shared.name)!;
      const running = this.#groups.get(shared.name);
      if (running !== undefined && running.table.buffer === shared.table) {
        running.update(groupOptions(upstream));
        groups.set(shared.name, running);
      } else {
        const table = BackendTable.attach(shared.table, this.#workers);
        groups.set(shared.name, new UpstreamGroup({ name: shared.name, table, ...groupOptions(upstream) }));
      }
    }
    this.#groups = groups;
  }
}

/** Ports that the system chose become part of the configuration: the other workers, and successors, share them. */
function withPorts(config: ProxyConfig, listening: readonly ListeningAddress[]): ProxyConfig {
  const listeners = config.listeners.map((listener, index) => ({
    ...listener,
    port: listening[index]?.port ?? listener.port,
  }));
  return { ...config, listeners };
}
