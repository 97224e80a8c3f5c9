import { BalancerError, checkedInteger } from './error.ts';
import { hashString } from './hash.ts';
import { type BackendTable } from './shared-state.ts';

/** How a backend is spoken to: HTTP/1.1 or HTTP/2, in clear text or over TLS. */
export type BackendProtocol = 'http' | 'https' | 'h2' | 'h2c';

/** One backend as configured. */
export interface BackendOptions {
  /**
   * `scheme://host[:port]`, scheme `http`, `https`, `h2` (HTTP/2 over TLS) or `h2c`. No path, query or
   * credentials. Default port 80, over TLS 443.
   */
  readonly url: string;
  /** Share of the traffic relative to the others: whole number from 1 to 65,535, default 1. */
  readonly weight?: number;
  /**
   * The name for TLS (SNI, certificate) and `Host` when `url` holds an address that was resolved from a name.
   * Default: the host of `url`.
   */
  readonly serverName?: string;
}

/** The parts of a backend's URL. `host` has no brackets. */
export interface BackendAddress {
  readonly url: string;
  readonly protocol: BackendProtocol;
  readonly host: string;
  readonly port: number;
}

/**
 * One backend in the set of this thread. Immutable: what changes is in the shared table, at `cell`. Its
 * identity is `key`; an update that names the same key keeps slot, counts, health and circuit.
 */
export class Backend {
  /** Stable identity: the normalised URL, and the server name where that differs. */
  readonly key: string;
  /** Slot in the table, the same in all threads. */
  readonly index: number;
  readonly url: string;
  readonly protocol: BackendProtocol;
  /** Name or address to connect to; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
  readonly weight: number;
  /** Opaque value for the affinity cookie: 64 bits of a hash of the key in hexadecimal. */
  readonly token: string;
  /** First cell of the slot in `BackendTable.cells`. */
  readonly cell: number;
  /** This worker's count of attempts in flight. */
  readonly workerActiveCell: number;
  /** This worker's first counter in `BackendTable.counters`. */
  readonly counter: number;

  constructor(options: BackendOptions, index: number, table: BackendTable) {
    const address = parseBackendUrl(options.url);
    this.key = backendKey(options);
    this.index = index;
    this.url = address.url;
    this.protocol = address.protocol;
    this.host = address.host;
    this.port = address.port;
    this.serverName = options.serverName ?? address.host;
    this.weight = backendWeight(options);
    this.token = backendToken(this.key);
    this.cell = table.slotCell(index);
    this.workerActiveCell = table.workerActiveCell(table.worker, index);
    this.counter = table.counterIndex(table.worker, index);
  }
}

/** The stable identity of a backend: see {@link Backend.key}. */
export function backendKey(options: BackendOptions): string {
  const address = parseBackendUrl(options.url);
  const named = options.serverName !== undefined && options.serverName !== address.host;
  return named ? `${address.url}#${options.serverName}` : address.url;
}

/** @throws {BalancerError} `invalidOption` when the weight is out of range */
export function backendWeight(options: BackendOptions): number {
  return checkedInteger(`weight of ${options.url}`, options.weight ?? 1, 1, 65_535);
}

function backendToken(key: string): string {
  const half = (seed: number): string => hashString(key, seed).toString(16).padStart(8, '0');
  return half(0x2545f491) + half(0x1b873593);
}

const urlPattern = /^(https?|h2c?):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?\/?$/;

/**
 * Takes the URL of a backend apart.
 *
 * @throws {BalancerError} `invalidBackend` with what was found and what is allowed
 */
export function parseBackendUrl(text: string): BackendAddress {
  const match = urlPattern.exec(text);
  if (match === null) {
    throw new BalancerError(
      'invalidBackend',
      `a backend is scheme://host[:port] with scheme http, https, h2 or h2c and no path, found ${text}`,
    );
  }
  const protocol = match[1] as BackendProtocol;
  const bracketed = (match[2] ?? '').toLowerCase();
  const secure = protocol === 'https' || protocol === 'h2';
  const port = match[3] === undefined ? (secure ? 443 : 80) : Number(match[3]);
  if (port < 1 || port > 65_535) {
    throw new BalancerError('invalidBackend', `the port of ${text} must be from 1 to 65535`);
  }
  const host = bracketed.startsWith('[') ? bracketed.slice(1, -1) : bracketed;
  return { url: `${protocol}://${bracketed}:${port}`, protocol, host, port };
}
