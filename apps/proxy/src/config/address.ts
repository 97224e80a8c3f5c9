import { isIP } from 'node:net';

/** What a backend's URL means. */
export interface BackendUrl {
  /** As it was written, without a trailing slash. */
  readonly href: string;
  /** `http` and `https`: HTTP/1.1; `h2`: HTTP/2 over TLS; `h2c`: HTTP/2 with prior knowledge, in the clear. */
  readonly protocol: 'http' | 'https' | 'h2' | 'h2c';
  /** Host name or IP address, without the brackets of an IPv6 address. */
  readonly host: string;
  /** 80 or 443 (with TLS) unless the URL has one. */
  readonly port: number;
}

const PROTOCOLS: readonly BackendUrl['protocol'][] = ['http', 'https', 'h2', 'h2c'];
const urlPattern = /^([a-z0-9+.-]+):\/\/(.*)$/iu;
const namePattern = /^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?$/iu;

/** Whether the text can be the name of a host (letters, digits, `-`, `_` and dots, no empty label). */
export function isHostName(text: string): boolean {
  return text.length <= 253 && namePattern.test(text) && !/^[0-9.]+$/u.test(text);
}

const splitPort = (authority: string): { readonly host: string; readonly port: string | null } => {
  const end = authority.startsWith('[') ? authority.indexOf(']') + 1 : authority.lastIndexOf(':');
  if (authority.startsWith('[')) {
    const rest = authority.slice(end);
    return { host: authority.slice(0, end), port: rest.startsWith(':') ? rest.slice(1) : rest || null };
  }
  if (end === -1) return { host: authority, port: null };
  return { host: authority.slice(0, end), port: authority.slice(end + 1) };
};

const hostMistake = (host: string): string | null => {
  if (host === '') return 'the host is missing';
  if (host.startsWith('[')) return isIP(host.slice(1, -1)) === 6 ? null : 'this is no IPv6 address';
  if (host.includes(':')) return 'an IPv6 address must stand in brackets, such as http://[::1]:3000';
  if (isIP(host) === 4 || isHostName(host)) return null;
  return /^[0-9.]+$/u.test(host) ? 'this is no IPv4 address' : 'this is no host name';
};

const portMistake = (port: string | null): string | null => {
  if (port === null) return null;
  return /^[0-9]{1,5}$/u.test(port) && Number(port) >= 1 && Number(port) <= 65_535
    ? null
    : 'the port must be a number from 1 to 65535';
};

/** What is wrong with a backend's URL, or null. */
export function backendUrlMistake(url: string): string | null {
  if (/\s/u.test(url)) return 'a URL has no spaces';
  const parts = urlPattern.exec(url);
  if (parts === null) return `the scheme is missing; did you mean "http://${url}"?`;
  const scheme = (parts[1] ?? '').toLowerCase();
  if (!PROTOCOLS.some((protocol) => protocol === scheme)) return `the scheme "${scheme}" is not supported`;
  const rest = parts[2] ?? '';
  const tail = /[/?#]/u.exec(rest);
  const authority = tail === null ? rest : rest.slice(0, tail.index);
  if (authority.includes('@')) return 'a user or password in the URL is not supported';
  if (tail !== null && rest.slice(tail.index) !== '/') {
    return 'only scheme, host and port may stand here: paths are forwarded as they come';
  }
  const { host, port } = splitPort(authority);
  return hostMistake(host) ?? portMistake(port);
}

/** Reads a URL in which {@link backendUrlMistake} finds no mistake. */
export function parseBackendUrl(url: string): BackendUrl {
  const parts = urlPattern.exec(url);
  const scheme = (parts?.[1] ?? '').toLowerCase();
  const protocol = PROTOCOLS.find((known) => known === scheme) ?? 'http';
  const { host, port } = splitPort((parts?.[2] ?? '').replace(/\/$/u, ''));
  const standard = protocol === 'https' || protocol === 'h2' ? 443 : 80;
  return {
    href: url.replace(/\/$/u, ''),
    protocol,
    host: (host.startsWith('[') ? host.slice(1, -1) : host).toLowerCase(),
    port: port === null ? standard : Number(port),
  };
}

/** What is wrong with an address to listen on, or null: an IP address or a host name is expected. */
export function listenAddressMistake(address: string): string | null {
  if (isIP(address) !== 0 || isHostName(address)) return null;
  if (/^\[.*\]$/u.test(address)) return 'write an IPv6 address without brackets here';
  if (/:[0-9]+$/u.test(address) && isIP(address) === 0) return 'the port is an option of its own';
  return 'this is neither an IP address nor a host name';
}

/** What is wrong with the address of a name server (`192.0.2.1`, `192.0.2.1:53`, `[2001:db8::1]:53`), or null. */
export function nameServerMistake(server: string): string | null {
  if (isIP(server) !== 0) return null;
  const { host, port } = splitPort(server);
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  if (isIP(bare) === 0) return 'a name server is given by its IP address';
  return portMistake(port);
}

/** Whether only this machine can reach the address. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** What is wrong with an address block (`10.0.0.0/8`, `fd00::/8`, or one address), or null. */
export function cidrMistake(block: string): string | null {
  const slash = block.indexOf('/');
  const address = slash === -1 ? block : block.slice(0, slash);
  const version = isIP(address);
  if (version === 0) return 'this is no IP address';
  if (slash === -1) return null;
  const prefix = block.slice(slash + 1);
  const longest = version === 4 ? 32 : 128;
  return /^[0-9]{1,3}$/u.test(prefix) && Number(prefix) <= longest
    ? null
    : `the number behind the slash must be from 0 to ${longest}`;
}

/** What is wrong with a route's host, or null: an exact name, an IP address or `*.` and a name. */
export function routeHostMistake(host: string): string | null {
  const name = host.startsWith('*.') ? host.slice(2) : host;
  if (name.includes('*')) return 'a star may only stand first, followed by a dot, such as *.example.com';
  if (name.includes('/')) return 'only the host may stand here; the path is an option of its own';
  if (/^[^:]*:[0-9]+$/u.test(name)) return 'a host is matched without its port';
  if (isHostName(name)) return null;
  const bare = name.startsWith('[') ? name.slice(1, -1) : name;
  return !host.startsWith('*.') && isIP(bare) !== 0 ? null : 'this is no host name';
}

/** What is wrong with a path or path prefix, or null. */
export function pathMistake(path: string): string | null {
  if (!path.startsWith('/')) return `a path starts with a slash; did you mean "/${path}"?`;
  if (/[?#]/u.test(path)) return 'a path has no ? and no #';
  return /[^\u0021-\u007e]/u.test(path)
    ? 'spaces, controls and letters beyond ASCII must be %-encoded'
    : null;
}
