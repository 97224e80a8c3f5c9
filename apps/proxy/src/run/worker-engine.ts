import { Counters, Engine, type SettingsInput, type Upstream as CoreUpstream } from '@rp/core';
import type { HttpCache } from '@rp/cache';
import { performance } from 'node:perf_hooks';
import { setImmediate as immediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { ListeningAddress } from '../cli/io.ts';
import type { Cache, ProxyConfig, Upstream } from '../config/index.ts';
import { AccessLog, LogSink, createLogger, setLevel, type LogLevel, type Logger } from '../log/index.ts';
import { ExchangeLog } from './access-adapter.ts';
import { AcceptBalance } from './accept-balance.ts';
import { AddressCounts } from './address-counts.ts';
import { ConnectionLeases } from './connection-leases.ts';
import { eventLog } from './event-log.ts';
import type { Snapshot, WorkerBirth, WorkerReport, WorkerSockets } from './messages.ts';
import type { SharedUpstream } from './shared-memory.ts';
import { UpstreamRuntime } from './upstream-runtime.ts';
import { createCache, purge, type PurgeTarget } from './worker-cache.ts';
import { WorkerListeners } from './worker-listeners.ts';
import { WorkerWatch } from './worker-watch.ts';

/** Milliseconds between two flushes of the access log. */
const FLUSH = 250;
/** Connections that may wait to be accepted, which the backlog bounds, too. */
const MOST_WAITING = 4_096;

/**
 * A clock that all threads of the process agree on, since they share the times of ejections and breakers:
 * `performance.now` begins when its thread does.
 */
export function processClock(): () => number {
  const offset = Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();
  return () => performance.now() + offset;
}

/** Everything that one worker thread runs: an engine, its upstreams, its logs. */
export class WorkerEngine {
  readonly engine: Engine;
  readonly #birth: WorkerBirth;
  readonly #logger: Logger;
  readonly #logSink: LogSink;
  readonly #accessSink: LogSink;
  readonly #access: AccessLog;
  readonly #invalidated: (key: string) => void;
  readonly #watch: WorkerWatch;
  readonly #listeners: WorkerListeners;
  #upstreams: Map<string, UpstreamRuntime> = new Map();
  #cache: HttpCache | undefined = undefined;
  #cacheConfig: Cache | undefined = undefined;

  /** @param invalidated told of every key that an unsafe method invalidated in this worker's cache */
  constructor(birth: WorkerBirth, invalidated: (key: string) => void) {
    this.#birth = birth;
    this.#invalidated = invalidated;
    const { config } = birth.snapshot;
    const { log } = config;
    this.#logSink = new LogSink(log.file);
    this.#logger = createLogger({ level: log.level, sink: this.#logSink, base: { worker: birth.index } });
    this.#accessSink = log.access.file === log.file ? this.#logSink : new LogSink(log.access.file);
    this.#access = new AccessLog(this.#accessSink, log.access.format);
    this.#access.flushEvery(FLUSH);
    const clock = processClock();
    this.engine = new Engine({
      settings: { routes: [] },
      clock,
      log: eventLog(this.#logger),
      counters: new Counters(birth.memory.counters),
      ...(log.access.enabled ? { accessLog: new ExchangeLog(this.#access, clock) } : {}),
    });
    // Alone, its own count says everything.
    if (birth.workers > 1) this.engine.runtime.addresses = new AddressCounts(birth.addresses, birth.index);
    const leases = new ConnectionLeases(birth.leases, birth.index, config.limits.maxConnections);
    const balance = new AcceptBalance(birth.balance, birth.index, () => this.engine.reconsider());
    if (birth.workers > 1) this.engine.runtime.turns = balance;
    this.#watch = new WorkerWatch({
      engine: this.engine,
      leases,
      balance,
      overload: config.overload,
      logger: this.#logger,
      relieve: () => this.#giveMemoryBack(),
    });
    this.#listeners = new WorkerListeners(this.engine, birth.workers, birth.memory.handshakes);
    this.apply(birth.snapshot);
  }

  /**
   * Takes a snapshot over, or the changes since the one before.
   * @throws {Error} where it cannot, or where that one is not known
   */
  apply(snapshot: Snapshot): void {
    const { config } = snapshot;
    const configs = new Map(config.upstreams.map((upstream) => [upstream.name, upstream]));
    const upstreams = new Map<string, UpstreamRuntime>();
    for (const shared of snapshot.upstreams)
      upstreams.set(shared.name, this.#upstreamOf(shared, configs.get(shared.name)));
    this.#listeners.apply(snapshot.listeners, snapshot.secrets);
    this.#useCache(config.cache);
    this.engine.apply(settingsOf(config, (name) => upstreams.get(name)!.upstream));
    this.#watch.apply(config.overload, config.limits.maxConnections);
    if (!this.engine.runtime.draining) {
      this.engine.runtime.waitsForRoom = config.limits.onMaxConnections === 'wait';
      this.engine.reconsider();
    }
    for (const [name, running] of this.#upstreams) if (upstreams.get(name) !== running) running.close();
    this.#upstreams = upstreams;
  }

  #upstreamOf(shared: SharedUpstream, config: Upstream | undefined): UpstreamRuntime {
    const running = this.#upstreams.get(shared.name);
    const known = running?.shared.id === shared.id ? running : undefined;
    if (known?.shared.revision === shared.revision) return known;
    if (config === undefined) throw new Error(`nothing is known of upstream ${shared.name}`);
    if (known === undefined) return new UpstreamRuntime(config, shared, this.#thread());
    known.update(config, shared);
    return known;
  }

  /** Opens and closes listeners as the snapshot says that was applied last. */
  listen(sockets: WorkerSockets): Promise<readonly ListeningAddress[]> {
    return this.#listeners.open(sockets);
  }

  /** Accepts what waits, whoever's turn it is: before {@link drain}. */
  async acceptAll(): Promise<void> {
    const { engine } = this;
    this.#watch.leaveTurns();
    engine.acceptAll();
    // Each turn of the loop accepts one connection of each listener. What waits in a queue that is closed gets a reset.
    for (let seen = -1, turns = 0; turns < MOST_WAITING && seen !== engine.arrivals; turns++) {
      seen = engine.arrivals;
      await immediate();
      await immediate();
    }
  }

  /** Another worker's cache invalidated this key. */
  invalidate(key: string): void {
    this.#cache?.purger.key(key);
  }

  /** Removes from this worker's cache; returns how many responses that were. */
  purge(target: PurgeTarget): number {
    return purge(this.#cache, target);
  }

  /** Memory is short: better fewer hits than refused requests. */
  #giveMemoryBack(): void {
    const cache = this.#cache;
    if (cache === undefined || cache.counts().responses === 0) return;
    const removed = cache.shrink(cache.counts().bytes / 2);
    this.#logger.warn({ removed }, 'memory is short: half of the cache was given back');
  }

  /** A cache whose options changed starts empty; otherwise a reload leaves it alone. */
  #useCache(config: Cache): void {
    if (isDeepStrictEqual(config, this.#cacheConfig)) return;
    this.#cacheConfig = config;
    // Exchanges under way may hold on to it for long, and need none of what it has stored.
    this.#cache?.shrink(0);
    this.#cache = createCache(config, this.#birth.workers, {
      invalidated: this.#invalidated,
      failed: (error) => this.#logger.error({ code: error.code, error: error.message }, 'the cache failed'),
    });
    this.engine.useCache(this.#cache);
  }

  /** What only this worker knows of itself. */
  report(): WorkerReport {
    const pools = Object.fromEntries([...this.#upstreams].map(([name, one]) => [name, one.poolStats()]));
    const cache = this.#cache === undefined ? null : { ...this.#cache.stats, ...this.#cache.counts() };
    const timers = this.engine.runtime.wheel.armed;
    return { connections: this.engine.connections, timers, ...this.#watch.vitals(), pools, cache };
  }

  logLevel(level: LogLevel): void {
    setLevel(this.#logger, level);
  }

  reopenLogs(): void {
    this.#access.flush();
    this.#logSink.reopen();
    if (this.#accessSink !== this.#logSink) this.#accessSink.reopen();
  }

  /** Resolves with the number of connections that had to be cut, when all logs are written. */
  async drain(limit: number): Promise<number> {
    const cut = await this.engine.drain(limit);
    this.#watch.stop();
    this.#access.close();
    await Promise.all([...new Set([this.#logSink, this.#accessSink])].map((sink) => sink.close()));
    return cut;
  }

  #thread(): ConstructorParameters<typeof UpstreamRuntime>[2] {
    const log = this.#logger;
    return {
      engine: this.engine,
      thread: this.#birth.index,
      onStateChange: (backend, from, to, reason) =>
        log.warn({ backend: backend.url, from, to, reason }, 'a backend changed its state'),
    };
  }
}

/** The configuration in the words of the engine. */
export function settingsOf(config: ProxyConfig, upstream: (name: string) => CoreUpstream): SettingsInput {
  const { limits, timeouts, forwarding } = config;
  const routes = config.routes.map((route) => ({
    ...(route.host === null ? {} : { host: route.host }),
    path: route.path,
    upstream: upstream(route.upstream),
    cached: route.cache,
  }));
  if (config.defaultUpstream !== null)
    routes.push({ path: '/', upstream: upstream(config.defaultUpstream), cached: true });
  return {
    routes,
    timeouts,
    limits: {
      maxConnections: limits.maxConnections,
      perAddress: limits.perAddress === 0 ? Infinity : limits.perAddress,
      requestLine: limits.requestLine,
      headers: limits.headers,
      headerCount: limits.headerCount,
      body: limits.body,
    },
    forwarding,
    trustedProxies: config.trustedProxies,
    overloadRetryAfter: config.overload.retryAfter,
  };
}
