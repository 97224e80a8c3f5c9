import { UpstreamGroup, type UpstreamGroupChange } from '@rp/balancer';
import {
  BackendConnector,
  Engine,
  Upstream,
  type AccessLog,
  type BackendConnection,
  type EventLog,
  type Limits,
  type ProxyProtocolVersion,
  type ResponseCache,
  type Route,
  type SettingsInput,
  type UpstreamOptions,
} from '@rp/core';
import { ConnectionPool, type PoolLimits, type PoolSlot } from '@rp/pool';
import { onTestFinished } from 'vitest';
import { ManualTime } from './manual-time.ts';
import { RecordingBackend, type BackendScript, type Handler } from './backend.ts';
import { turns, until } from './wait.ts';

type PooledConnection = BackendConnection & { slot: PoolSlot | undefined };
export type TestPool = ConnectionPool<PooledConnection>;

export interface LogLine {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

class RecordingLog implements EventLog {
  readonly lines: LogLine[] = [];
  debug(fields: object, message: string): void {
    this.#add('debug', fields, message);
  }
  info(fields: object, message: string): void {
    this.#add('info', fields, message);
  }
  warn(fields: object, message: string): void {
    this.#add('warn', fields, message);
  }
  error(fields: object, message: string): void {
    this.#add('error', fields, message);
  }
  #add(level: string, fields: object, message: string): void {
    this.lines.push({ level, fields: { ...fields }, message });
  }
}

export interface ProxyOptions extends Omit<SettingsInput, 'routes' | 'limits'> {
  /** Ports on 127.0.0.1 of the only upstream's backends. */
  backends: readonly number[];
  limits?: Partial<Limits>;
  pool?: PoolLimits;
  group?: UpstreamGroupChange;
  upstream?: Pick<UpstreamOptions, 'sticky' | 'repeats' | 'minRate'>;
  accessLog?: AccessLog;
  /** Routes to the only upstream. Default: everything. */
  routes?: readonly Omit<Route<Upstream>, 'upstream'>[];
  protocol?: 'http' | 'https';
  /** A cookie keeps a client with its backend. */
  affinity?: boolean;
  /** Sent to backends. */
  proxyProtocol?: ProxyProtocolVersion;
  cache?: ResponseCache;
  /** Milliseconds since 1970. Default: some moment, always the same. */
  wallClock?: () => number;
}

/** An engine in front of raw backends, on a clock that only the test moves. */
export class TestProxy {
  readonly time: ManualTime = new ManualTime();
  readonly log: RecordingLog = new RecordingLog();
  readonly engine: Engine;
  readonly group: UpstreamGroup;
  readonly pools: TestPool[] = [];
  port = 0;

  constructor(options: ProxyOptions) {
    const {
      backends,
      pool,
      group: change,
      upstream: more = {},
      routes,
      accessLog,
      protocol = 'http',
      proxyProtocol,
      affinity = false,
      cache,
      wallClock = () => 1_700_000_000_000,
      ...settings
    } = options;
    this.group = new UpstreamGroup({
      name: 'app',
      backends: backends.map((port) => ({ url: `${protocol}://127.0.0.1:${port}` })),
      ejection: false,
      circuitBreaker: false,
      ...change,
    });
    const upstream = new Upstream({
      name: 'app',
      setsAffinity: affinity,
      balancer: this.group,
      ...more,
      createPool: (target) => {
        const { runtime } = this.engine;
        const connector = new BackendConnector(runtime, target, {}, proxyProtocol);
        const made: TestPool = new ConnectionPool<PooledConnection>({
          connector,
          clock: () => runtime.now,
          minIdle: 0,
          ...pool,
        });
        connector.for(made);
        this.engine.adopt(made);
        this.pools.push(made);
        return made;
      },
    });
    this.engine = new Engine({
      settings: { ...settings, routes: (routes ?? [{}]).map((route) => ({ ...route, upstream })) },
      log: this.log,
      clock: this.time.clock,
      wallClock,
      ticker: this.time.ticker,
      ...(cache === undefined ? {} : { cache }),
      ...(accessLog === undefined ? {} : { accessLog }),
    });
  }

  count(name: string): number {
    return this.engine.counters.read(name);
  }

  /** Lets time pass, and what it brings happen. */
  async advance(milliseconds: number): Promise<void> {
    await turns();
    this.time.advance(milliseconds);
    await turns();
  }

  /** Waits until no client connection is left. */
  async quiet(): Promise<void> {
    await until(() => this.engine.connections === 0);
  }

  async close(): Promise<void> {
    this.engine.close();
    await until(() => this.engine.connections === 0);
    await until(() => this.pools.every((pool) => pool.size === 0));
  }

  /** Connections to backends, idle or in use, and connects under way. */
  get backendConnections(): number {
    return this.pools.reduce((sum, pool) => sum + pool.size, 0);
  }
}

/** Starts a proxy that ends with the test. */
export async function startProxy(options: ProxyOptions): Promise<TestProxy> {
  const proxy = new TestProxy(options);
  const { port } = await proxy.engine.listen({ address: '127.0.0.1' });
  proxy.port = port;
  onTestFinished(async () => {
    await proxy.close();
    const errors = proxy.log.lines.filter(
      ({ level, message }) => level === 'error' && message !== 'a hook failed',
    );
    if (errors.length > 0) throw new Error(`the proxy logged ${JSON.stringify(errors)}`);
  });
  return proxy;
}

/** A backend with this script, and a proxy in front of it; both end with the test. */
export async function startPair(
  script: BackendScript | Handler = {},
  options: Partial<ProxyOptions> = {},
): Promise<{ backend: RecordingBackend; proxy: TestProxy }> {
  const backend = await startBackend(script);
  const proxy = await startProxy({ ...options, backends: [backend.port] });
  return { backend, proxy };
}

export async function startBackend(script: BackendScript | Handler = {}): Promise<RecordingBackend> {
  const backend = await RecordingBackend.start(script);
  onTestFinished(() => backend.close());
  return backend;
}
