import { BackendTable, nodeResolver, type Administration, type NameResolver } from '@rp/balancer';
import { Counters, counterNames } from '@rp/core';
import { HandshakeCounters } from '@rp/tls';
import { randomBytes } from 'node:crypto';
import type { ListeningAddress } from '../cli/io.ts';
import { diffConfig, type Listener, type Plan, type ProxyConfig } from '../config/index.ts';
import { setLevel, type LogLevel, type Logger } from '../log/index.ts';
import { AcceptBalance, balanceByteLength } from './accept-balance.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import { AddressCounts, createAddressCounts } from './address-counts.ts';
import { ConnectionLeases, leasesByteLength } from './connection-leases.ts';
import { Fleet, type FleetOwner, type WorkerFleet } from './fleet.ts';
import { RunningListeners, type RunningListener } from './listener-plan.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import { changesOf, type Snapshot, type WorkerBirth } from './messages.ts';
import type { WorkerReport, WorkerSockets } from './messages.ts';
import { createWorkerMemory, permitsOf, shareUpstreams, type WorkerMemory } from './shared-memory.ts';
import { scheduler } from './thread-scheduler.ts';
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
  /** Default: workers open their listeners by themselves, and reloads neither open nor close any. */
  readonly sockets?: ListeningSockets;
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
  readonly #balance: SharedArrayBuffer;
  readonly #sockets: ListeningSockets | undefined;
  readonly #resolver: NameResolver;
  readonly #listeners: RunningListeners;
  /** Also for the statistics. */
  readonly certificates: CertificateKeeper;
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
    this.#sockets = sockets;
    this.#resolver = resolver ?? nodeResolver();
    this.#listeners = new RunningListeners(config.listeners, sockets !== undefined);
    this.certificates = new CertificateKeeper(logger, () => this.#certificatesChanged());
    this.#memory = Array.from({ length: workers }, createWorkerMemory);
    this.#leases = new SharedArrayBuffer(leasesByteLength(workers));
    this.#addresses = createAddressCounts(workers, randomBytes(4).readInt32LE());
    this.#balance = new SharedArrayBuffer(balanceByteLength(workers));
    this.#snapshot = { version: 0, config, upstreams: [], listeners: [], secrets: [] };
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

  /** Resolves when every worker accepts connections; rejects if one cannot, with a {@link ListenError} or another. */
  async start(): Promise<readonly ListeningAddress[]> {
    const { current } = this.#listeners;
    const useCertificates = this.certificates.prepare(current);
    const opening = new Set(current.map(({ id }) => id));
    this.#listeners.use(this.#config.listeners, (await this.#sockets?.prepare(current, opening)) ?? current);
    useCertificates();
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
    this.certificates.start();
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
    return diffConfig(this.#config, config, { reopensListeners: this.#sockets !== undefined });
  }

  /**
   * Takes a valid configuration over in all workers, whole or not at all.
   * @throws {ListenError} where a listener cannot be had
   */
  async reload(config: ProxyConfig): Promise<void> {
    const next = this.#listeners.next(config.listeners);
    const useCertificates = this.certificates.prepare(next);
    const running = new Set(this.#listeners.current.map(({ id }) => id));
    const opening = new Set(next.map(({ id }) => id).filter((id) => !running.has(id)));
    const listeners = opening.size === 0 ? next : ((await this.#sockets?.prepare(next, opening)) ?? next);
    // Told to end meanwhile: what was opened is not needed any more.
    if (this.#fleet.isEnding) this.#sockets?.retain(new Set());
    else this.#commit(config, listeners, useCertificates);
  }

  /** As {@link reload}, where listeners are neither opened nor closed. */
  reloadInPlace(config: ProxyConfig): void {
    const next = this.#listeners.next(config.listeners);
    this.#commit(config, next, this.certificates.prepare(next));
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
    // Who comes from now on is refused, or accepted by a successor, rather than left waiting for us.
    this.#sockets?.retain(new Set());
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

  get hasAddresses(): boolean {
    return this.#sockets?.shares === true;
  }

  birthOf(index: number): WorkerBirth {
    const { config } = this.#snapshot;
    const log = { ...config.log, level: this.#level };
    return {
      index,
      workers: this.#workers,
      memory: this.#memory[index]!,
      leases: this.#leases,
      addresses: this.#addresses,
      balance: this.#balance,
      snapshot: { ...this.#snapshot, config: { ...config, log } },
      sockets: this.#socketsFor(index, this.#snapshot.listeners),
    };
  }

  firstReady(listening: readonly ListeningAddress[]): void {
    this.#listeners.bound(listening);
    const { current } = this.#listeners;
    const config = { ...this.#snapshot.config, listeners: configsOf(current) };
    this.#snapshot = { ...this.#snapshot, config, listeners: current };
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
    AcceptBalance.reclaim(this.#balance, index);
    new Counters(this.#memory[index]!.counters).clearGauges();
  }

  // ---- Inside -----------------------------------------------------------------------------------------------

  #commit(config: ProxyConfig, listeners: readonly RunningListener[], useCertificates: () => void): void {
    const before = this.#config;
    this.#config = config;
    this.#listeners.use(config.listeners, listeners);
    useCertificates();
    // Names that are new stand there by name until they are resolved.
    void this.#follow(config);
    this.#renew();
    this.#sockets?.retain(new Set(listeners.map(({ place }) => place)));
    // What an operator has set holds until the file says something else than before.
    if (config.log.level !== before.log.level) this.logLevel(config.log.level);
  }

  #socketsFor(worker: number, listeners: readonly RunningListener[]): WorkerSockets {
    return Object.fromEntries(
      listeners.flatMap(({ id, place }) => {
        const fd = this.#sockets?.take(place, worker) ?? null;
        return fd === null ? [] : [[id, fd]];
      }),
    );
  }

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
    const listeners = this.#listeners.current;
    const config = { ...this.#config, listeners: configsOf(listeners) };
    const backendsOf = ({ name }: { readonly name: string }) => this.#watches.get(name)!.backends;
    const upstreams = shareUpstreams(config, this.#workers, this.#snapshot, backendsOf);
    const before = this.#snapshot;
    const known = new Set(before.listeners.map(({ id }) => id));
    this.#snapshot = {
      version: this.#snapshot.version + 1,
      config,
      upstreams,
      listeners,
      secrets: this.certificates.secretsOf(listeners),
    };
    for (const shared of upstreams) this.#watches.get(shared.name)!.use(shared);
    const opening = listeners.filter(({ id }) => !known.has(id));
    const changes = changesOf(before, this.#snapshot);
    this.#fleet.apply(this.#snapshot, changes, (worker) => this.#socketsFor(worker, opening));
  }

  #certificatesChanged(): void {
    if (this.#snapshot.version > 0 && !this.#fleet.isEnding) this.#renew();
  }

  #stopWatching(): void {
    this.certificates.stop();
    for (const watch of this.#watches.values()) watch.stop();
  }
}

const configsOf = (listeners: readonly RunningListener[]): readonly Listener[] =>
  listeners.map(({ listener }) => listener);
