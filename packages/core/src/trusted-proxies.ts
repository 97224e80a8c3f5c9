import { BlockList, isIP } from 'node:net';

/** Tells whether a peer's word on `X-Forwarded-*` counts (spec 1.5). Looked up once per connection. */
export class TrustedProxies {
  readonly #list: BlockList = new BlockList();
  readonly #empty: boolean;

  /** @param ranges CIDR blocks or single addresses, IPv4 or IPv6. Throws a `TypeError` that names the bad one. */
  constructor(ranges: readonly string[]) {
    this.#empty = ranges.length === 0;
    for (const range of ranges) this.#add(range);
  }

  trusts(address: string): boolean {
    if (this.#empty) return false;
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && this.#list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  }

  #add(range: string): void {
    const slash = range.indexOf('/');
    const address = slash === -1 ? range : range.slice(0, slash);
    const family = isIP(address);
    const widest = family === 6 ? 128 : 32;
    const prefix = slash === -1 ? widest : Number(range.slice(slash + 1));
    if (family === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > widest || range.endsWith('/')) {
      throw new TypeError(`not an address or CIDR block: ${range}`);
    }
    this.#list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** An IPv4 address that a dual-stack socket reports as `::ffff:a.b.c.d`, without that prefix. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
