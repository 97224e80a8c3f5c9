import { availableParallelism } from 'node:os';
import { loadConfig, printConfig, type Listener, type ProxyConfig, type Upstream } from '../config/index.ts';
import { formatDuration, formatSize } from '../config/units.ts';
import type { Io } from './io.ts';
import { printProblems } from './problems.ts';

const hostPort = (address: string, port: number): string =>
  `${address.includes(':') ? `[${address}]` : address}:${port === 0 ? '(any free port)' : port}`;

const listenerLine = ({ address, port, tls, http2, h2c, redirectToHttps }: Listener): string => {
  const notes = [
    ...(redirectToHttps === null ? [] : [`redirects to HTTPS on port ${redirectToHttps.port}`]),
    ...((http2 && tls !== null) || h2c ? ['HTTP/2'] : []),
    ...(tls === null
      ? []
      : [`${tls.certificates.length} certificate${tls.certificates.length === 1 ? '' : 's'}`]),
  ];
  const scheme = tls === null ? 'http' : 'https';
  return `${scheme}://${hostPort(address, port)}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
};

const upstreamLine = ({ name, backends, algorithm, healthCheck }: Upstream): string => {
  const check =
    healthCheck === null ? 'no health check' : `checked every ${formatDuration(healthCheck.interval)}`;
  const urls = backends.map(({ url }) => url.href);
  const shown =
    urls.length > 4 ? `${urls.slice(0, 3).join(', ')} and ${urls.length - 3} more` : urls.join(', ');
  return `${name}: ${shown} (${algorithm}, ${check})`;
};

const rows = (title: string, lines: readonly string[]): string =>
  lines.map((line, index) => `  ${(index === 0 ? title : '').padEnd(11)}${line}\n`).join('');

/** What a configuration would run, in a few lines. */
export function summary(config: ProxyConfig): string {
  const { listeners, upstreams, routes, workers, cache, admin, log, defaultUpstream } = config;
  const count = workers === 'auto' ? `auto (${availableParallelism()} here)` : String(workers);
  const matched = routes.map(({ host, path, upstream }) => `${host ?? '*'}${path} -> ${upstream}`);
  const rest = defaultUpstream === null ? 'everything else -> 404' : `everything else -> ${defaultUpstream}`;
  const entry = formatSize(cache.maxEntrySize);
  return [
    rows('listeners', listeners.map(listenerLine)),
    rows('workers', [count]),
    rows('upstreams', upstreams.map(upstreamLine)),
    rows('routes', [...matched, ...(upstreams.length === 0 ? [] : [rest])]),
    rows('cache', [cache.enabled ? `${formatSize(cache.maxSize)}, entries up to ${entry}` : 'off']),
    rows('access log', [log.access.enabled ? `${log.access.format} to ${log.access.file}` : 'off']),
    rows('admin', [admin === null ? 'off' : `http://${hostPort(admin.address, admin.port)}`]),
  ].join('');
}

/** `rp check`: 0 and what would run (or the whole configuration), or 2 and every mistake. */
export function check(path: string, print: boolean, io: Io): number {
  const { config, problems } = loadConfig(path, { env: io.env });
  if (config === null) {
    printProblems(problems, io);
    return 2;
  }
  io.stdout.write(print ? printConfig(config) : `${path} is valid. It would run:\n${summary(config)}`);
  return 0;
}
