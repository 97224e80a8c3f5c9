/** One line of the routing table (spec 1.6). */
export interface Route<U> {
  /** Exact host (`app.example.com`), one-level-or-more wildcard (`*.example.com`), or absent for every host. */
  readonly host?: string;
  /** Path prefix that ends at a segment boundary: `/api` takes `/api`, `/api/` and `/api?x`, not `/apis`. Default `/`. */
  readonly path?: string;
  readonly upstream: U;
  /** Whether the cache has a part, if there is one. Default true. */
  readonly cached?: boolean;
}

/** Where a request goes. */
export interface RouteTarget<U> {
  readonly upstream: U;
  readonly cached: boolean;
}

interface PathRoute<U> extends RouteTarget<U> {
  readonly path: string;
}

/**
 * Host and path prefix → upstream group. The longest match wins: an exact host before the longest wildcard before
 * the default, and within a host the longest path. A host that has routes, none of which fits the path, falls
 * back to the routes for every host.
 */
export class RouteTable<U> {
  readonly #exact: Map<string, PathRoute<U>[]> = new Map();
  readonly #wildcard: Map<string, PathRoute<U>[]> = new Map();
  readonly #any: PathRoute<U>[] = [];
  /** Set where everything goes to one place, the usual case: no look-up at all. */
  readonly #only: RouteTarget<U> | undefined;

  constructor(routes: readonly Route<U>[]) {
    for (const route of routes) {
      const entry = { path: route.path ?? '/', upstream: route.upstream, cached: route.cached ?? true };
      this.#listFor(route.host).push(entry);
    }
    const byLength = (a: PathRoute<U>, b: PathRoute<U>): number => b.path.length - a.path.length;
    for (const list of [...this.#exact.values(), ...this.#wildcard.values(), this.#any]) list.sort(byLength);
    const single = routes.length === 1 ? routes[0]! : undefined;
    this.#only =
      single !== undefined && single.host === undefined && (single.path ?? '/') === '/'
        ? this.#any[0]
        : undefined;
  }

  /**
   * @param host as validated by the parser, port and case as they came
   * @param path of the request target; matched byte for byte, since that is what is forwarded
   */
  find(host: string, path: string): RouteTarget<U> | undefined {
    if (this.#only !== undefined) return this.#only;
    const name = hostName(host);
    return match(this.#exact.get(name), path) ?? this.#findWildcard(name, path) ?? match(this.#any, path);
  }

  #findWildcard(name: string, path: string): RouteTarget<U> | undefined {
    if (this.#wildcard.size === 0) return undefined;
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      const found = match(this.#wildcard.get(name.slice(dot)), path);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #listFor(host: string | undefined): PathRoute<U>[] {
    if (host === undefined || host === '*') return this.#any;
    const wildcard = host.startsWith('*.');
    const map = wildcard ? this.#wildcard : this.#exact;
    const key = hostName(wildcard ? host.slice(1) : host);
    let list = map.get(key);
    if (list === undefined) map.set(key, (list = []));
    return list;
  }
}

function match<U>(list: readonly PathRoute<U>[] | undefined, path: string): RouteTarget<U> | undefined {
  if (list === undefined) return undefined;
  for (const entry of list) if (covers(entry.path, path)) return entry;
  return undefined;
}

function covers(prefix: string, path: string): boolean {
  if (prefix === '/') return true;
  if (!path.startsWith(prefix)) return false;
  if (path.length === prefix.length || prefix.endsWith('/')) return true;
  const next = path.charCodeAt(prefix.length);
  return next === 0x2f || next === 0x3f;
}

/** Host without port, in lower case, without a trailing dot: what names are compared by (RFC 9110 §4.2.3). */
export function hostName(host: string): string {
  let end = host.length;
  const colon = host.lastIndexOf(':');
  if (colon !== -1 && host.indexOf(']', colon) === -1) end = colon;
  if (host.charCodeAt(end - 1) === 0x2e) end--;
  return host.slice(0, end).toLowerCase();
}
