import type { Listener, ListenerTls } from './options/listeners.ts';
import type { Log } from './options/operations.ts';
import type { ProxyConfig } from './options/root.ts';
import type { BackendTls, Upstream } from './options/upstreams.ts';
import type { Path } from './problem.ts';

type Absolute = (file: string) => string;

const absoluteOrNull = (file: string | null, absolute: Absolute): string | null =>
  file === null ? null : absolute(file);

const listenerTls = (tls: ListenerTls, absolute: Absolute): ListenerTls => ({
  ...tls,
  certificates: tls.certificates.map((files) => ({
    ...files,
    cert: absolute(files.cert),
    key: absolute(files.key),
  })),
  clientAuth: { ...tls.clientAuth, ca: absoluteOrNull(tls.clientAuth.ca, absolute) },
});

const listener = (one: Listener, absolute: Absolute): Listener =>
  one.tls === null ? one : { ...one, tls: listenerTls(one.tls, absolute) };

const backendTls = (tls: BackendTls, absolute: Absolute): BackendTls => ({
  ...tls,
  ca: absoluteOrNull(tls.ca, absolute),
  cert: absoluteOrNull(tls.cert, absolute),
  key: absoluteOrNull(tls.key, absolute),
});

/** Requests are counted once, for both: whichever window stands in the file holds for the other too. */
const oneWindow = (one: Upstream, given: (section: string) => boolean): Upstream => {
  const { passiveHealth, circuitBreaker } = one;
  if (circuitBreaker === null) return one;
  if (!given('passiveHealth'))
    return { ...one, passiveHealth: { ...passiveHealth, window: circuitBreaker.window } };
  if (given('circuitBreaker')) return one;
  return { ...one, circuitBreaker: { ...circuitBreaker, window: passiveHealth.window } };
};

const upstream = (one: Upstream, connectTimeout: number, absolute: Absolute): Upstream => ({
  ...one,
  backends: one.backends.map((backend) =>
    backend.tls === null ? backend : { ...backend, tls: backendTls(backend.tls, absolute) },
  ),
  pool: { ...one.pool, connectTimeout },
  tls: backendTls(one.tls, absolute),
});

const logFile = (file: string, absolute: Absolute): string =>
  file === 'stdout' || file === 'stderr' ? file : absolute(file);

const log = (one: Log, absolute: Absolute): Log => ({
  ...one,
  file: logFile(one.file, absolute),
  access: { ...one.access, file: logFile(one.access.file, absolute) },
});

const onlyUpstream = (config: ProxyConfig): string | null =>
  config.routes.length === 0 && config.upstreams.length === 1 ? (config.upstreams[0]?.name ?? null) : null;

/** Fills in what depends on options of another section, and makes file names absolute. */
export function completeConfig(
  config: ProxyConfig,
  given: (path: Path) => boolean,
  absolute: Absolute,
): ProxyConfig {
  return {
    ...config,
    listeners: config.listeners.map((one) => listener(one, absolute)),
    upstreams: config.upstreams.map((one) => {
      const own = given(['upstreams', one.name, 'pool', 'connectTimeout']);
      const windows = oneWindow(one, (section) => given(['upstreams', one.name, section, 'window']));
      return upstream(windows, own ? one.pool.connectTimeout : config.timeouts.connect, absolute);
    }),
    defaultUpstream: config.defaultUpstream ?? onlyUpstream(config),
    log: log(config.log, absolute),
  };
}
