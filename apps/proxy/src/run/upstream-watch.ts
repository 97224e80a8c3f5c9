import {
  BackendTable,
  HealthChecker,
  UpstreamGroup,
  type Administration,
  type Backend,
  type BackendOptions,
  type BackendStatistics,
  type HealthCheckOptions,
  type Scheduler,
} from '@rp/balancer';
import { isDeepStrictEqual } from 'node:util';
import type { HealthCheck, Upstream } from '../config/index.ts';
import type { Logger } from '../log/index.ts';
import { backendTls, configuredBackend } from './backend-tls.ts';
import { groupOptions } from './group-options.ts';
import { HttpProber } from './prober.ts';
import { ResolvedBackends, type ResolvingParts } from './resolved-backends.ts';
import { permitsOf, type SharedUpstream } from './shared-memory.ts';

/** What watching upstreams needs. */
export interface WatchParts {
  readonly logger: Logger;
  readonly scheduler: Scheduler;
  readonly resolver: ResolvingParts['resolver'];
  /** The supervisor's number in the shared memory. */
  readonly thread: number;
  /** Addresses of a backend changed: the workers must hear of it. */
  readonly onBackends: () => void;
}

/** One backend as it is shown. */
export interface BackendView {
  /** As configured; of a name with several addresses `name@address`. */
  readonly name: string;
  readonly key: string;
  readonly statistics: BackendStatistics;
  /** Pool permits that are taken, over all threads. */
  readonly permits: number;
}

/**
 * The supervisor's part of one upstream group: its active health checks, the addresses of its names, and what the
 * operator wants of its backends. Each runs once per process; what it finds is in the shared table.
 */
export class UpstreamWatch {
  readonly #parts: WatchParts;
  readonly #resolved: ResolvedBackends;
  readonly #wanted: Map<string, Administration> = new Map();
  #config: Upstream;
  #shared: SharedUpstream | undefined = undefined;
  #group: UpstreamGroup | undefined = undefined;
  #checker: HealthChecker | undefined = undefined;
  #checks: HealthCheck | null = null;
  #proxyProtocol: Upstream['proxyProtocol'] = null;

  constructor(config: Upstream, parts: WatchParts) {
    this.#config = config;
    this.#parts = parts;
    const { logger, scheduler, resolver, onBackends } = parts;
    this.#resolved = new ResolvedBackends({
      resolver,
      scheduler,
      onChange: onBackends,
      onError: ({ code, message, cause }) =>
        logger.warn(
          { upstream: this.name, code, error: cause instanceof Error ? cause.message : undefined },
          `${message}; the last good answer stays`,
        ),
    });
  }

  get name(): string {
    return this.#config.name;
  }

  /** Follows the names of a configuration; settles when those that are new were looked up once. */
  follow(config: Upstream): Promise<void> {
    this.#config = config;
    return this.#resolved.follow(config);
  }

  /** Who is in the group now. */
  get backends(): readonly BackendOptions[] {
    return this.#resolved.backendsOf(this.#config);
  }

  /** Takes over the memory that goes with the configuration, and what is in it. */
  use(shared: SharedUpstream): void {
    const options = groupOptions(this.#config, shared.backends);
    const { logger, thread } = this.#parts;
    const before = this.#group;
    this.#shared = shared;
    if (before !== undefined && before.table.buffer === shared.table) {
      before.update(options);
    } else {
      this.#group = new UpstreamGroup({
        name: this.name,
        table: BackendTable.attach(shared.table, thread),
        onStateChange: (backend, from, to, reason) =>
          logger.warn(
            { upstream: this.name, backend: backend.url, from, to, reason },
            'a backend changed its state',
          ),
        ...options,
      });
    }
    this.#administerAgain();
    this.#check(before !== this.#group);
  }

  /**
   * Drains, disables or enables a backend, now and as often as its addresses change.
   * @returns how many addresses that were; 0: there is no such backend
   */
  administer(name: string, to: Administration): number {
    const meant = this.#views().filter(
      (view) => view.name === name || view.configured === name || view.backend.url === name,
    );
    for (const { backend, configured } of meant) {
      if (to === 'enabled') this.#wanted.delete(configured);
      else this.#wanted.set(configured, to);
      this.#group?.setAdministration(backend, to, 'operator', this.#parts.scheduler.now());
    }
    return meant.length;
  }

  /** State and counters of all backends, over all threads. */
  views(): readonly BackendView[] {
    const statistics = this.#group?.statistics() ?? [];
    const shared = this.#shared;
    if (shared === undefined) return [];
    return this.#views().map(({ name, backend }, at) => ({
      name,
      key: backend.key,
      statistics: statistics[at]!,
      permits: permitsOf(shared, backend.index, this.#parts.thread).inUse,
    }));
  }

  /** Lets time end what it ends (ejections, open circuits), so that states are those of now. */
  refresh(): void {
    this.#group?.refresh(this.#parts.scheduler.now());
  }

  /** A worker died: what it had in flight is no more. */
  reclaim(worker: number): void {
    this.#group?.reclaim(worker);
  }

  stop(): void {
    this.#checker?.stop();
    this.#resolved.stop();
  }

  #views(): readonly { readonly name: string; readonly configured: string; readonly backend: Backend }[] {
    const backends = this.#group?.set.backends ?? [];
    return backends.map((backend) => {
      const configured = configuredBackend(this.#config, backend)?.name ?? backend.url;
      const name = backend.host === backend.serverName ? configured : `${configured}@${backend.host}`;
      return { name, configured, backend };
    });
  }

  /** A backend that came with another address is still the one that the operator took out. */
  #administerAgain(): void {
    for (const { backend, configured } of this.#views()) {
      const to = this.#wanted.get(configured);
      if (to === undefined) continue;
      this.#group?.setAdministration(backend, to, 'operator', this.#parts.scheduler.now());
    }
  }

  #check(groupIsNew: boolean): void {
    const { healthCheck, proxyProtocol } = this.#config;
    const same = proxyProtocol === this.#proxyProtocol && isDeepStrictEqual(healthCheck, this.#checks);
    if (!groupIsNew && same) {
      this.#checker?.backendsChanged();
      return;
    }
    this.#checker?.stop();
    this.#checker = undefined;
    if (healthCheck === null) this.#forgetChecks();
    this.#checks = healthCheck;
    this.#proxyProtocol = proxyProtocol;
    if (healthCheck === null || this.#group === undefined) return;
    const prober = new HttpProber((backend) => backendTls(this.#config, backend), proxyProtocol);
    this.#checker = new HealthChecker(this.#group, checkOptions(healthCheck), prober, this.#parts.scheduler);
    this.#checker.start();
  }

  /** Nobody will ever find a backend healthy again that checks, now switched off, found unhealthy. */
  #forgetChecks(): void {
    const group = this.#group;
    if (this.#checks === null || group === undefined) return;
    for (const backend of group.set.backends) {
      group.setHealth(backend, true, 'health checks were switched off', this.#parts.scheduler.now());
    }
  }
}

/** A health check in the words of `@rp/balancer`. */
export function checkOptions(check: HealthCheck): HealthCheckOptions {
  return {
    method: check.method,
    path: check.path,
    ...(check.host === null ? {} : { host: check.host }),
    intervalMs: check.interval,
    jitter: check.jitter,
    maxIntervalMs: Math.max(check.interval, check.maxInterval),
    timeoutMs: check.timeout,
    failureThreshold: check.failureThreshold,
    successThreshold: check.successThreshold,
    status: check.expectStatus.map(([first, last]) => `${first}-${last}`).join(', '),
    ...(check.expectBody === null ? {} : { body: check.expectBody }),
  };
}
