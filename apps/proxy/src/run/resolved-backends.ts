import {
  DnsBackends,
  nodeResolver,
  type BackendOptions,
  type BalancerError,
  type NameResolver,
  type Scheduler,
} from '@rp/balancer';
import { isIP } from 'node:net';
import type { BackendUrl, Upstream } from '../config/index.ts';
import { backendOptions, backendUrl } from './group-options.ts';

/** What following names needs. */
export interface ResolvingParts {
  readonly resolver: NameResolver;
  readonly scheduler: Scheduler;
  /** Addresses of some name are others now. */
  readonly onChange: () => void;
  /** A look-up failed; what was known stays. */
  readonly onError: (error: BalancerError) => void;
}

/** Least milliseconds between two look-ups of a name, whatever its TTL. */
const LEAST = 1_000;

/**
 * The backends of an upstream, those given by name replaced by the addresses of the name (spec 4.9). A name is looked
 * up again when its TTL has passed, at the latest after the configured interval. As long as a name was never
 * resolved, its backend stands there by name, and a connection to it looks the name up by itself.
 */
export class ResolvedBackends {
  readonly #parts: ResolvingParts;
  readonly #followed: Map<string, DnsBackends> = new Map();

  constructor(parts: ResolvingParts) {
    this.#parts = parts;
  }

  /** Follows the names of this configuration from now on; settles when the new ones were looked up once. */
  async follow(upstream: Upstream): Promise<void> {
    const wanted = new Map(
      upstream.backends.filter(({ url }) => isFollowed(url)).map(({ url }) => [idOf(url, upstream), url]),
    );
    for (const [id, dns] of this.#followed) {
      if (wanted.has(id)) continue;
      dns.stop();
      this.#followed.delete(id);
    }
    const started = [...wanted]
      .filter(([id]) => !this.#followed.has(id))
      .map(([id, url]) => {
        const dns = this.#dnsOf(url, upstream);
        this.#followed.set(id, dns);
        return dns.start();
      });
    await Promise.all(started);
  }

  /** All backends of this configuration at the addresses that are known now; none of them twice. */
  backendsOf(upstream: Upstream): readonly BackendOptions[] {
    const found = new Map<string, BackendOptions>();
    for (const backend of upstream.backends) {
      // Weight 0 takes no traffic.
      if (backend.weight === 0) continue;
      const known = this.#followed.get(idOf(backend.url, upstream))?.backends ?? [];
      const all =
        known.length === 0
          ? [backendOptions(backend)]
          : known.map(({ url }) => ({
              url,
              weight: backend.weight,
              serverName: backend.url.host.toLowerCase(),
            }));
      for (const options of all) {
        const key = `${options.url} ${options.serverName ?? ''}`;
        if (!found.has(key)) found.set(key, options);
      }
    }
    return [...found.values()];
  }

  stop(): void {
    for (const dns of this.#followed.values()) dns.stop();
    this.#followed.clear();
  }

  #dnsOf(url: BackendUrl, upstream: Upstream): DnsBackends {
    const { scheduler, onChange, onError } = this.#parts;
    const { interval, servers } = upstream.dns;
    const resolver = servers.length === 0 ? this.#parts.resolver : nodeResolver(servers);
    return new DnsBackends(
      {
        targets: [{ url: backendUrl(url, url.host) }],
        minMs: Math.min(LEAST, interval),
        maxMs: interval,
        onChange,
        onError,
      },
      resolver,
      scheduler,
    );
  }
}

const idOf = (url: BackendUrl, { dns }: Upstream): string =>
  `${backendUrl(url, url.host)} ${dns.interval} ${dns.servers.join()}`;

/** `localhost` is the loopback address by definition (RFC 6761 §6.3), not two backends, of which one is dead. */
function isFollowed({ host }: BackendUrl): boolean {
  return isIP(host) === 0 && !/(?:^|\.)localhost\.?$/iu.test(host);
}
