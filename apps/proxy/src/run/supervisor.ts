import {
  BackendTable,
  nodeResolver,
  type Administration,
  type NameResolver,
  type Scheduler,
} from '@rp/balancer';
import { Counters, counterNames } from '@rp/core';
import { HandshakeCounters } from '@rp/tls';
import { randomBytes } from 'node:crypto';
import type { ListeningAddress } from '../cli/io.ts';
import { diffConfig, type Plan, type ProxyConfig } from '../config/index.ts';
import { setLevel, type LogLevel, type Logger } from '../log/index.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import { AddressCounts, createAddressCounts } from './address-counts.ts';
import { ConnectionLeases, leasesByteLength } from './connection-leases.ts';
import { Fleet, type FleetOwner, type WorkerFleet } from './fleet.ts';
import { RunningListeners } from './listener-plan.ts';
import type { Snapshot, WorkerBirth, WorkerReport } from './messages.ts';
import { createWorkerMemory, permitsOf, shareUpstreams, type WorkerMemory } from './shared-memory.ts';
import { UpstreamWatch } from './upstream-watch.ts';
import type { PurgeTarget } from './worker-cache.ts';
import { processClock } from './worker-engine.ts';

/** Milliseconds that the start waits for name servers; after that, connections look names up by themselves. */
const RESOLVE_LIMIT = 3_000;

/** What a supervisor is made with. */
export interface SupervisorOptions {
  readonly config: ProxyConfig;
  /** Number of worker threads. */
  readonly workers: number;
  readonly logger: Logger;
  /** Listening sockets that were handed over, by listener and worker. Default: none. */
  readonly sockets?: (listener: number, worker: number) => number | null;
  /** Default: the system's. */
  readonly resolver?: NameResolver;
  /** Default: worker threads. */
  readonly fleet?: (owner: FleetOwner) => WorkerFleet;
}

/**
 * The main thread's part: it owns the configuration, the shared memory and the workers, checks the backends' health
 * and follows their names. It carries no traffic.
 */
export class Supervisor implements FleetOwner {
  readonly #logger: Logger;
  readonly #workers: number;
  readonly #fleet: WorkerFleet;
  readonly #memory: readonly WorkerMemory[];
  readonly #leases: SharedArrayBuffer;
  readonly #addresses: SharedArrayBuffer;
  readonly #clock: () => number = processClock();
  readonly #sockets: NonNullable<SupervisorOptions['sockets']>;
  readonly #resolver: NameResolver;
  readonly #listeners: RunningListeners;
  readonly #certificates: CertificateKeeper;
  /** As it was written; the one in the snapshot knows the ports that the system chose. */
  #config: ProxyConfig;
  #snapshot: Snapshot;
  #watches: Map<string, UpstreamWatch> = new Map();
  #level: LogLevel;
  #started = false;

  constructor({ config, workers, logger, sockets, resolver, fleet }: SupervisorOptions) {
    this.#logger = logger;
    this.#workers = workers;
    this.#config = config;
    this.#level = config.log.level;
    this.#sockets = sockets ?? (() => null);
    this.#resolver = resolver ?? nodeResolver();
    this.#listeners = new RunningListeners(config.listeners);
    this.#certificates = new CertificateKeeper(config.listeners, logger, () => this.#certificatesChanged());
    this.#memory = Array.from({ length: workers }, createWorkerMemory);
    this.#leases = new SharedArrayBuffer(leasesByteLength(workers));
    this.#addresses = createAddressCounts(workers, randomBytes(4).readInt32LE());
    this.#snapshot = { version: 0, config, upstreams: [], secrets: [] };
    this.#fleet = fleet?.(this) ?? new Fleet(this, workers, logger, this.#clock);
  }

  /** The configuration that is in force. */
  get config(): ProxyConfig {
    return this.#config;
  }

  /** Grows by one with every reload. */
  get version(): number {
    return this.#snapshot.version;
  }

  get isReady(): boolean {
    return this.#started && !this.#fleet.isEnding && this.#fleet.readyCount > 0;
  }

  get workers(): { readonly configured: number; readonly ready: number; readonly restarts: number } {
    const { size: configured, readyCount: ready, restarts } = this.#fleet;
    return { configured, ready, restarts };
  }

  get upstreams(): ReadonlyMap<string, UpstreamWatch> {
    return this.#watches;
  }

  /** Resolves when every worker accepts connections; rejects if one cannot. */
  async start(): Promise<readonly ListeningAddress[]> {
    const resolved = this.#follow(this.#config);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, RESOLVE_LIMIT);
    });
    await Promise.race([resolved, late]);
    clearTimeout(timer);
    this.#renew();
    const listening = await this.#fleet.start();
    this.#started = true;
    this.#certificates.start();
    return listening;
  }

  /** Counters of all workers added up, those of workers that died included. */
  counters(): Record<string, number> {
    const sum: Record<string, number> = Object.fromEntries(counterNames.map((name) => [name, 0]));
    for (const { counters } of this.#memory) {
      const one = new Counters(counters).snapshot();
      for (const name of counterNames) sum[name]! += one[name]!;
    }
    return sum;
  }

  /** Handshakes of all workers added up, by the names of `HANDSHAKE_COUNTERS`. */
  handshakes(): Record<string, number> {
    const sum: Record<string, number> = {};
    for (const { handshakes } of this.#memory) {
      for (const [name, value] of Object.entries(new HandshakeCounters(handshakes).toJSON())) {
        sum[name] = (sum[name] ?? 0) + value;
      }
    }
    return sum;
  }

  /** What the workers say of themselves; `undefined` for those that do not answer. */
  reports(): Promise<readonly (WorkerReport | undefined)[]> {
    return this.#fleet.reports();
  }

  /** What a valid configuration would change. */
  plan(config: ProxyConfig): Plan {
    return diffConfig(this.#config, config);
  }

  /** Takes a valid configuration over in all workers. */
  reload(config: ProxyConfig): void {
    const before = this.#config;
    this.#config = config;
    this.#listeners.update(config.listeners);
    this.#certificates.reload(this.#listeners.current);
    // Names that are new stand there by name until they are resolved.
    void this.#follow(config);
    this.#renew();
    // What an operator has set holds until the file says something else than before.
    if (config.log.level !== before.log.level) this.logLevel(config.log.level);
  }

  /** Removes responses from the caches of all workers. */
  purge(what: PurgeTarget): Promise<{ readonly removed: number; readonly silent: number }> {
    return this.#fleet.purge(what);
  }

  /** @returns how many backends that were; 0: there is none of this name */
  administer(upstream: string, backend: string, to: Administration): number {
    return this.#watches.get(upstream)?.administer(backend, to) ?? 0;
  }

  /** Changes the least level that is written, in all threads and those to come. */
  logLevel(level: LogLevel): void {
    this.#level = level;
    setLevel(this.#logger, level);
    this.#fleet.tell({ type: 'logLevel', level });
  }

  reopenLogs(): void {
    this.#fleet.tell({ type: 'reopenLogs' });
  }

  /** Lets every worker finish within `limit` ms; resolves with the number of connections that had to be cut. */
  async drain(limit: number): Promise<number> {
    const cut = await this.#fleet.drain(limit);
    this.#stopWatching();
    return cut;
  }

  /** Ends all workers at once. */
  async terminate(): Promise<void> {
    this.#stopWatching();
    await this.#fleet.terminate();
  }

  // ---- FleetOwner -------------------------------------------------------------------------------------------

  birthOf(index: number): WorkerBirth {
    const { config } = this.#snapshot;
    const log = { ...config.log, level: this.#level };
    return {
      index,
      workers: this.#workers,
      memory: this.#memory[index]!,
      leases: this.#leases,
      addresses: this.#addresses,
      snapshot: { ...this.#snapshot, config: { ...config, log } },
      sockets: this.#listeners.current.map((_, listener) => this.#sockets(listener, index)),
    };
  }

  firstReady(listening: readonly ListeningAddress[]): void {
    this.#listeners.bound(listening);
    const { config } = this.#snapshot;
    this.#snapshot = { ...this.#snapshot, config: { ...config, listeners: this.#listeners.current } };
  }

  /** What a dead worker held in shared memory is free again; its sums stay, its gauges go. */
  died(index: number): void {
    for (const watch of this.#watches.values()) watch.reclaim(index);
    for (const shared of this.#snapshot.upstreams) {
      const { capacity } = BackendTable.attach(shared.table, 0);
      for (let backend = 0; backend < capacity; backend++) {
        permitsOf(shared, backend, this.#workers).reclaim(index);
      }
    }
    ConnectionLeases.reclaim(this.#leases, index);
    AddressCounts.reclaim(this.#addresses, index);
    new Counters(this.#memory[index]!.counters).clearGauges();
  }

  // ---- Inside -----------------------------------------------------------------------------------------------

  /** Watches the upstreams of this configuration, and no others. */
  async #follow(config: ProxyConfig): Promise<void> {
    const watches = new Map<string, UpstreamWatch>();
    for (const upstream of config.upstreams) {
      watches.set(upstream.name, this.#watches.get(upstream.name) ?? this.#watchOf(upstream));
    }
    for (const [name, watch] of this.#watches) if (!watches.has(name)) watch.stop();
    this.#watches = watches;
    await Promise.all(config.upstreams.map((upstream) => watches.get(upstream.name)!.follow(upstream)));
  }

  #watchOf(upstream: ProxyConfig['upstreams'][number]): UpstreamWatch {
    return new UpstreamWatch(upstream, {
      logger: this.#logger,
      scheduler: scheduler(this.#clock),
      resolver: this.#resolver,
      thread: this.#workers,
      onBackends: () => this.#addressesChanged(),
    });
  }

  #addressesChanged(): void {
    // Before the first workers start there is nobody to tell.
    if (this.#snapshot.version === 0 || this.#fleet.isEnding) return;
    this.#logger.info('addresses of backends changed');
    this.#renew();
  }

  /** Makes the snapshot of the configuration and the addresses of now, and gives it to everybody. */
  #renew(): void {
    const config = { ...this.#config, listeners: this.#listeners.current };
    const backendsOf = ({ name }: { readonly name: string }) => this.#watches.get(name)!.backends;
    const upstreams = shareUpstreams(config, this.#workers, this.#snapshot.upstreams, backendsOf);
    this.#snapshot = {
      version: this.#snapshot.version + 1,
      config,
      upstreams,
      secrets: this.#certificates.secrets,
    };
    for (const shared of upstreams) this.#watches.get(shared.name)!.use(shared);
    this.#fleet.tell({ type: 'apply', snapshot: this.#snapshot });
  }

  #certificatesChanged(): void {
    if (this.#snapshot.version > 0 && !this.#fleet.isEnding) this.#renew();
  }

  #stopWatching(): void {
    this.#certificates.stop();
    for (const watch of this.#watches.values()) watch.stop();
  }
}

/** Timers of this thread that do not keep the process alive. */
function scheduler(clock: () => number): Scheduler {
  return {
    now: clock,
    setTimer: (callback, ms) => setTimeout(callback, ms).unref(),
    clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
  };
}
