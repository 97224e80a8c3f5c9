import { cidrMistake, pathMistake, routeHostMistake } from '../address.ts';
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  nullable,
  parsed,
  percent,
  section,
  size,
} from '../option.ts';
import { text, texts } from '../option.ts';
import type { Leaf, List, Section } from '../option.ts';

/** Which requests go to which upstream. */
export interface Route {
  /** Lower case; exact, `*.name`, or null for every host. */
  readonly host: string | null;
  /** Path prefix. */
  readonly path: string;
  /** Name of an upstream. */
  readonly upstream: string;
  /** Whether the cache, if enabled, is used. */
  readonly cache: boolean;
}

/** How long the proxy waits; milliseconds. All measure progress, not the length of a transfer. */
export interface Timeouts {
  readonly header: number;
  readonly body: number;
  readonly response: number;
  readonly idle: number;
  readonly drain: number;
  readonly connect: number;
  readonly write: number;
  readonly tunnel: number;
}

/** What the proxy accepts; sizes in bytes. */
export interface Limits {
  readonly maxConnections: number;
  readonly onMaxConnections: 'refuse' | 'wait';
  /** 0: no limit. */
  readonly perAddress: number;
  readonly requestLine: number;
  readonly headers: number;
  readonly headerCount: number;
  readonly body: number;
}

/** Shedding of load before anything breaks. */
export interface Overload {
  readonly enabled: boolean;
  /** Milliseconds. */
  readonly maxEventLoopDelay: number;
  /** Share of the heap limit, 0 to 1. */
  readonly maxHeap: number;
  /** Milliseconds. */
  readonly retryAfter: number;
}

/** Fields that tell backends about the client. */
export interface Forwarding {
  readonly xForwarded: boolean;
  readonly forwarded: boolean;
  /** Pseudonym in `Via`. */
  readonly via: string;
  readonly requestId: 'keep' | 'new' | 'off';
}

const route: Section<Route> = section('Sends matching requests to an upstream.', {
  host: nullable(
    parsed(
      {
        doc: 'Exact host or `*.` and a name (every host below it); left out: every host. The longest match wins.',
        allowed: 'a host name such as app.example.com or *.example.com',
        mistake: routeHostMistake,
      },
      (host) => host.toLowerCase().replace(/\.$/u, ''),
    ),
  ),
  path: text({
    doc: 'Path prefix, compared byte for byte at segment ends. The longest match wins.',
    allowed: 'a path that starts with a slash',
    fallback: '/',
    mistake: pathMistake,
  }),
  upstream: text({ doc: 'Name of an upstream.', allowed: 'the name of an upstream' }),
  cache: boolean({ doc: 'Whether the cache, if it is enabled, is used for this route.', fallback: true }),
});

/** `routes` */
export const routes: List<Route> = list(route, {
  doc: 'Which requests go where. Left out: everything goes to the only upstream.',
});

/** `timeouts` */
export const timeouts: Section<Timeouts> = section(
  'How long the proxy waits. All but `header` and `drain` measure progress, so that long transfers are not cut.',
  {
    header: duration({ doc: 'For a whole request head, then 408.', fallback: '10s' }),
    body: duration({ doc: 'Between two pieces of a request body, then 408.', fallback: '30s' }),
    response: duration({
      doc: 'For the first byte of a response and between two pieces, then 504.',
      fallback: '60s',
    }),
    idle: duration({ doc: 'A client connection without a request is closed after this.', fallback: '60s' }),
    drain: duration({ doc: 'For requests in flight at shutdown.', fallback: '30s', min: 0 }),
    connect: duration({
      doc: 'For a new connection to a backend, unless its pool says otherwise.',
      fallback: '5s',
    }),
    write: duration({ doc: 'A client that takes no byte for so long is dropped.', fallback: '30s' }),
    tunnel: duration({
      doc: 'A WebSocket or other tunnel without a byte is closed after this.',
      fallback: '10m',
    }),
  },
);

/** `limits` */
export const limits: Section<Limits> = section('What the proxy accepts.', {
  maxConnections: integer({
    doc: 'Client connections of the process.',
    fallback: 10_000,
    min: 1,
    max: 10_000_000,
  }),
  onMaxConnections: choice(['refuse', 'wait'], {
    doc: 'Further connections get 503 and are closed, or wait in the kernel’s queue until others have ended. Hazard of waiting: clients see nothing but silence.',
    fallback: 'refuse',
  }),
  perAddress: integer({
    doc: 'Client connections from one address, over all workers; 0: no limit.',
    fallback: 0,
    min: 0,
    max: 10_000_000,
  }),
  requestLine: size({ doc: 'Request line, then 414.', fallback: '8KB', min: 64 }),
  headers: size({ doc: 'All fields of a request, then 431.', fallback: '32KB', min: 256 }),
  headerCount: integer({ doc: 'Number of fields, then 431.', fallback: 100, min: 1, max: 10_000 }),
  body: size({ doc: 'Request body, then 413.', fallback: '1GB', min: 0 }),
});

/** `overload` */
export const overload: Section<Overload> = section(
  'Answers new requests with 503 and `Retry-After` while the process is close to its limits.',
  {
    enabled: boolean({ doc: 'Switches it on.', fallback: true }),
    maxEventLoopDelay: duration({
      doc: 'Delay of a worker’s event loop, twice in a row. Hazard of a short one: a crowd of TLS handshakes, or a busy machine, is taken for an overload; of a long one: clients wait that long before any is refused.',
      fallback: '1s',
      min: 10,
    }),
    maxHeap: percent({ doc: 'Use of a worker’s heap limit.', fallback: '90%' }),
    retryAfter: duration({ doc: 'Sent as `Retry-After`, in whole seconds.', fallback: '1s', min: 1000 }),
  },
);

/** `trustedProxies` */
export const trustedProxies: Leaf<readonly string[]> = texts({
  doc: 'Peers whose `X-Forwarded-*` and `Forwarded` fields are believed. Hazard: everybody in them can choose its client address.',
  allowed: 'IP addresses or blocks such as 10.0.0.0/8 or fd00::/8',
  fallback: [],
  mistake: cidrMistake,
});

/** `forwarding` */
export const forwarding: Section<Forwarding> = section('Fields that tell backends about the client.', {
  xForwarded: boolean({
    doc: 'Sends `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`. Those of clients that are no trusted proxies are dropped either way.',
    fallback: true,
  }),
  forwarded: boolean({ doc: 'Sends `Forwarded` (RFC 7239).', fallback: false }),
  via: text({
    doc: 'Pseudonym in `Via` (RFC 9110, 7.6.3), both directions.',
    allowed: 'a token (letters, digits and a few signs)',
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    fallback: 'rp',
  }),
  requestId: choice(['keep', 'new', 'off'], {
    doc: '`X-Request-Id`: keep one from a trusted proxy and else make one, always make one, or leave it alone.',
    fallback: 'keep',
  }),
});
