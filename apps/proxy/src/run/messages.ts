import type { ListeningAddress } from '../cli/io.ts';
import type { ProxyConfig } from '../config/index.ts';
import type { LogLevel } from '../log/index.ts';
import type { RunningListener } from './listener-plan.ts';
import type { ListenerSecrets } from './listener-secrets.ts';
import type { PoolTable } from './pool-table.ts';
import type { SharedUpstream, WorkerMemory } from './shared-memory.ts';
import type { PurgeTarget } from './worker-cache.ts';

/** One immutable configuration, and the shared memory that goes with it. */
export interface Snapshot {
  /** Grows by one with every reload. */
  readonly version: number;
  readonly config: ProxyConfig;
  readonly upstreams: readonly SharedUpstream[];
  /** The listeners of `config`, in their order. */
  readonly listeners: readonly RunningListener[];
  /** For each of them, in their order; null: it has no TLS. */
  readonly secrets: readonly (ListenerSecrets | null)[];
}

/**
 * A snapshot without what is said again: upstreams that are the same have no configuration and no backends in it. A
 * thousand backends take ten milliseconds of every worker just to arrive.
 */
export function changesOf(before: Snapshot, after: Snapshot): Snapshot {
  const known = new Map(before.upstreams.map(({ id, revision }) => [id, revision]));
  const isSame = ({ id, revision }: SharedUpstream): boolean => known.get(id) === revision;
  const same = new Set(after.upstreams.filter(isSame).map(({ name }) => name));
  const { config } = after;
  return {
    ...after,
    config: { ...config, upstreams: config.upstreams.filter(({ name }) => !same.has(name)) },
    upstreams: after.upstreams.map((shared) =>
      same.has(shared.name) ? { ...shared, backends: [] } : shared,
    ),
  };
}

/** A listening socket of a worker's own for each listener, by its id; those that are not there it opens by itself. */
export type WorkerSockets = Readonly<Record<number, number>>;

/** What a worker is born with. */
export interface WorkerBirth {
  /** 0 to `workers` - 1; a replacement gets the number of the one it replaces. */
  readonly index: number;
  readonly workers: number;
  readonly memory: WorkerMemory;
  /** Shared by all workers: see `connection-leases.ts`. */
  readonly leases: SharedArrayBuffer;
  /** The same: see `address-counts.ts`. */
  readonly addresses: SharedArrayBuffer;
  /** The same: see `accept-balance.ts`. */
  readonly balance: SharedArrayBuffer;
  readonly snapshot: Snapshot;
  readonly sockets: WorkerSockets;
}

/** What only a worker knows of itself. */
export interface WorkerReport {
  /** Client connections that are open. */
  readonly connections: number;
  /** Timers that are armed. */
  readonly timers: number;
  /** Longest delay of the event loop in the last second, in milliseconds. */
  readonly eventLoopDelay: number;
  /** Bytes. */
  readonly heapUsed: number;
  /** Bytes. */
  readonly heapLimit: number;
  readonly overloaded: boolean;
  /** Pools by upstream. */
  readonly pools: Readonly<Record<string, PoolTable>>;
  /** Counts of the cache; null: there is none. */
  readonly cache: Readonly<Record<string, number>> | null;
}

/** From the supervisor to a worker. */
export type ToWorker =
  | { readonly type: 'apply'; readonly snapshot: Snapshot; readonly sockets: WorkerSockets }
  /** Stop accepting, finish what is under way, end within `limit` milliseconds. */
  | { readonly type: 'drain'; readonly limit: number }
  | { readonly type: 'logLevel'; readonly level: LogLevel }
  | { readonly type: 'reopenLogs' }
  /** Another worker's cache invalidated this key. */
  | { readonly type: 'invalidate'; readonly key: string }
  /** Remove from the cache; answered by `purged`. */
  | { readonly type: 'purge'; readonly id: number; readonly what: PurgeTarget }
  /** Say how you are; answered by `reported`. */
  | { readonly type: 'report'; readonly id: number };

/** From a worker to the supervisor. */
export type FromWorker =
  | { readonly type: 'ready'; readonly listening: readonly ListeningAddress[] }
  | { readonly type: 'applied'; readonly version: number }
  /** It could not start, or could not take a snapshot over; it goes on with what it had. */
  | { readonly type: 'failed'; readonly version: number; readonly message: string }
  /** An unsafe method invalidated this key: to be told to the other workers. */
  | { readonly type: 'invalidated'; readonly key: string }
  | { readonly type: 'purged'; readonly id: number; readonly removed: number }
  | { readonly type: 'reported'; readonly id: number; readonly report: WorkerReport }
  /** `cut`: connections that had to be closed before they were done. */
  | { readonly type: 'drained'; readonly cut: number };
