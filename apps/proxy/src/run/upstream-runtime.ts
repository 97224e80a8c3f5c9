import { BackendTable, UpstreamGroup, type Backend as Target, type StateChangeListener } from '@rp/balancer';
import {
  BackendConnector,
  Upstream,
  type BackendConnection,
  type BackendTarget,
  type BackendTls,
  type Engine,
} from '@rp/core';
import { ConnectionPool, type PoolLimits, type PoolSlot, type PoolStats } from '@rp/pool';
import { readFileSync } from 'node:fs';
import type { Pool, Upstream as UpstreamConfig } from '../config/index.ts';
import { groupOptions } from './group-options.ts';
import { permitsOf, type SharedUpstream } from './shared-memory.ts';

/** A backend connection with the bookkeeping of the pool that this program uses. */
type PooledConnection = BackendConnection & { slot: PoolSlot | undefined };
type BackendPool = ConnectionPool<PooledConnection>;

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
  readonly shared: SharedUpstream;
  readonly upstream: Upstream;
  readonly #thread: UpstreamThread;
  readonly #group: UpstreamGroup;
  readonly #pools: Map<string, BackendPool> = new Map();
  #config: UpstreamConfig;

  constructor(config: UpstreamConfig, shared: SharedUpstream, thread: UpstreamThread) {
    this.shared = shared;
    this.#thread = thread;
    this.#config = config;
    this.#group = new UpstreamGroup({
      name: config.name,
      table: BackendTable.attach(shared.table, thread.thread),
      onStateChange: thread.onStateChange,
      ...groupOptions(config),
    });
    this.upstream = this.#createUpstream();
  }

  /** Takes another configuration over; backends that are gone finish what they have. */
  update(config: UpstreamConfig): Upstream {
    this.#config = config;
    this.#group.update(groupOptions(config));
    const present = new Set(this.#group.set.backends.map((backend) => backend.key));
    for (const [key, pool] of this.#pools) {
      if (present.has(key)) pool.update(poolLimits(config.pool));
      else this.#dismiss(key, pool);
    }
    return this.upstream;
  }

  close(): void {
    for (const [key, pool] of this.#pools) this.#dismiss(key, pool);
  }

  poolStats(): Readonly<Record<string, PoolStats>> {
    return Object.fromEntries([...this.#pools].map(([key, pool]) => [key, pool.stats()]));
  }

  #createUpstream(): Upstream {
    return new Upstream({
      name: this.#config.name,
      balancer: this.#group as unknown as ConstructorParameters<typeof Upstream>[0]['balancer'],
      setsAffinity: this.#config.affinity?.by === 'cookie',
      createPool: (target) => this.#createPool(target),
    });
  }

  #createPool(target: BackendTarget): BackendPool {
    const { engine, thread } = this.#thread;
    const { runtime } = engine;
    const { pool: limits } = this.#config;
    const connector = new BackendConnector(runtime, target, backendTls(this.#config, target));
    const pool = new ConnectionPool<PooledConnection>({
      connector,
      permits: permitsOf(this.shared, (target as Target).index, thread, limits.maxConnections),
      clock: () => runtime.now,
      ...poolLimits(limits),
    });
    connector.for(pool);
    engine.adopt(pool);
    this.#pools.set(target.key, pool);
    return pool;
  }

  #dismiss(key: string, pool: BackendPool): void {
    this.#pools.delete(key);
    this.#thread.engine.dismiss(pool);
  }
}

function poolLimits(pool: Pool): PoolLimits {
  const { maxLifetime, maxRequestsPerConnection, ...same } = pool;
  return {
    ...same,
    maxLifetime: maxLifetime === 0 ? Infinity : maxLifetime,
    maxRequestsPerConnection: maxRequestsPerConnection === 0 ? Infinity : maxRequestsPerConnection,
  };
}

function backendTls(upstream: UpstreamConfig, target: BackendTarget): BackendTls {
  if (target.protocol !== 'https' && target.protocol !== 'h2') return {};
  const own = upstream.backends.find(({ url }) => url.host === target.host && url.port === target.port);
  const tls = own?.tls ?? upstream.tls;
  return {
    verify: tls.verify,
    ...(tls.serverName === null ? {} : { serverName: tls.serverName }),
    ...(tls.ca === null ? {} : { ca: readFileSync(tls.ca, 'utf8') }),
    ...(tls.cert === null ? {} : { cert: readFileSync(tls.cert, 'utf8') }),
    ...(tls.key === null ? {} : { key: readFileSync(tls.key, 'utf8') }),
  };
}
