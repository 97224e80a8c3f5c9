import type { ListeningAddress } from '../cli/io.ts';
import type { ProxyConfig } from '../config/index.ts';
import type { LogLevel } from '../log/index.ts';
import type { SharedUpstream, WorkerMemory } from './shared-memory.ts';

/** One immutable configuration, and the shared memory that goes with it. */
export interface Snapshot {
  /** Grows by one with every reload. */
  readonly version: number;
  readonly config: ProxyConfig;
  readonly upstreams: readonly SharedUpstream[];
}

/** What a worker is born with. */
export interface WorkerBirth {
  /** 0 to `workers` - 1; a replacement gets the number of the one it replaces. */
  readonly index: number;
  readonly workers: number;
  readonly memory: WorkerMemory;
  readonly snapshot: Snapshot;
}

/** From the supervisor to a worker. */
export type ToWorker =
  | { readonly type: 'apply'; readonly snapshot: Snapshot }
  /** Stop accepting, finish what is under way, end within `limit` milliseconds. */
  | { readonly type: 'drain'; readonly limit: number }
  | { readonly type: 'logLevel'; readonly level: LogLevel }
  | { readonly type: 'reopenLogs' }
  /** Another worker's cache invalidated this key. */
  | { readonly type: 'invalidate'; readonly key: string };

/** From a worker to the supervisor. */
export type FromWorker =
  | { readonly type: 'ready'; readonly listening: readonly ListeningAddress[] }
  | { readonly type: 'applied'; readonly version: number }
  /** It could not start, or could not take a snapshot over; it goes on with what it had. */
  | { readonly type: 'failed'; readonly version: number; readonly message: string }
  /** An unsafe method invalidated this key: to be told to the other workers. */
  | { readonly type: 'invalidated'; readonly key: string }
  /** `cut`: connections that had to be closed before they were done. */
  | { readonly type: 'drained'; readonly cut: number };
