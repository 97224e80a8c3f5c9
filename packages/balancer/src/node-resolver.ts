import { lookup, Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { NameResolver, ResolvedAddress } from './dns-backends.ts';

/** What the resolver asks of the machine; injected by tests. */
export interface NodeResolverOptions {
  /** The hosts file; default `/etc/hosts`. Not looked at with servers of one's own. */
  readonly hostsFile?: string;
  /** Whether IPv6 addresses can be reached; default: where an interface other than loopback has one. */
  readonly hasIpv6?: () => boolean;
  /** Milliseconds for one question, which is asked twice; default 2,000. */
  readonly timeoutMs?: number;
}

/** Answers that say that there is nothing, and not that nobody knows. */
const definite: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND']);

/**
 * The only file here that touches the network. Looks into the hosts file, then asks the name servers of the system
 * for A and AAAA records, with their TTL; a name that they do not know goes to the system's own resolver. What comes
 * from elsewhere than a name server has no TTL.
 *
 * @param servers addresses of name servers, with port if it is not 53, to be asked alone; default: the system's
 */
export function nodeResolver(servers?: readonly string[], options: NodeResolverOptions = {}): NameResolver {
  const { hostsFile = '/etc/hosts', hasIpv6 = machineHasIpv6, timeoutMs = 2_000 } = options;
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
  if (servers !== undefined) resolver.setServers([...servers]);
  const four = new RecordType((name) => resolver.resolve4(name, { ttl: true }));
  const six = new RecordType((name) => resolver.resolve6(name, { ttl: true }));
  return async (name) => {
    if (servers === undefined) {
      const listed = reachable(await fromHosts(hostsFile, name), hasIpv6);
      if (listed.length > 0) return listed;
    }
    const [a, aaaa] = await Promise.all([four.ask(name), six.ask(name)]);
    const found = reachable([...a.addresses, ...aaaa.addresses], hasIpv6);
    if (found.length > 0 && (a.fresh || aaaa.fresh)) return found;
    if (servers !== undefined) throw a.error ?? aaaa.error ?? new Error(`${name} has no address`);
    return reachable(await fromSystem(name), hasIpv6);
  };
}

interface Answer {
  readonly addresses: readonly ResolvedAddress[];
  /** Not what was known before. */
  readonly fresh: boolean;
  readonly error: unknown;
}

/**
 * Questions for records of one type. A question that nobody answered leaves what was known: where the other type is
 * answered, the addresses of this one must not be gone for it.
 */
class RecordType {
  readonly #resolve: (name: string) => Promise<readonly { readonly address: string; readonly ttl: number }[]>;
  readonly #known: Map<string, readonly ResolvedAddress[]> = new Map();

  constructor(
    resolve: (name: string) => Promise<readonly { readonly address: string; readonly ttl: number }[]>,
  ) {
    this.#resolve = resolve;
  }

  async ask(name: string): Promise<Answer> {
    try {
      const records = await this.#resolve(name);
      const addresses = records.map(({ address, ttl }) => ({ address, ttlSeconds: ttl }));
      this.#known.set(name, addresses);
      return { addresses, fresh: true, error: undefined };
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (definite.has(code)) this.#known.delete(name);
      return { addresses: this.#known.get(name) ?? [], fresh: false, error };
    }
  }
}

/** As RFC 3493 §6.1 has it (AI_ADDRCONFIG); loopback addresses are always in reach. */
function reachable(
  addresses: readonly ResolvedAddress[],
  hasIpv6: () => boolean,
): readonly ResolvedAddress[] {
  const four = addresses.filter(({ address }) => isIP(address) === 4 || address === '::1');
  return four.length === 0 || four.length === addresses.length || hasIpv6() ? addresses : four;
}

function machineHasIpv6(): boolean {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.some(
    ({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:'),
  );
}

async function fromHosts(file: string, name: string): Promise<readonly ResolvedAddress[]> {
  const wanted = name.toLowerCase().replace(/\.$/, '');
  const found: ResolvedAddress[] = [];
  for (const line of (await textOf(file)).split('\n')) {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/);
    const isMeant = names.some((one) => one.toLowerCase() === wanted);
    if (isMeant && isIP(address) !== 0) found.push({ address, ttlSeconds: 0 });
  }
  return found;
}

/** A machine without a hosts file, or one that may not be read, has no names of its own. */
async function textOf(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch(() => '');
}

async function fromSystem(name: string): Promise<readonly ResolvedAddress[]> {
  const found = await lookup(name, { all: true });
  return found.map(({ address }) => ({ address, ttlSeconds: 0 }));
}
