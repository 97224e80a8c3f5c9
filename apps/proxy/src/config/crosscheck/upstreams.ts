import type { Backend, BackendTls, Upstream } from '../options/upstreams.ts';
import type { Path } from '../problem.ts';
import { conflict, needFile, type CheckContext } from './context.ts';

const checkPool = (context: CheckContext, { pool }: Upstream, path: Path): void => {
  const { minIdle, maxIdle, maxConnections } = pool;
  if (context.report.isBroken([...path, 'pool'])) return;
  // Defaults give way by themselves, so whichever of the two stands in the file is the one to point at.
  if (maxIdle > maxConnections) {
    conflict(
      context,
      [...path, 'pool', 'maxIdle'],
      `maxIdle (${maxIdle}) is above maxConnections (${maxConnections})`,
    );
  }
  if (minIdle > maxIdle) {
    conflict(context, [...path, 'pool', 'minIdle'], `minIdle (${minIdle}) is above maxIdle (${maxIdle})`);
  }
};

/** What only HTTP/1.1 pools do, with what it is where nobody asks for it. */
const http1Only = {
  minIdle: 4,
  maxIdle: 16,
  onExhausted: 'queue',
  backoff: 100,
  maxBackoff: 1_000,
} as const;

const checkPoolUse = (context: CheckContext, { pool, backends }: Upstream, path: Path): void => {
  const inPool = [...path, 'pool'];
  if (pool.backoff > pool.maxBackoff) {
    const part = context.given([...inPool, 'backoff']) ? 'backoff' : 'maxBackoff';
    conflict(context, [...inPool, part], 'backoff is above maxBackoff');
  }
  if (pool.maxOverflow > 0 && pool.onExhausted !== 'overflow') {
    conflict(context, [...inPool, 'maxOverflow'], 'this counts with "onExhausted: overflow" only');
  }
  if (backends.length === 0 || context.report.isBroken([...path, 'backends'])) return;
  if (!backends.every(({ url }) => url.protocol === 'h2' || url.protocol === 'h2c')) return;
  for (const [name, usual] of Object.entries(http1Only)) {
    // Spelled-out defaults are no mistake.
    if (!context.given([...inPool, name]) || pool[name as keyof typeof http1Only] === usual) continue;
    const message = 'this has no effect: every backend speaks HTTP/2, where requests share few connections';
    conflict(context, [...inPool, name], message);
  }
};

const checkTls = (context: CheckContext, tls: BackendTls, path: Path): void => {
  needFile(context, [...path, 'ca'], tls.ca);
  needFile(context, [...path, 'cert'], tls.cert);
  needFile(context, [...path, 'key'], tls.key);
  if (tls.cert !== null && tls.key === null)
    conflict(context, [...path, 'cert'], 'a certificate needs its "key"');
  if (tls.key !== null && tls.cert === null) conflict(context, [...path, 'key'], 'a key needs its "cert"');
};

/** Spelled-out defaults are no mistake: the printed configuration has them everywhere. */
const isDefault = ({ verify, ca, serverName, cert, key }: BackendTls): boolean =>
  verify && ca === null && serverName === null && cert === null && key === null;

const overTls = ({ url }: Backend): boolean => url.protocol === 'https' || url.protocol === 'h2';

const checkBackendTls = (context: CheckContext, upstream: Upstream, path: Path): void => {
  const unused = 'TLS is not used: the URL scheme is neither https nor h2';
  checkTls(context, upstream.tls, [...path, 'tls']);
  if (!isDefault(upstream.tls) && !upstream.backends.some(overTls)) {
    if (!context.report.isBroken([...path, 'backends'])) conflict(context, [...path, 'tls'], unused);
  }
  for (const [index, backend] of upstream.backends.entries()) {
    if (backend.tls === null) continue;
    const inBackend = [...path, 'backends', index];
    checkTls(context, backend.tls, [...inBackend, 'tls']);
    if (!isDefault(backend.tls) && !overTls(backend) && !context.report.isBroken([...inBackend, 'url'])) {
      conflict(context, [...inBackend, 'tls'], unused);
    }
  }
};

const checkBackends = (context: CheckContext, upstream: Upstream, path: Path): void => {
  const { backends } = upstream;
  const unweighted = upstream.algorithm === 'round-robin' && !context.report.isBroken([...path, 'algorithm']);
  const firstAt = new Map<string, number>();
  for (const [index, { name, url, weight }] of backends.entries()) {
    const first = firstAt.get(name);
    if (first !== undefined) {
      const part = context.given([...path, 'backends', index, 'name']) ? 'name' : 'url';
      conflict(context, [...path, 'backends', index, part], `"${name}" is backends[${first}] already`);
    } else if (url.host !== '') {
      firstAt.set(name, index);
    }
    if (unweighted && weight > 1) {
      const message = 'round-robin does not look at weights; the algorithm that does is weighted-round-robin';
      conflict(context, [...path, 'backends', index, 'weight'], message);
    }
  }
  if (backends.length > 0 && backends.every(({ weight }) => weight === 0)) {
    conflict(context, [...path, 'backends'], 'every backend has the weight 0: nothing could be served');
  }
};

const checkHealth = (context: CheckContext, upstream: Upstream, path: Path): void => {
  const { healthCheck, passiveHealth, affinity, algorithm } = upstream;
  if (healthCheck !== null && healthCheck.timeout > healthCheck.interval) {
    const part = context.given([...path, 'healthCheck', 'timeout']) ? 'timeout' : 'interval';
    conflict(
      context,
      [...path, 'healthCheck', part],
      'the timeout of a check is above the interval between two',
    );
  }
  if (healthCheck !== null && healthCheck.expectBody !== null && healthCheck.method !== 'GET') {
    const message = `a response to ${healthCheck.method} has no body to look into`;
    conflict(context, [...path, 'healthCheck', 'expectBody'], message);
  }
  if (passiveHealth.ejectionTime > passiveHealth.maxEjectionTime) {
    const part = context.given([...path, 'passiveHealth', 'ejectionTime'])
      ? 'ejectionTime'
      : 'maxEjectionTime';
    conflict(context, [...path, 'passiveHealth', part], 'ejectionTime is above maxEjectionTime');
  }
  if (affinity?.by === 'ip' && algorithm === 'ip-hash') {
    conflict(context, [...path, 'affinity', 'by'], 'the algorithm ip-hash keeps clients by address already');
  }
};

const checkTimes = (context: CheckContext, upstream: Upstream, path: Path): void => {
  const { passiveHealth, circuitBreaker, retry } = upstream;
  if (circuitBreaker !== null && circuitBreaker.openTime > circuitBreaker.maxOpenTime) {
    const part = context.given([...path, 'circuitBreaker', 'openTime']) ? 'openTime' : 'maxOpenTime';
    conflict(context, [...path, 'circuitBreaker', part], 'openTime is above maxOpenTime');
  }
  const both = ['passiveHealth', 'circuitBreaker'].every((name) => context.given([...path, name, 'window']));
  if (circuitBreaker !== null && both && circuitBreaker.window !== passiveHealth.window) {
    const message = 'requests are counted once: circuitBreaker.window must be the same';
    conflict(context, [...path, 'passiveHealth', 'window'], message);
  }
  if (retry.backoff > retry.maxBackoff) {
    conflict(context, [...path, 'retry', 'maxBackoff'], 'maxBackoff is below backoff');
  }
  if (retry.statuses.length > 0 && retry.attempts === 0) {
    conflict(context, [...path, 'retry', 'statuses'], 'nothing is repeated with "attempts: 0"');
  }
};

const checkProxyProtocol = (context: CheckContext, upstream: Upstream, path: Path): void => {
  if (upstream.proxyProtocol === null || context.report.isBroken([...path, 'backends'])) return;
  if (upstream.backends.every(({ url }) => url.protocol === 'http')) return;
  const message = 'a PROXY protocol header is sent to backends of the scheme http only';
  conflict(context, [...path, 'proxyProtocol'], message);
};

const checkAdaptiveWeights = (context: CheckContext, upstream: Upstream, path: Path): void => {
  const { adaptiveWeights, algorithm } = upstream;
  if (!adaptiveWeights || context.report.isBroken([...path, 'algorithm'])) return;
  if (algorithm !== 'round-robin' && algorithm !== 'ip-hash') return;
  conflict(context, [...path, 'adaptiveWeights'], `${algorithm} does not look at weights that change`);
};

/** Checks across the options of each upstream. */
export function checkUpstreams(context: CheckContext): void {
  for (const upstream of context.config.upstreams) {
    const path = ['upstreams', upstream.name];
    checkPool(context, upstream, path);
    checkPoolUse(context, upstream, path);
    checkBackends(context, upstream, path);
    checkBackendTls(context, upstream, path);
    checkHealth(context, upstream, path);
    checkTimes(context, upstream, path);
    checkProxyProtocol(context, upstream, path);
    checkAdaptiveWeights(context, upstream, path);
  }
}
