import { BackendTable, UpstreamGroup, type Backend as Target, type StateChangeListener } from '@rp/balancer';
import {
  BackendConnector,
  Http2BackendPool,
  Http2Connector,
  Upstream,
  type BackendConnection,
  type BackendTarget,
  type Engine,
} from '@rp/core';
import { ConnectionPool, type PoolLimits, type PoolSlot } from '@rp/pool';
import { isDeepStrictEqual } from 'node:util';
import type { Upstream as UpstreamConfig } from '../config/index.ts';
import { backendTls, configuredBackend, tlsConfig } from './backend-tls.ts';
import { groupOptions } from './group-options.ts';
import { poolTable, type PoolFigures, type PoolTable } from './pool-table.ts';
import { permitsOf, type SharedUpstream } from './shared-memory.ts';

/** A backend connection with the bookkeeping of the pool that this program uses. */
type PooledConnection = BackendConnection & { slot: PoolSlot | undefined };
/** HTTP/1.1 connections, or HTTP/2 connections that requests share. */
type BackendPool = ConnectionPool<PooledConnection> | Http2BackendPool;

/** The thread that an upstream is put together for. */
export interface UpstreamThread {
  readonly engine: Engine;
  /** Its number in the shared memory. */
  readonly thread: number;
  readonly onStateChange: StateChangeListener;
}

/**
 * One upstream group in one worker: the balancer's view of the shared table, and a pool for each backend that was
 * used. It outlives reloads as long as its shared memory does, and with it connections, counts and states.
 */
export class UpstreamRuntime {
  readonly #thread: UpstreamThread;
  readonly #group: UpstreamGroup;
  readonly #pools: Map<string, BackendPool> = new Map();
  #shared: SharedUpstream;
  #config: UpstreamConfig;
  #upstream: Upstream;

  constructor(config: UpstreamConfig, shared: SharedUpstream, thread: UpstreamThread) {
    this.#shared = shared;
    this.#thread = thread;
    this.#config = config;
    this.#group = new UpstreamGroup({
      name: config.name,
      table: BackendTable.attach(shared.table, thread.thread),
      onStateChange: thread.onStateChange,
      ...groupOptions(config, shared.backends),
    });
    this.#upstream = this.#createUpstream();
  }

  get shared(): SharedUpstream {
    return this.#shared;
  }

  /** For the routes of the settings in force. */
  get upstream(): Upstream {
    return this.#upstream;
  }

  /** Takes another configuration over; backends that are gone finish what they have. */
  update(config: UpstreamConfig, shared: SharedUpstream): void {
    const before = this.#config;
    this.#group.update(groupOptions(config, shared.backends));
    this.#config = config;
    this.#shared = shared;
    const sameWay = before.proxyProtocol === config.proxyProtocol;
    const sameTls = isDeepStrictEqual(before.tls, config.tls);
    const sameLimits = isDeepStrictEqual(poolLimits(before), poolLimits(config));
    for (const [key, pool] of this.#pools) {
      const backend = this.#group.set.byKey(key);
      // Connections are made one way: with other TLS options, or another PROXY protocol, there must be others.
      const stays = backend !== undefined && sameWay && keepsTls(backend, before, config, sameTls);
      if (!stays) this.#dismiss(key, pool);
      else if (!sameLimits) pool.update(poolLimits(config));
    }
    // A new one, since it remembers pools: one that was dismissed must not be met again when its backend returns.
    this.#upstream = this.#createUpstream();
  }

  close(): void {
    for (const [key, pool] of this.#pools) this.#dismiss(key, pool);
  }

  poolStats(): PoolTable {
    return poolTable(new Map([...this.#pools].map(([key, pool]) => [key, figures(pool)])));
  }

  #createUpstream(): Upstream {
    const { affinity, algorithm, passiveHealth, retry } = this.#config;
    return new Upstream({
      name: this.#config.name,
      balancer: this.#group,
      setsAffinity: affinity?.by === 'cookie',
      sticky: affinity !== null || algorithm === 'ip-hash',
      minRate: passiveHealth.enabled ? passiveHealth.minRate : 0,
      ...(retry.statuses.length === 0 ? {} : { repeats: (status) => isAmong(status, retry.statuses) }),
      createPool: (target) => this.#pools.get(target.key) ?? this.#createPool(target),
    });
  }

  #createPool(target: BackendTarget): BackendPool {
    const { engine } = this.#thread;
    const http2 = target.protocol === 'h2' || target.protocol === 'h2c';
    const pool = http2 ? this.#http2Pool(target) : this.#http1Pool(target);
    engine.adopt(pool);
    this.#pools.set(target.key, pool);
    return pool;
  }

  /** Few connections, which are not worth sharing the limit of all workers: each worker may have its own. */
  #http2Pool(target: BackendTarget): Http2BackendPool {
    const { runtime } = this.#thread.engine;
    const connector = new Http2Connector(runtime, target, backendTls(this.#config, target as Target));
    return new Http2BackendPool(connector, () => runtime.now, poolLimits(this.#config));
  }

  #http1Pool(target: BackendTarget): ConnectionPool<PooledConnection> {
    const { engine, thread } = this.#thread;
    const { runtime } = engine;
    const { pool: limits, proxyProtocol } = this.#config;
    const tls = backendTls(this.#config, target as Target);
    const connector = new BackendConnector(runtime, target, tls, proxyProtocol ?? undefined);
    const pool = new ConnectionPool<PooledConnection>({
      connector,
      permits: permitsOf(this.#shared, (target as Target).index, thread, limits.maxConnections),
      clock: () => runtime.now,
      ...poolLimits(this.#config),
    });
    connector.for(pool);
    return pool;
  }

  #dismiss(key: string, pool: BackendPool): void {
    this.#pools.delete(key);
    this.#thread.engine.dismiss(pool);
  }
}

/** @param sameTls the options of the whole upstream are the same, which hold where a backend has none of its own */
function keepsTls(
  backend: Target,
  before: UpstreamConfig,
  config: UpstreamConfig,
  sameTls: boolean,
): boolean {
  if (backend.protocol === 'http' || backend.protocol === 'h2c') return true;
  const own = configuredBackend(config, backend)?.tls ?? null;
  const old = configuredBackend(before, backend)?.tls ?? null;
  if (own === null && old === null) return sameTls;
  return isDeepStrictEqual(tlsConfig(before, backend), tlsConfig(config, backend));
}

function figures(pool: BackendPool): PoolFigures {
  if (!(pool instanceof Http2BackendPool)) return pool.stats();
  // Connections over the limit, and those found closed when they were wanted, are matters of HTTP/1.1.
  return { ...pool.stats(), overflow: 0, stale: 0 };
}

const isAmong = (status: number, ranges: UpstreamConfig['retry']['statuses']): boolean =>
  ranges.some(([first, last]) => status >= first && status <= last);

function poolLimits({ pool, proxyProtocol }: UpstreamConfig): PoolLimits {
  const { maxLifetime, maxRequestsPerConnection, maxOverflow, backoff, maxBackoff, ...same } = pool;
  return {
    ...same,
    maxOverflow: maxOverflow === 0 ? pool.maxConnections : maxOverflow,
    backoff: { initial: backoff, max: maxBackoff },
    // A backend that expects a header does not wait long for it, so none is connected to in advance.
    ...(proxyProtocol === null ? {} : { minIdle: 0 }),
    maxLifetime: maxLifetime === 0 ? Infinity : maxLifetime,
    maxRequestsPerConnection: maxRequestsPerConnection === 0 ? Infinity : maxRequestsPerConnection,
  };
}
