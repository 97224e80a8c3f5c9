import type { BackendStatistics } from '@rp/balancer';
import { latencyBounds } from '@rp/core';
import type { ServedCertificate } from '../run/certificate-keeper.ts';
import type { Reloader } from '../run/reloader.ts';
import type { Supervisor } from '../run/supervisor.ts';
import { poolFigures } from '../run/pool-table.ts';
import { poolTotals, type PoolTotals } from './pool-totals.ts';

/** Certificates that are shown one by one, and names of each. */
const MAX_CERTIFICATES = 100;
const MAX_NAMES = 10;

/** One worker thread. `answered: false`: it did not answer within a second, and its other figures are missing. */
export type WorkerStats =
  | {
      readonly answered: true;
      readonly connections: number;
      readonly timers: number;
      /** Longest delay of the event loop in the last second, in milliseconds. */
      readonly eventLoopDelay: number;
      readonly heapUsed: number;
      readonly heapLimit: number;
      readonly overloaded: boolean;
    }
  | { readonly answered: false };

/** One backend, all workers added up. */
export interface BackendStats extends BackendStatistics {
  readonly name: string;
  /** Pool permits that are taken: connections that are open or being opened. */
  readonly permits: number;
  readonly pool: PoolTotals;
}

/** A certificate that is served, or was until it expired. */
export interface CertificateStats {
  readonly file: string;
  readonly names: readonly string[];
  /** ISO 8601. */
  readonly notAfter: string;
  /** Whole days, rounded down; negative once it has expired. */
  readonly daysLeft: number;
}

/** What `GET /stats` answers. Counters only grow while the process lives; the README says what each means. */
export interface Stats {
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly ready: boolean;
  readonly config: { readonly version: number; readonly reloads: number; readonly refusedReloads: number };
  readonly workers: {
    readonly configured: number;
    readonly ready: number;
    readonly restarts: number;
    readonly each: readonly WorkerStats[];
  };
  /** Timers that are armed, all workers. */
  readonly timers: number;
  readonly connections: {
    readonly open: number;
    readonly accepted: number;
    readonly refused: number;
    /** Closed since their PROXY protocol header was missing, malformed or late. */
    readonly badProxyHeader: number;
    readonly states: Readonly<Record<string, number>>;
  };
  readonly requests: Readonly<Record<string, number>>;
  readonly responses: Readonly<Record<string, number>>;
  readonly latency: {
    /** Milliseconds; one more count is of those above all. */
    readonly bounds: readonly number[];
    readonly counts: readonly number[];
    readonly sumMs: number;
    readonly p50: number;
    readonly p99: number;
  };
  readonly bytes: Readonly<Record<string, number>>;
  /** Exchanges that failed, by code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Handshakes, by the names of `HANDSHAKE_COUNTERS` of `@rp/tls`. */
  readonly tls: Readonly<Record<string, number>>;
  readonly certificates: {
    readonly served: number;
    /** Those that end first, at most 100 of them. */
    readonly soonest: readonly CertificateStats[];
  };
  readonly cache: Readonly<Record<string, number>> | null;
  readonly upstreams: Readonly<Record<string, { readonly backends: readonly BackendStats[] }>>;
  readonly process: { readonly memory: number; readonly cpuSeconds: number };
}

/** Asks all workers and reads the shared memory. */
export async function collectStats(supervisor: Supervisor, reloader: Reloader): Promise<Stats> {
  const reports = await supervisor.reports();
  const counters = supervisor.counters();
  const count = (name: string): number => counters[name] ?? 0;
  const { applied, refused } = reloader.counts;
  const cpu = process.cpuUsage();
  const counts = [...latencyBounds.map(String), 'inf'].map((bound) => count(`duration.${bound}`));
  return {
    pid: process.pid,
    uptimeSeconds: Math.floor(process.uptime()),
    ready: supervisor.isReady,
    config: { version: supervisor.version, reloads: applied, refusedReloads: refused },
    workers: { ...supervisor.workers, each: reports.map(workerStats) },
    timers: reports.reduce((sum, report) => sum + (report?.timers ?? 0), 0),
    connections: {
      open: count('connectionsNow'),
      accepted: count('connectionsAccepted'),
      refused: count('connectionsRefused'),
      badProxyHeader: count('proxyHeaderFailures'),
      states: group(counters, /^state\.(.+)Now$/u),
    },
    requests: {
      total: count('requests'),
      active: count('requestsNow'),
      clientAborts: count('clientAborts'),
      retries: count('retries'),
      replays: count('replays'),
      overloadRefusals: count('overloadRefusals'),
      tunnels: count('tunnels'),
      activeTunnels: count('tunnelsNow'),
      hookFailures: count('hookFailures'),
      http2Connections: count('http2Connections'),
      http2Streams: count('http2Streams'),
      activeHttp2Connections: count('http2ConnectionsNow'),
      activeHttp2Streams: count('http2StreamsNow'),
    },
    responses: group(counters, /^status(.xx)$/u),
    latency: {
      bounds: latencyBounds,
      counts,
      sumMs: count('durationSumMs'),
      p50: quantile(0.5, latencyBounds, counts),
      p99: quantile(0.99, latencyBounds, counts),
    },
    bytes: {
      fromClients: count('bytesFromClients'),
      toClients: count('bytesToClients'),
      fromBackends: count('bytesFromBackends'),
      toBackends: count('bytesToBackends'),
    },
    failures: group(counters, /^failure\.(.+)$/u),
    tls: supervisor.handshakes(),
    certificates: certificateStats(supervisor.certificates.served(), Date.now()),
    cache: cacheTotals(reports),
    upstreams: upstreamStats(supervisor, reports),
    process: { memory: process.memoryUsage.rss(), cpuSeconds: (cpu.user + cpu.system) / 1e6 },
  };
}

/** With thousands of certificates each would be a series of its own: those that end last are left out. */
function certificateStats(served: readonly ServedCertificate[], now: number): Stats['certificates'] {
  const soonest = served
    .toSorted((a, b) => a.notAfter - b.notAfter)
    .slice(0, MAX_CERTIFICATES)
    .map(({ file, names, notAfter }) => ({
      file,
      names: names.slice(0, MAX_NAMES),
      notAfter: new Date(notAfter).toISOString(),
      daysLeft: Math.floor((notAfter - now) / 86_400_000),
    }));
  return { served: served.length, soonest };
}

type Reports = Awaited<ReturnType<Supervisor['reports']>>;

function workerStats(report: Reports[number]): WorkerStats {
  if (report === undefined) return { answered: false };
  const { connections, timers, eventLoopDelay, heapUsed, heapLimit, overloaded } = report;
  return { answered: true, connections, timers, eventLoopDelay, heapUsed, heapLimit, overloaded };
}

function upstreamStats(supervisor: Supervisor, reports: Reports): Stats['upstreams'] {
  return Object.fromEntries(
    [...supervisor.upstreams.values()].map((watch) => {
      watch.refresh();
      const pools = reports.flatMap((report) => {
        const table = report?.pools[watch.name];
        return table === undefined ? [] : [poolFigures(table)];
      });
      const backends = watch.views().map(({ name, key, statistics, permits }) => ({
        name,
        ...statistics,
        permits,
        pool: poolTotals(pools.flatMap((one) => one.get(key) ?? [])),
      }));
      return [watch.name, { backends }];
    }),
  );
}

/** All counts whose names match, by what the pattern captures. */
function group(counters: Readonly<Record<string, number>>, pattern: RegExp): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [name, value] of Object.entries(counters)) {
    const key = pattern.exec(name)?.[1];
    if (key !== undefined) found[key] = value;
  }
  return found;
}

function cacheTotals(reports: Reports): Record<string, number> | null {
  const caches = reports.flatMap((report) =>
    report === undefined || report.cache === null ? [] : [report.cache],
  );
  if (caches.length === 0) return null;
  const total: Record<string, number> = {};
  for (const cache of caches) {
    for (const [name, value] of Object.entries(cache)) total[name] = (total[name] ?? 0) + value;
  }
  const served = (total.hits ?? 0) + (total.coalesced ?? 0);
  const all = served + (total.misses ?? 0) + (total.revalidations ?? 0);
  return { ...total, hitRatio: all === 0 ? 0 : served / all };
}

/** A quantile by linear interpolation within its bucket, in the unit of the bounds; 0 where nothing was counted. */
export function quantile(q: number, bounds: readonly number[], counts: readonly number[]): number {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return 0;
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    const from = bucket === 0 ? 0 : bounds[bucket - 1]!;
    const to = bounds[bucket] ?? from;
    if (below + count >= q * all && count > 0) return from + ((q * all - below) / count) * (to - from);
    below += count;
  }
  return bounds.at(-1) ?? 0;
}
