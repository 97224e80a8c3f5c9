import prometheus from 'prom-client';
import type { BackendStats, Stats } from './stats.ts';

/** With more backends than this in the process, latency by backend is left out: 16 series for each would be too many. */
const MAX_DETAILED_BACKENDS = 200;

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}

/** One metric as `prom-client` takes it over from elsewhere. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly Sample[];
}

/** The media type of {@link formatMetrics}. */
export const METRICS_TYPE: string = prometheus.Registry.PROMETHEUS_CONTENT_TYPE;

/**
 * The statistics in the text format of Prometheus. Nothing is kept between two calls: what the workers share is read
 * when it is asked for. Labels come from the configuration and from fixed lists only, never from requests.
 */
export function formatMetrics(stats: Stats): Promise<string> {
  const metrics = [
    ...processMetrics(stats),
    ...trafficMetrics(stats),
    ...backendMetrics(stats),
    ...cacheMetrics(stats),
  ];
  // prom-client's own counters cannot be set to a value that was counted elsewhere; what it formats for clusters can.
  return prometheus.AggregatorRegistry.aggregate([metrics]).metrics();
}

const metric = (type: Metric['type'], name: string, help: string, values: readonly Sample[]): Metric => ({
  name: `rp_${name}`,
  help,
  type,
  aggregator: 'sum',
  values,
});

const counter = (name: string, help: string, value: number): Metric =>
  metric('counter', name, help, [{ labels: {}, value }]);
const gauge = (name: string, help: string, value: number): Metric =>
  metric('gauge', name, help, [{ labels: {}, value }]);
const by = (label: string, values: Readonly<Record<string, number>>): readonly Sample[] =>
  Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));

/** Buckets counted one by one, in milliseconds, as cumulative ones in seconds. */
function histogram(
  name: string,
  labels: Labels,
  latency: { readonly bounds: readonly number[]; readonly counts: readonly number[]; readonly sumMs: number },
): readonly Sample[] {
  let below = 0;
  const buckets = latency.counts.map((count, at): Sample => {
    below += count;
    const bound = latency.bounds[at];
    const le = bound === undefined ? '+Inf' : String(bound / 1000);
    return { labels: { ...labels, le }, value: below, metricName: `rp_${name}_bucket` };
  });
  return [
    ...buckets,
    { labels, value: latency.sumMs / 1000, metricName: `rp_${name}_sum` },
    { labels, value: below, metricName: `rp_${name}_count` },
  ];
}

function processMetrics({
  ready,
  config,
  workers,
  process,
  uptimeSeconds,
  timers,
}: Stats): readonly Metric[] {
  const each = workers.each.flatMap((worker, at) =>
    worker.answered ? [{ worker, labels: { worker: String(at) } }] : [],
  );
  return [
    gauge('ready', 'Whether the proxy accepts requests.', ready ? 1 : 0),
    gauge('uptime_seconds', 'Age of the process.', uptimeSeconds),
    gauge('config_version', 'Configurations and address changes since the start.', config.version),
    metric('counter', 'reloads_total', 'Reloads by result.', [
      { labels: { result: 'applied' }, value: config.reloads },
      { labels: { result: 'refused' }, value: config.refusedReloads },
    ]),
    gauge('workers', 'Worker threads that accept connections.', workers.ready),
    counter('worker_restarts_total', 'Worker threads that were replaced.', workers.restarts),
    gauge('timers', 'Timers that are armed.', timers),
    metric(
      'gauge',
      'event_loop_delay_seconds',
      'Longest delay of the event loop in the last second.',
      each.map(({ worker, labels }) => ({ labels, value: worker.eventLoopDelay / 1000 })),
    ),
    metric(
      'gauge',
      'heap_used_bytes',
      'Heap in use.',
      each.map(({ worker, labels }) => ({ labels, value: worker.heapUsed })),
    ),
    metric(
      'gauge',
      'overloaded',
      'Whether the worker refuses new requests.',
      each.map(({ worker, labels }) => ({ labels, value: worker.overloaded ? 1 : 0 })),
    ),
    gauge('resident_memory_bytes', 'Memory of the process.', process.memory),
    counter('cpu_seconds_total', 'Processor time of the process.', process.cpuSeconds),
  ];
}

function trafficMetrics({
  connections,
  requests,
  responses,
  latency,
  bytes,
  failures,
  tls,
  certificates,
}: Stats): readonly Metric[] {
  const request = (name: string): number => requests[name] ?? 0;
  return [
    counter('connections_accepted_total', 'Client connections accepted.', connections.accepted),
    counter('connections_refused_total', 'Client connections over a limit.', connections.refused),
    counter(
      'proxy_header_failures_total',
      'Client connections without a valid PROXY protocol header where one is expected.',
      connections.badProxyHeader,
    ),
    metric('gauge', 'connections', 'Client connections by state.', by('state', connections.states)),
    counter('requests_total', 'Requests.', request('total')),
    gauge('requests_active', 'Requests under way.', request('active')),
    metric('counter', 'responses_total', 'Responses by class of status.', by('class', responses)),
    metric(
      'histogram',
      'request_duration_seconds',
      'From the head of a request to the end of its response.',
      histogram('request_duration_seconds', {}, latency),
    ),
    metric('counter', 'failures_total', 'Exchanges that failed, by code.', by('code', failures)),
    metric('counter', 'bytes_total', 'Bytes by direction.', by('direction', bytes)),
    counter('client_aborts_total', 'Exchanges whose client left.', request('clientAborts')),
    counter('retries_total', 'Attempts on another backend.', request('retries')),
    counter('replays_total', 'Requests repeated because a reused connection was closed.', request('replays')),
    counter(
      'overload_refusals_total',
      'Requests refused by an overloaded worker.',
      request('overloadRefusals'),
    ),
    counter('hook_failures_total', 'Hooks that threw or took too long.', request('hookFailures')),
    counter('tunnels_total', 'Tunnels opened.', request('tunnels')),
    gauge('tunnels_active', 'Tunnels that are open.', request('activeTunnels')),
    metric('counter', 'tls_events_total', 'TLS handshakes by kind.', by('event', tls)),
    gauge('tls_certificates', 'Certificates that were loaded.', certificates.served),
    metric(
      'gauge',
      'tls_certificate_expiry_timestamp_seconds',
      'When certificates end; of many, the hundred that end first.',
      certificates.soonest.map(({ file, notAfter }) => ({
        labels: { file },
        value: Date.parse(notAfter) / 1000,
      })),
    ),
    counter('http2_connections_total', 'HTTP/2 connections.', request('http2Connections')),
    counter('http2_streams_total', 'HTTP/2 streams.', request('http2Streams')),
    gauge('http2_connections_active', 'HTTP/2 connections that are open.', request('activeHttp2Connections')),
    gauge('http2_streams_active', 'HTTP/2 streams that are open.', request('activeHttp2Streams')),
  ];
}

function backendMetrics({ upstreams }: Stats): readonly Metric[] {
  const all = Object.entries(upstreams).flatMap(([upstream, { backends }]) =>
    backends.map((backend) => ({ backend, labels: { upstream, backend: backend.name } })),
  );
  const one = (value: (backend: BackendStats) => number): readonly Sample[] =>
    all.map(({ backend, labels }) => ({ labels, value: value(backend) }));
  const several = (
    label: string,
    values: (backend: BackendStats) => Readonly<Record<string, number>>,
  ): readonly Sample[] =>
    all.flatMap(({ backend, labels }) =>
      Object.entries(values(backend)).map(([key, value]) => ({ labels: { ...labels, [label]: key }, value })),
    );
  const name = 'backend_response_seconds';
  const latency =
    all.length > MAX_DETAILED_BACKENDS
      ? []
      : all.flatMap(({ backend, labels }) => histogram(name, labels, backend.latency));
  return [
    metric(
      'gauge',
      'backend_up',
      'Whether the backend may be picked.',
      one(({ state }) => (state === 'healthy' ? 1 : 0)),
    ),
    metric(
      'gauge',
      'backend_ejected',
      'Whether failing requests took it out.',
      one(({ ejected }) => (ejected ? 1 : 0)),
    ),
    metric(
      'gauge',
      'backend_circuit_open',
      'Whether its circuit is open (1) or half-open (0.5).',
      one(({ circuit }) => (circuit === 'open' ? 1 : circuit === 'halfOpen' ? 0.5 : 0)),
    ),
    metric(
      'gauge',
      'backend_requests_active',
      'Attempts under way.',
      one(({ active }) => active),
    ),
    metric('counter', 'backend_attempts_total', 'Attempts by outcome.', several('outcome', outcomes)),
    metric(
      'counter',
      'backend_ejections_total',
      'Ejections.',
      one(({ ejections }) => ejections),
    ),
    metric(
      'counter',
      'backend_circuit_openings_total',
      'Openings of the circuit.',
      one((one) => one.circuitOpenings),
    ),
    metric(
      'counter',
      'backend_state_changes_total',
      'Changes of state.',
      one(({ stateChanges }) => stateChanges),
    ),
    metric('histogram', name, 'From the attempt to the head of the response.', latency),
    metric(
      'gauge',
      'pool_connections',
      'Connections to backends by state.',
      several('state', poolConnections),
    ),
    metric(
      'gauge',
      'pool_waiting',
      'Requests that wait for a connection.',
      one(({ pool }) => pool.waiting),
    ),
    metric('counter', 'pool_events_total', 'What happened in pools.', several('event', poolEvents)),
    metric(
      'counter',
      'pool_connect_seconds_total',
      'Time that connects took.',
      one(({ pool }) => pool.connectMs.sum / 1000),
    ),
  ];
}

const outcomes = (backend: BackendStats): Readonly<Record<string, number>> => ({
  success: backend.succeeded,
  status_5xx: backend.status5xx,
  connect_failed: backend.connectFailed,
  reset: backend.reset,
  timed_out: backend.timedOut,
  cancelled: backend.cancelled,
});

const poolConnections = ({ pool }: BackendStats): Readonly<Record<string, number>> => ({
  active: pool.active,
  idle: pool.idle,
  connecting: pool.connecting,
});

const poolEvents = ({ pool }: BackendStats): Readonly<Record<string, number>> => ({
  created: pool.created,
  reused: pool.reused,
  exhausted: pool.exhausted,
  evicted: pool.evicted,
  stale: pool.stale,
  connect_failed: pool.failed,
  timed_out: pool.timedOut,
  refused: pool.refused,
});

/** The sizes of the cache go up and down; everything else in it is counted. */
const CACHE_GAUGES = new Set(['bytes', 'resources', 'responses', 'hitRatio']);

function cacheMetrics({ cache }: Stats): readonly Metric[] {
  if (cache === null) return [];
  const events = Object.fromEntries(Object.entries(cache).filter(([name]) => !CACHE_GAUGES.has(name)));
  const sizes = Object.entries(cache).filter(([name]) => CACHE_GAUGES.has(name));
  return [
    metric('counter', 'cache_events_total', 'What happened in the cache.', by('event', events)),
    ...sizes.map(([name, value]) =>
      gauge(`cache_${name === 'hitRatio' ? 'hit_ratio' : name}`, 'Of the cache, now.', value),
    ),
  ];
}
