import type { Engine, Hooks } from '@rp/core';
import type { ListeningAddress } from '../cli/io.ts';
import { parseConfig, type Plan, type Problem, type ProxyConfig } from '../config/index.ts';
import { LogSink, createLogger } from '../log/index.ts';
import { InProcessFleet } from './in-process-fleet.ts';
import { Supervisor } from './supervisor.ts';

/** A configuration that cannot be used. */
export class ConfigError extends Error {
  readonly code = 'CONFIG';
  readonly source = 'proxy';
  readonly retryable = 'no';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; '));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The short way to a proxy. */
export interface ProxyOptions {
  /** `8080`, `127.0.0.1:8080` or `[::1]:8080`; port 0 takes any free one. Default `127.0.0.1:0`. */
  readonly listen?: string | number;
  /** URLs of the backends, such as `http://127.0.0.1:3000`; they take turns. */
  readonly backends?: readonly string[];
  /** Anything that may stand in the configuration file, by the same names; goes before the two above. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Called before the first connection is accepted: the place to add handlers. */
  readonly hooks?: (hooks: Hooks) => void;
}

/** A proxy that runs in this thread. */
export class RunningProxy {
  /** Where it listens, in the order of the configuration. */
  readonly addresses: readonly ListeningAddress[];
  /** The engine, for what is not offered here. */
  readonly engine: Engine;
  readonly #supervisor: Supervisor;
  readonly #sink: LogSink;

  /** @internal Use {@link startProxy}. */
  constructor(addresses: readonly ListeningAddress[], engine: Engine, supervisor: Supervisor, sink: LogSink) {
    this.addresses = addresses;
    this.engine = engine;
    this.#supervisor = supervisor;
    this.#sink = sink;
  }

  /** Of the first listener, such as `http://127.0.0.1:8080`. */
  get url(): string {
    const { address, port, tls } = this.addresses[0]!;
    const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '[::1]' : address;
    return `${tls ? 'https' : 'http'}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
  }

  /** Handlers for the events of each request. */
  get hooks(): Hooks {
    return this.engine.hooks;
  }

  /** Counters by name. */
  get counters(): Readonly<Record<string, number>> {
    return this.#supervisor.counters();
  }

  /**
   * Takes another configuration over, without dropping a connection; returns what is different. Listeners are neither
   * opened nor closed.
   */
  reload(config: ProxyConfig): Plan {
    const plan = this.#supervisor.plan(config);
    this.#supervisor.reloadInPlace(config);
    return plan;
  }

  /**
   * Stops accepting, lets requests under way end, and closes the rest after `limit` ms (default `timeouts.drain`).
   * Resolves with the number of connections that had to be cut.
   */
  async close(limit: number = this.#supervisor.config.timeouts.drain): Promise<number> {
    const cut = await this.#supervisor.drain(limit);
    await this.#sink.close();
    return cut;
  }
}

/**
 * Runs a proxy by a whole configuration in this thread: `workers` and `admin` are left out of account. Health checks,
 * names, cache, TLS and logs are as in `rp run`.
 * @throws {Error} where it cannot listen
 */
export async function startProxy(
  config: ProxyConfig,
  hooks: (hooks: Hooks) => void = () => undefined,
): Promise<RunningProxy> {
  const sink = new LogSink(config.log.file);
  const logger = createLogger({ level: config.log.level, sink });
  let engine: Engine | undefined;
  const supervisor = new Supervisor({
    config,
    workers: 1,
    logger,
    fleet: (owner) =>
      new InProcessFleet(owner, (made) => {
        engine = made;
        hooks(made.hooks);
      }),
  });
  try {
    const addresses = await supervisor.start();
    return new RunningProxy(addresses, engine!, supervisor, sink);
  } catch (error) {
    await supervisor.terminate();
    await sink.close();
    throw error;
  }
}

/**
 * Runs a proxy in this thread. Logs warnings and errors to standard error, unless `config.log` says otherwise.
 * @throws {ConfigError} for options that cannot be; {@link Error} where it cannot listen
 */
export function createProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { listen = '127.0.0.1:0', backends = [], config = {}, hooks } = options;
  const written = {
    listeners: [listener(String(listen))],
    ...(backends.length === 0 ? {} : { upstreams: { app: { backends: backends.map((url) => ({ url })) } } }),
    log: { level: 'warn', access: { enabled: false } },
    ...config,
  };
  const result = parseConfig(JSON.stringify(written), { file: 'the options', env: {} });
  if (result.config === null) return Promise.reject(new ConfigError(result.problems));
  return startProxy(result.config, hooks);
}

function listener(listen: string): { readonly address?: string; readonly port: number | string } {
  const [, address, port = listen] = /^(.*):([^:\]]*)$/u.exec(listen) ?? [];
  const number = /^[0-9]{1,6}$/u.test(port) ? Number(port) : port;
  return address === undefined
    ? { port: number }
    : { address: address.replace(/^\[(.*)\]$/u, '$1'), port: number };
}
