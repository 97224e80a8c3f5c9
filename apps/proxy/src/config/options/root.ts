import { custom, nullable, optionalSection, section, text } from '../option.ts';
import type { Leaf, Section } from '../option.ts';
import { cache, type Cache } from './cache.ts';
import { listeners, type Listener } from './listeners.ts';
import { admin, log, type Admin, type Log } from './operations.ts';
import { forwarding, limits, overload, routes, timeouts, trustedProxies } from './traffic.ts';
import type { Forwarding, Limits, Overload, Route, Timeouts } from './traffic.ts';
import { upstreams, type Upstream } from './upstreams.ts';

/**
 * The whole configuration: checked, complete and immutable. Times are milliseconds, sizes bytes, percentages
 * numbers from 0 to 1; what is switched off is null; files are absolute paths. It can be posted to threads.
 */
export interface ProxyConfig {
  readonly listeners: readonly Listener[];
  /** Worker threads; `auto`: one per processor that the process may use. */
  readonly workers: number | 'auto';
  readonly upstreams: readonly Upstream[];
  readonly routes: readonly Route[];
  /** Name of the upstream for requests that no route matches; null: 404. */
  readonly defaultUpstream: string | null;
  readonly cache: Cache;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly overload: Overload;
  /** Addresses and address blocks. */
  readonly trustedProxies: readonly string[];
  readonly forwarding: Forwarding;
  readonly log: Log;
  readonly admin: Admin | null;
}

const workers: Leaf<number | 'auto'> = custom(
  {
    doc: 'Worker threads, each with an event loop of its own; `auto`: one per processor.',
    allowed: 'auto, or a whole number from 1 to 256',
    schema: { type: ['string', 'integer'], pattern: '^auto$', minimum: 1, maximum: 256 },
    fallback: 'auto',
  },
  (raw) => (typeof raw === 'number' ? raw : 'auto'),
);

/** Every option of the file, with its default: the one source of schema, types, checks and reference. */
export const rootOption: Section<ProxyConfig> = section<ProxyConfig>('Configuration of rp.', {
  listeners,
  workers,
  upstreams,
  routes,
  defaultUpstream: nullable(
    text({
      doc: 'Upstream for requests that no route matches. Left out: the only upstream if there are no routes, else 404.',
      allowed: 'the name of an upstream',
    }),
  ),
  cache,
  timeouts,
  limits,
  overload,
  trustedProxies,
  forwarding,
  log,
  admin: optionalSection(admin),
});
