import type { Backend as Target } from '@rp/balancer';
import type { BackendTls } from '@rp/core';
import { readFileSync } from 'node:fs';
import type { Backend, BackendTls as TlsConfig, Upstream } from '../config/index.ts';

type Place = Pick<Target, 'protocol' | 'port'>;

/** The balancer compares names in lower case. */
const placeOf = ({ protocol, port }: Place, host: string): string =>
  `${protocol}://${host.toLowerCase()}:${port}`;

/** By their places, of each configuration once: with a thousand backends, looking through all for each adds up. */
const indices: WeakMap<Upstream, ReadonlyMap<string, Backend>> = new WeakMap();

function indexOf(upstream: Upstream): ReadonlyMap<string, Backend> {
  const known = indices.get(upstream);
  if (known !== undefined) return known;
  const index = new Map<string, Backend>();
  for (const backend of upstream.backends) {
    const place = placeOf(backend.url, backend.url.host);
    if (!index.has(place)) index.set(place, backend);
  }
  indices.set(upstream, index);
  return index;
}

/** Where a backend was configured: by its address, or by the name that it was resolved from. */
export function configuredBackend(
  upstream: Upstream,
  target: Pick<Target, 'protocol' | 'host' | 'port' | 'serverName'>,
): Backend | undefined {
  const index = indexOf(upstream);
  return index.get(placeOf(target, target.host)) ?? index.get(placeOf(target, target.serverName));
}

/** The TLS options that hold for a backend: its own, or its upstream's. */
export function tlsConfig(upstream: Upstream, target: Target): TlsConfig {
  return configuredBackend(upstream, target)?.tls ?? upstream.tls;
}

/**
 * How to speak TLS to a backend, its files read.
 * @throws {Error} where a file cannot be read
 */
export function backendTls(upstream: Upstream, target: Target): BackendTls {
  if (target.protocol !== 'https' && target.protocol !== 'h2') return {};
  const tls = tlsConfig(upstream, target);
  return {
    verify: tls.verify,
    // A name that was resolved stays the name to ask for and to check.
    serverName: tls.serverName ?? target.serverName,
    ...(tls.ca === null ? {} : { ca: readFileSync(tls.ca, 'utf8') }),
    ...(tls.cert === null ? {} : { cert: readFileSync(tls.cert, 'utf8') }),
    ...(tls.key === null ? {} : { key: readFileSync(tls.key, 'utf8') }),
  };
}
