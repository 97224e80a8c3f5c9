import { isIP, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * A host name as the index keeps it: ASCII (IDNA, UTS 46), lower case, no final dot; IP addresses in one form.
 *
 * @returns undefined for what cannot be a host name (RFC 1123, RFC 5890): empty, over 253 octets, bad labels.
 */
export function normalizeServerName(name: string): string | undefined {
  if (name.length === 0 || name.length > 1024) return undefined;
  const bare = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name;
  if (isIP(bare) !== 0) return canonicalIp(bare);
  const plain = isPlainAscii(name) ? name.toLowerCase() : domainToASCII(name);
  const host = plain.endsWith('.') ? plain.slice(0, -1) : plain;
  if (host.length === 0 || host.length > 253) return undefined;
  for (const label of host.split('.')) if (!LABEL.test(label)) return undefined;
  return host;
}

/** A name from a certificate: like a host name, or `*.` and a host name (RFC 9525 §6.3: whole left-most label). */
export function normalizeCertificateName(name: string): string | undefined {
  if (!name.startsWith('*.')) return normalizeServerName(name);
  const rest = normalizeServerName(name.slice(2));
  return rest === undefined || isIP(rest) !== 0 ? undefined : `*.${rest}`;
}

/** One spelling per address: IPv4 as it is, IPv6 compressed and lower case, IPv4-mapped IPv6 as IPv4. */
export function canonicalIp(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  const host = new URL(`http://[${address.replace(/%.*$/, '')}]/`).hostname;
  return host.slice(1, -1);
}

function isPlainAscii(name: string): boolean {
  for (let i = 0; i < name.length; i += 1) if (name.charCodeAt(i) > 0x7e) return false;
  return true;
}

/** Whether a string is a valid IPv4 or IPv6 address. */
export function isAddress(value: string): boolean {
  return isIP(value) !== 0;
}
