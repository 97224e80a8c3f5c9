import { isIPv6 } from 'node:net';

// Letters, digits, "-", ".", "_" and "~": the unreserved characters of RFC 3986 §2.3. Its grammar also lets
// percent-encoding and sub-delims ("!$&'()*+,;=") into a reg-name, but no name that resolves has them, and
// what one server decodes and another does not is how a request reaches the wrong site.
const inName = new Uint8Array(128);
for (const character of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~') {
  inName[character.charCodeAt(0)] = 1;
}

/**
 * True for `uri-host [":" port]` (RFC 9110 §7.2): a name of unreserved characters, an IPv4 address, or an
 * IPv6 address in brackets, then a port from 0 to 65535, which may be empty (RFC 3986 §3.2.3). No user
 * information, no empty host.
 */
export function isAuthority(text: string): boolean {
  const length = text.length;
  let at = 0;
  if (text.charCodeAt(0) === 0x5b) {
    at = text.indexOf(']') + 1;
    const address = text.slice(1, at - 1);
    // A zone means something on one machine only (RFC 6874 §4).
    if (at === 0 || address.includes('%') || !isIPv6(address)) return false;
  } else {
    for (; at < length; at++) {
      const code = text.charCodeAt(at);
      if (code > 127 || inName[code] === 0) break;
    }
    if (at === 0) return false;
  }
  return at === length || (text.charCodeAt(at) === 0x3a && isPort(text, at + 1));
}

function isPort(text: string, start: number): boolean {
  if (text.length - start > 5) return false;
  let port = 0;
  for (let at = start; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65_535;
}

/** True if `authority`, valid already, ends in a port with at least one digit. */
export function hasPort(authority: string): boolean {
  const colon = authority.lastIndexOf(':');
  return colon !== -1 && colon < authority.length - 1 && colon > authority.lastIndexOf(']');
}
