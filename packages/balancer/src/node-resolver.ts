import { lookup, Resolver } from 'node:dns/promises';
import type { NameResolver, ResolvedAddress } from './dns-backends.ts';

/**
 * The only file here that touches the network. Asks the name servers of the system, or those given, for A and
 * AAAA records, with their TTL. A name that they do not know is looked up as other programs do (`localhost`,
 * the hosts file); such answers have no TTL.
 *
 * @param servers addresses of name servers, with port if it is not 53; default: the system's
 */
export function nodeResolver(servers?: readonly string[]): NameResolver {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  if (servers !== undefined) resolver.setServers([...servers]);
  return async (name) => {
    const [four, six] = await Promise.allSettled([
      resolver.resolve4(name, { ttl: true }),
      resolver.resolve6(name, { ttl: true }),
    ]);
    const found = [...(four.status === 'fulfilled' ? four.value : [])].concat(
      six.status === 'fulfilled' ? six.value : [],
    );
    if (found.length > 0) return found.map(({ address, ttl }) => ({ address, ttlSeconds: ttl }));
    if (servers !== undefined && four.status === 'rejected') throw four.reason;
    return fromSystem(name);
  };
}

async function fromSystem(name: string): Promise<readonly ResolvedAddress[]> {
  const found = await lookup(name, { all: true });
  return found.map(({ address }) => ({ address, ttlSeconds: 0 }));
}
