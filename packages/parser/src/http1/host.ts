import { isIPv6 } from 'node:net';

// Letters, digits, "-", ".", "_" and "~": the unreserved characters of RFC 3986 §2.3. Its grammar also lets
// percent-encoding and sub-delims ("!$&'()*+,;=") into a reg-name, but no name that resolves has them, and
// what one server decodes and another does not is how a request reaches the wrong site.
const nameAndPort = /^[\w.~-]+(?::(\d{0,5}))?$/;
const addressAndPort = /^\[([\da-f:.]+)\](?::(\d{0,5}))?$/i;

/**
 * True for `uri-host [":" port]` (RFC 9110 §7.2): a name of unreserved characters, an IPv4 address, or an
 * IPv6 address in brackets, then a port from 0 to 65535, which may be empty (RFC 3986 §3.2.3). No user
 * information, no empty host.
 */
export function isAuthority(text: string): boolean {
  if (text.charCodeAt(0) !== 0x5b) {
    const match = nameAndPort.exec(text);
    return match !== null && isPort(match[1]);
  }
  // No zone: it means something on one machine only (RFC 6874 §4).
  const match = addressAndPort.exec(text);
  return match !== null && isIPv6(match[1] as string) && isPort(match[2]);
}

function isPort(digits: string | undefined): boolean {
  return digits === undefined || Number(digits) <= 65_535;
}

/** True if `authority`, valid already, ends in a port with at least one digit. */
export function hasPort(authority: string): boolean {
  const colon = authority.lastIndexOf(':');
  return colon !== -1 && colon < authority.length - 1 && colon > authority.lastIndexOf(']');
}
