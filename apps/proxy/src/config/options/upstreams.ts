import { backendUrlMistake, nameServerMistake, parseBackendUrl } from '../address.ts';
import type { BackendUrl } from '../address.ts';
import { boolean, choice, custom, duration, integer, list, named, nullable } from '../option.ts';
import { optionalSection, parsed, percent, section, text, texts } from '../option.ts';
import type { Leaf, Named, Section } from '../option.ts';
import { pool, type Pool } from './pool.ts';
import { parsePercent, PERCENT_PATTERN } from '../units.ts';
import { circuitBreaker, healthCheck, passiveHealth, statuses } from './health.ts';
import type { CircuitBreaker, HealthCheck, PassiveHealth, StatusRange } from './health.ts';

/** TLS towards a backend. */
export interface BackendTls {
  readonly verify: boolean;
  /** Absolute path of PEM certificates, or null for the system's. */
  readonly ca: string | null;
  /** Name to ask for and to check, or null for the host of the URL. */
  readonly serverName: string | null;
  /** Absolute path of our own certificate, or null. */
  readonly cert: string | null;
  readonly key: string | null;
}

/** One server behind the proxy. */
export interface Backend {
  readonly url: BackendUrl;
  /** 0: takes no traffic. */
  readonly weight: number;
  /** In logs, statistics and the admin interface; unique in its upstream. */
  readonly name: string;
  /** Instead of the upstream's; null: the upstream's. */
  readonly tls: BackendTls | null;
}

/** Keeping a client with its backend. */
export interface Affinity {
  readonly by: 'ip' | 'cookie';
  readonly cookie: string;
  /** Milliseconds; 0: until the browser closes. */
  readonly ttl: number;
  readonly path: string;
  readonly sameSite: 'Strict' | 'Lax' | 'None';
}

/** Repeating requests that failed. */
export interface Retry {
  /** Other backends tried after the first. */
  readonly attempts: number;
  /** Retries as a share (0 to 1) of the requests that come. */
  readonly budget: number;
  /** Retries per second besides. */
  readonly minimumPerSecond: number;
  /** Retries that may be saved up, and be under way at once. */
  readonly burst: number;
  /** Milliseconds; doubled each time, with jitter. */
  readonly backoff: number;
  /** Milliseconds. */
  readonly maxBackoff: number;
  /** Answers in place of which another backend is asked. */
  readonly statuses: readonly StatusRange[];
}

/** Looking up of backends that are given by name. */
export interface Dns {
  /** Milliseconds. */
  readonly interval: number;
  /** Name servers, with port if it is not 53; empty: the system's, and its hosts file. */
  readonly servers: readonly string[];
}

/** How a backend is chosen. */
export type Algorithm = (typeof algorithms)[number];

const algorithms = [
  'round-robin',
  'weighted-round-robin',
  'least-connections',
  'ip-hash',
  'random',
  'peak-ewma',
] as const;

/** A named group of backends that serve the same. */
export interface Upstream {
  readonly name: string;
  readonly algorithm: Algorithm;
  /** Weights follow response times. */
  readonly adaptiveWeights: boolean;
  readonly backends: readonly Backend[];
  readonly healthCheck: HealthCheck | null;
  readonly passiveHealth: PassiveHealth;
  readonly circuitBreaker: CircuitBreaker | null;
  /** Milliseconds; 0: none. */
  readonly slowStart: number;
  /** Share of the traffic with which it begins, 0.01 to 1. */
  readonly slowStartShare: number;
  readonly affinity: Affinity | null;
  readonly allDown: 'bestEffort' | 'reject';
  readonly pool: Pool;
  readonly retry: Retry;
  readonly tls: BackendTls;
  readonly dns: Dns;
  /** Version of the PROXY protocol header sent to backends. */
  readonly proxyProtocol: 'v1' | 'v2' | null;
}

const pemFile = 'the path of a PEM file, absolute or from the folder of this file';

const backendTls: Section<BackendTls> = section(
  'TLS towards backends; for the URL schemes `https` and `h2`.',
  {
    verify: boolean({
      doc: 'Checks the backend’s certificate. Hazard of `false`: anybody on the way can read and change traffic.',
      fallback: true,
    }),
    ca: nullable(text({ doc: 'Authorities to trust instead of the system’s.', allowed: pemFile })),
    serverName: nullable(
      text({
        doc: 'Name asked for (SNI) and checked; the host of the URL otherwise.',
        allowed: 'a host name',
      }),
    ),
    cert: nullable(text({ doc: 'Own certificate, if backends ask for one.', allowed: pemFile })),
    key: nullable(text({ doc: 'Key of the own certificate.', allowed: pemFile })),
  },
);

const hostAndPort = (url: BackendUrl): string =>
  `${url.host.includes(':') ? `[${url.host}]` : url.host}:${url.port}`;

const url: Leaf<BackendUrl> = parsed(
  {
    doc: 'Scheme, host and port. `http` and `https` speak HTTP/1.1; `h2` (TLS) and `h2c` (clear) speak HTTP/2.',
    allowed: 'scheme://host:port with the scheme http, https, h2 or h2c, such as http://127.0.0.1:3000',
    mistake: backendUrlMistake,
  },
  parseBackendUrl,
);

const backend: Section<Backend> = section(
  'One server.',
  {
    url,
    weight: integer({
      doc: 'Share of the traffic, relative to the others; 0 takes none. `round-robin` does not look at it.',
      fallback: 1,
      min: 0,
      max: 1000,
    }),
    name: text({
      doc: 'Name in logs and statistics. Left out: host and port of the URL.',
      allowed: 'letters, digits and . : _ - [ ], at most 64',
      pattern: '^[A-Za-z0-9._:\\[\\]-]{1,64}$',
      fallback: '',
    }),
    tls: optionalSection(backendTls),
  },
  (value, given) => (given('name') ? value : { ...value, name: hostAndPort(value.url) }),
);

const affinity: Section<Affinity> = section('Keeps a client with its backend while that is healthy.', {
  by: choice(['ip', 'cookie'], { doc: 'By the client’s address or by a cookie that we set.' }),
  cookie: text({
    doc: 'Name of the cookie; it is `HttpOnly`, `SameSite=Lax`, and `Secure` for clients that come by TLS.',
    allowed: 'a cookie name',
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    fallback: 'rp_backend',
  }),
  ttl: duration({
    doc: 'Life of the cookie; `0s`: until the browser closes.',
    fallback: '0s',
    min: 0,
    max: 365 * 24 * 3_600_000,
  }),
  path: text({
    doc: '`Path` of the cookie: where on the site the client sends it.',
    allowed: 'a path that starts with a slash, without ";"',
    pattern: '^/[\\x21-\\x3a\\x3c-\\x7e]*$',
    fallback: '/',
  }),
  sameSite: choice(['Lax', 'Strict', 'None'], {
    doc: '`SameSite` of the cookie. Hazard of `None`: browsers take it over TLS only.',
    fallback: 'Lax',
  }),
});

const retry: Section<Retry> = section(
  'Repeats a request on another backend, only where that is safe (nothing was sent, or the method is idempotent and no byte of the response came).',
  {
    attempts: integer({
      doc: 'Other backends tried after the first. Hazard: each multiplies what one client can cause.',
      fallback: 2,
      min: 0,
      max: 10,
    }),
    statuses: statuses({
      doc: 'Answers in place of which another backend is asked, as long as nothing of them was passed on and the method is idempotent: `503`, `502-504`, `5xx`. Empty: none. Hazard: an error of the application is the same everywhere, and costs each backend work.',
      allowed: 'a list of statuses from 500 to 599 such as 503, 502-504 or 5xx',
      least: 500,
      minItems: 0,
      fallback: [],
    }),
    budget: percent({
      doc: 'Retries as a share of the requests that come. Hazard of a large one: retries multiply an outage.',
      fallback: '20%',
    }),
    minimumPerSecond: integer({
      doc: 'Retries per second that are allowed besides. Hazard of `0`: a quiet upstream never retries.',
      fallback: 5,
      min: 0,
      max: 1000,
    }),
    burst: integer({
      doc: 'Retries that quiet times save up, and that may be under way at once (half of the active requests, where that is more). Hazard of a small number: clients see errors when a backend dies.',
      fallback: 50,
      min: 1,
      max: 100_000,
    }),
    backoff: duration({
      doc: 'Wait before the second retry, doubled for each further one; the first goes out at once.',
      fallback: '25ms',
      min: 0,
      max: 60_000,
    }),
    maxBackoff: duration({
      doc: 'Longest wait before a retry. Left out: 1s, or `backoff` if that is more.',
      fallback: '1s',
      min: 0,
      max: 60_000,
    }),
  },
  (value, given) =>
    given('maxBackoff') ? value : { ...value, maxBackoff: Math.max(value.maxBackoff, value.backoff) },
);

const upstream: Section<Omit<Upstream, 'name'>> = section('Backends that serve the same.', {
  algorithm: choice(algorithms, {
    doc: 'How a backend is chosen. `random`: of two at random the less busy one; `peak-ewma`: the one that promises to answer first.',
    fallback: 'round-robin',
  }),
  adaptiveWeights: boolean({
    doc: 'Lets weights follow response times, from a quarter to twice of what is configured. Hazard: a backend that fails fast looks good; keep `passiveHealth` on.',
    fallback: false,
  }),
  backends: list(backend, { doc: 'The servers.', minItems: 1, required: true }),
  healthCheck: optionalSection(healthCheck),
  passiveHealth,
  circuitBreaker: optionalSection(circuitBreaker),
  slowStart: duration({
    doc: 'Time over which a recovered backend gets its full share again; `0s`: at once. Hazard of `0s`: one that is still cold fails again.',
    fallback: '0s',
    min: 0,
    max: 3_600_000,
  }),
  slowStartShare: custom(
    {
      doc: 'Share of its traffic with which a recovered backend begins.',
      allowed: 'a percentage from 1% to 100%',
      schema: { type: 'string', pattern: PERCENT_PATTERN },
      fallback: '10%',
    },
    (raw, fail) => {
      const share = parsePercent(String(raw));
      if (!(share >= 0.01 && share <= 1)) fail('this percentage is out of range');
      return share;
    },
  ),
  affinity: optionalSection(affinity),
  allDown: choice(['bestEffort', 'reject'], {
    doc: 'When no backend is healthy: try the one that failed last, within the retry budget, or answer 503 with `Retry-After`.',
    fallback: 'bestEffort',
  }),
  pool,
  retry,
  tls: backendTls,
  dns: section<Dns>('For backends that are given by name.', {
    interval: duration({
      doc: 'Longest time between two look-ups; a shorter TTL counts. Every address is a backend. A look-up that fails leaves all as it is.',
      fallback: '30s',
      min: 1000,
    }),
    servers: texts({
      doc: 'Name servers to ask instead of the system’s; its hosts file does not count then.',
      allowed: 'addresses, with a port if it is not 53, such as 127.0.0.1:5353 or [::1]:53',
      fallback: [],
      mistake: nameServerMistake,
    }),
  }),
  proxyProtocol: custom<'v1' | 'v2' | null>(
    {
      doc: 'Tells backends the client’s address by a PROXY protocol header; for backends of the scheme `http`. Cost: each connection carries one request.',
      allowed: 'v1 or v2',
      schema: { type: 'string', enum: ['v1', 'v2'] },
      fallback: null,
    },
    (raw) => (raw === 'v1' || raw === 'v2' ? raw : null),
  ),
});

/** `upstreams` */
export const upstreams: Named<Omit<Upstream, 'name'>> = named(upstream, {
  doc: 'Groups of backends, by name.',
  allowed: 'a name of letters, digits, ".", "_" and "-", starting with a letter or digit, at most 64 long',
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
});
