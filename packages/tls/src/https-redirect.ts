import { isIP } from 'node:net';
import { TlsError } from './errors.ts';
import { normalizeServerName } from './names.ts';

/** Answer of {@link httpsRedirect}. */
export type RedirectAnswer =
  | { readonly kind: 'redirect'; readonly status: 308; readonly location: string }
  | { readonly kind: 'refuse'; readonly status: 400; readonly reason: string };

/** Visible ASCII without `#` and `\\`. Browsers send `|`, `^` and braces as they are, RFC 3986 or not. */
const TARGET = /^\/[!"$-[\]-~]*$/;

/**
 * Where a plain HTTP request should go instead: the same host and target over https (308 keeps method and body,
 * RFC 9110 §15.4.9).
 *
 * @param host value of the `Host` field; its port is replaced.
 * @param target request target as it came: origin-form, absolute-form or `*`.
 * @param httpsPort 1 to 65535; 443 is left out of the answer.
 */
export function httpsRedirect(
  host: string | undefined,
  target: string,
  httpsPort: number = 443,
): RedirectAnswer {
  const name = host === undefined ? undefined : hostOf(host);
  if (name === undefined) return { kind: 'refuse', status: 400, reason: 'Host is missing or not valid' };
  const path = originForm(target);
  if (path === undefined) return { kind: 'refuse', status: 400, reason: 'request target is not valid' };
  const port = httpsPort === 443 ? '' : `:${httpsPort}`;
  return { kind: 'redirect', status: 308, location: `https://${name}${port}${path}` };
}

/** The host without its port, as it came, if it is one. */
function hostOf(host: string): string | undefined {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{0,5}))?$/.exec(host);
  const name = match?.[1];
  if (name === undefined || Number(match?.[2] ?? 0) > 65_535) return undefined;
  if (name.startsWith('[') && isIP(name.slice(1, -1)) !== 6) return undefined;
  return normalizeServerName(name) === undefined ? undefined : name;
}

function originForm(target: string): string | undefined {
  if (target === '*') return '/';
  const absolute = /^https?:\/\/[^/?#]*(.*)$/i.exec(target);
  const rest = absolute?.[1] ?? target;
  const path = absolute !== null && !rest.startsWith('/') ? `/${rest}` : rest;
  return TARGET.test(path) ? path : undefined;
}

/** Options of {@link hstsValue}. */
export interface HstsOptions {
  /** Seconds that clients insist on https. Default 31,536,000 (a year); 0 takes it back. At most ten years. */
  readonly maxAge?: number;
  /** Default false. Hazard: it cuts off every sub-domain that has no https. */
  readonly includeSubDomains?: boolean;
  /** Consent to be built into browsers. Default false; needs a year and includeSubDomains, and is hard to undo. */
  readonly preload?: boolean;
}

const YEAR = 31_536_000;

/**
 * Value of `Strict-Transport-Security` (RFC 6797 §6.1).
 *
 * @throws TlsError `TLS_OPTION`.
 */
export function hstsValue(options: HstsOptions = {}): string {
  const maxAge = options.maxAge ?? YEAR;
  if (!Number.isInteger(maxAge) || maxAge < 0 || maxAge > 10 * YEAR) {
    throw new TlsError('TLS_OPTION', `hsts maxAge must be a whole number of seconds from 0 to ${10 * YEAR}`);
  }
  if (options.preload === true && (options.includeSubDomains !== true || maxAge < YEAR)) {
    throw new TlsError('TLS_OPTION', `hsts preload needs includeSubDomains and a maxAge of at least ${YEAR}`);
  }
  let value = `max-age=${maxAge}`;
  if (options.includeSubDomains === true) value += '; includeSubDomains';
  if (options.preload === true) value += '; preload';
  return value;
}

/** Whether the field belongs on a response: never on plain HTTP (RFC 6797 §7.2), no use for addresses (§8.1.1). */
export function hstsApplies(secure: boolean, host: string): boolean {
  const name = hostOf(host);
  return secure && name !== undefined && isIP(name.replace(/^\[(.*)\]$/, '$1')) === 0;
}
