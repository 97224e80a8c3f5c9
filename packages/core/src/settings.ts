import type { RequestIdPolicy } from '@rp/parser';
import { RouteTable, type Route } from './routes.ts';
import { TrustedProxies } from './trusted-proxies.ts';
import type { Upstream } from './upstream.ts';

/** Milliseconds. Each measures lack of progress, never the duration of a whole transfer. */
export interface Timeouts {
  /** From the first byte of a request (or from accepting) to the end of its head: 408. Default 10,000. */
  header: number;
  /** Between two reads of a request body: 408. Default 30,000. */
  body: number;
  /** To the backend's first byte after the request, and between two reads after that: 504. Default 60,000. */
  response: number;
  /** A client connection without a request is closed after this. Default 60,000. */
  idle: number;
  /** A client that takes nothing of a response for this long is dropped. Default 30,000. */
  write: number;
  /** A tunnel that carries nothing either way is closed after this. Default 600,000. */
  tunnel: number;
}

export interface Limits {
  /** Open client connections of this engine; further ones get 503 and are closed. Default 10,000. */
  maxConnections: number;
  /** Open connections per client address. Default: no limit. */
  perAddress: number;
  /** Bytes of the request line: 414. Default 8 KiB. */
  requestLine: number;
  /** Bytes of all fields of a message together: 431, 502 from a backend. Default 32 KiB. */
  headers: number;
  /** Number of fields of a message: 431, 502 from a backend. Default 100. */
  headerCount: number;
  /** Bytes of a request body: 413. Default 1 GiB. */
  body: number;
}

export interface Forwarding {
  /** The name in `Via` (RFC 9110 §7.6.3). Default `rp`. */
  via: string;
  /** Also send `Forwarded` (RFC 7239). Default false. */
  forwarded: boolean;
  /** Send `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`; those of clients are dropped either way. Default true. */
  xForwarded: boolean;
  /** `X-Request-Id`: keep one of a trusted proxy and else make one; always make one; or leave it alone. Default `keep`. */
  requestId: RequestIdPolicy;
}

export const defaultTimeouts: Timeouts = {
  header: 10_000,
  body: 30_000,
  response: 60_000,
  idle: 60_000,
  write: 30_000,
  tunnel: 600_000,
};

export const defaultLimits: Limits = {
  maxConnections: 10_000,
  perAddress: Infinity,
  requestLine: 8 * 1024,
  headers: 32 * 1024,
  headerCount: 100,
  body: 1024 ** 3,
};

export const defaultForwarding: Forwarding = {
  via: 'rp',
  forwarded: false,
  xForwarded: true,
  requestId: 'keep',
};

/** What an engine is told, all parts optional but the routes. */
export interface SettingsInput {
  routes: readonly Route<Upstream>[];
  timeouts?: Partial<Timeouts>;
  limits?: Partial<Limits>;
  forwarding?: Partial<Forwarding>;
  /** CIDR blocks whose `X-Forwarded-*` are believed. Default: none. */
  trustedProxies?: readonly string[];
  /** Milliseconds that clients are told to wait by a 503 for overload (`Retry-After`, whole seconds). Default 1,000. */
  overloadRetryAfter?: number;
}

/** One immutable snapshot of everything that a reload may change. */
export class Settings {
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly forwarding: Forwarding;
  readonly routes: RouteTable<Upstream>;
  readonly trustedProxies: TrustedProxies;
  /** Whole seconds. */
  readonly overloadRetryAfter: number;

  constructor(input: SettingsInput) {
    this.timeouts = { ...defaultTimeouts, ...input.timeouts };
    this.limits = { ...defaultLimits, ...input.limits };
    this.forwarding = { ...defaultForwarding, ...input.forwarding };
    this.routes = new RouteTable(input.routes);
    this.trustedProxies = new TrustedProxies(input.trustedProxies ?? []);
    this.overloadRetryAfter = Math.ceil((input.overloadRetryAfter ?? 1_000) / 1_000);
  }
}
