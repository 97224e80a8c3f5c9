import { BackendTable, type BackendOptions } from '@rp/balancer';
import { countersByteLength } from '@rp/core';
import { SharedPermits } from '@rp/pool';
import { HANDSHAKE_COUNTER_BYTES } from '@rp/tls';
import { isDeepStrictEqual } from 'node:util';
import type { ProxyConfig, Upstream } from '../config/index.ts';

/*
 * What the threads of the process share, and who writes it.
 *
 *   per worker     counters   Float64   written by that worker, added up by the supervisor (@rp/core, counters.ts)
 *                  pulse      Int32     written by that worker ten times a second, watched by the supervisor
 *                  handshakes Float64  the same, for TLS (@rp/tls, handshake-counters.ts)
 *   per upstream   table      @rp/balancer, shared-state.ts: states, active requests, positions, counters
 *                  permits    @rp/pool, shared-permits-layout.ts: one block per slot of the table
 *   once           leases     connection-leases.ts: places for client connections
 *                  addresses  address-counts.ts: client connections by address
 *                  balance    accept-balance.ts: whose turn it is to accept
 *
 * The supervisor has the last thread number in tables and permits: it runs the health checks.
 */

/** Memory of one worker. */
export interface WorkerMemory {
  readonly counters: SharedArrayBuffer;
  readonly pulse: SharedArrayBuffer;
  readonly handshakes: SharedArrayBuffer;
}

/** Memory of one upstream group. */
export interface SharedUpstream {
  readonly name: string;
  /**
   * Tells one memory from another: a `SharedArrayBuffer` that comes by message is a new object each time, although
   * the memory is the same.
   */
  readonly id: number;
  /** Grows when its configuration or its backends change: what has the same is the same. */
  readonly revision: number;
  readonly table: SharedArrayBuffer;
  readonly permits: SharedArrayBuffer;
  /** Highest `pool.maxConnections` that fits. */
  readonly permitCapacity: number;
  /** Threads that have a number in it: the workers and the supervisor. */
  readonly threads: number;
  /** Who is in it: as configured, names replaced by their addresses as far as they are known. */
  readonly backends: readonly BackendOptions[];
}

export function createWorkerMemory(): WorkerMemory {
  return {
    counters: new SharedArrayBuffer(countersByteLength),
    pulse: new SharedArrayBuffer(4),
    handshakes: new SharedArrayBuffer(HANDSHAKE_COUNTER_BYTES),
  };
}

let lastId = 0;

const MIN_SLOTS = 64;
const MIN_PERMITS = 256;

/** Room for twice what is configured, so that reloads find room without losing counts. */
export function createSharedUpstream(
  upstream: Upstream,
  backends: readonly BackendOptions[],
  workers: number,
): SharedUpstream {
  const threads = workers + 1;
  const capacity = Math.max(MIN_SLOTS, 2 * backends.length);
  const table = BackendTable.create({ capacity, workers: threads });
  const permitCapacity = Math.max(MIN_PERMITS, 2 * upstream.pool.maxConnections);
  const block = SharedPermits.byteLength(threads, permitCapacity);
  const permits = new SharedArrayBuffer(block * table.capacity);
  return {
    name: upstream.name,
    id: ++lastId,
    revision: 0,
    table: table.buffer,
    permits,
    permitCapacity,
    threads,
    backends,
  };
}

/** Whether an upstream still fits where it is after a reload. */
function fits(shared: SharedUpstream, upstream: Upstream, backends: readonly BackendOptions[]): boolean {
  const { capacity } = BackendTable.attach(shared.table, 0);
  // What is still draining needs its slots, too.
  const room = Math.max(capacity / 2, capacity - shared.backends.length);
  return backends.length <= room && upstream.pool.maxConnections <= shared.permitCapacity;
}

/** The memory for a configuration; what still fits is kept, with everything that is counted in it. */
export function shareUpstreams(
  config: ProxyConfig,
  workers: number,
  before: { readonly config: ProxyConfig; readonly upstreams: readonly SharedUpstream[] },
  backendsOf: (upstream: Upstream) => readonly BackendOptions[],
): readonly SharedUpstream[] {
  return config.upstreams.map((upstream) => {
    const backends = backendsOf(upstream);
    const kept = before.upstreams.find((shared) => shared.name === upstream.name);
    if (kept === undefined || !fits(kept, upstream, backends))
      return createSharedUpstream(upstream, backends, workers);
    const old = before.config.upstreams.find(({ name }) => name === upstream.name);
    const same = isDeepStrictEqual(old, upstream) && isDeepStrictEqual(kept.backends, backends);
    return same ? kept : { ...kept, backends, revision: kept.revision + 1 };
  });
}

/** The permits of the backend in slot `index`, as thread `thread` sees them. */
export function permitsOf(
  shared: SharedUpstream,
  index: number,
  thread: number,
  max?: number,
): SharedPermits {
  const { permits, permitCapacity, threads } = shared;
  const words = SharedPermits.byteLength(threads, permitCapacity) / 4;
  return new SharedPermits({
    buffer: permits,
    index: index * words,
    threads,
    thread,
    capacity: permitCapacity,
    ...(max === undefined ? {} : { max }),
  });
}
