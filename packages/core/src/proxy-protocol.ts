import { isIP, isIPv4 } from 'node:net';
import { formatIpv6, ipv6Bytes } from './ipv6.ts';

/*
 * The PROXY protocol as HAProxy's "proxy-protocol.txt" has it: whoever opens a connection on behalf of a client says
 * first who that client is, in one line of text (v1) or in binary (v2). No sockets here.
 */

/** Both ends of a client's connection; addresses in canonical text, IPv4 without `::ffff:`. */
export interface ConnectionEnds {
  readonly address: string;
  /** 0 to 65,535. */
  readonly port: number;
  readonly localAddress: string;
  /** 0 to 65,535. */
  readonly localPort: number;
}

export type ProxyProtocolVersion = 'v1' | 'v2';

/** What the first bytes of a connection are. */
export type DecodedProxyHeader =
  /** Nothing is wrong so far. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly reason: string }
  /** `length` bytes of header. Without `ends` (LOCAL, UNKNOWN, no TCP) those of the socket hold. */
  | { readonly kind: 'complete'; readonly length: number; readonly ends: ConnectionEnds | undefined };

/** Bytes of the longest v1 line, with its CRLF (§2.1). */
const MAX_V1 = 107;
/** Bytes of the fixed part of v2 (§2.2). */
const FIXED_V2 = 16;
/** Bytes after the fixed part that are accepted: addresses of any family, and TLVs of a sensible size. */
const MAX_V2_REST = 520;
/** Bytes of the longest header of either version that is accepted. */
export const MAX_PROXY_HEADER: number = FIXED_V2 + MAX_V2_REST;

const startV1: Buffer = Buffer.from('PROXY ');
const signatureV2: Buffer = Buffer.from([
  0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
]);

const TCP4 = 0x11;
const TCP6 = 0x21;
/** UNSPEC, UDP and Unix sockets: valid, but no address that could stand for a TCP client. */
const withoutEnds: ReadonlySet<number> = new Set([0x00, 0x12, 0x22, 0x31, 0x32]);

const incomplete: DecodedProxyHeader = { kind: 'incomplete' };
const malformed = (reason: string): DecodedProxyHeader => ({ kind: 'malformed', reason });

/** Looks at all bytes of a connection that came so far; to be called again with more while it is incomplete. */
export function decodeProxyHeader(bytes: Buffer): DecodedProxyHeader {
  if (startsLike(bytes, signatureV2)) return bytes.length < FIXED_V2 ? incompleteV2(bytes) : decodeV2(bytes);
  if (startsLike(bytes, startV1)) return bytes.length < startV1.length ? incomplete : decodeV1(bytes);
  return malformed('no PROXY protocol header');
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const count = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, count, 0, count) === 0;
}

function decodeV1(bytes: Buffer): DecodedProxyHeader {
  const end = bytes.subarray(0, MAX_V1).indexOf('\r\n');
  if (end === -1)
    return bytes.length < MAX_V1 ? incomplete : malformed(`no end of line within ${MAX_V1} bytes`);
  const [, family = '', ...rest] = bytes.toString('latin1', 0, end).split(' ');
  const length = end + 2;
  // What follows UNKNOWN is to be ignored (§2.1).
  if (family === 'UNKNOWN') return { kind: 'complete', length, ends: undefined };
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0;
  if (version === 0) return malformed('unknown protocol');
  const [source = '', destination = '', sourcePort = '', destinationPort = ''] = rest;
  if (rest.length !== 4) return malformed('not two addresses and two ports');
  if (isIP(source) !== version || isIP(destination) !== version) return malformed('an address is invalid');
  const port = portOf(sourcePort);
  const localPort = portOf(destinationPort);
  if (port === -1 || localPort === -1) return malformed('a port is invalid');
  const ends = { address: canonical(source), port, localAddress: canonical(destination), localPort };
  return { kind: 'complete', length, ends };
}

/** -1: no port. */
function portOf(text: string): number {
  const port = /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : -1;
  return port <= 65_535 ? port : -1;
}

function canonical(address: string): string {
  return isIPv4(address) ? address : formatIpv6(ipv6Bytes(address), 0);
}

function incompleteV2(bytes: Buffer): DecodedProxyHeader {
  const command = bytes[12];
  return command === undefined || command === 0x20 || command === 0x21
    ? incomplete
    : malformed('unknown command');
}

function decodeV2(bytes: Buffer): DecodedProxyHeader {
  const command = bytes[12]!;
  const family = bytes[13]!;
  const rest = bytes.readUInt16BE(14);
  if (command !== 0x20 && command !== 0x21) return malformed('unknown version or command');
  if (family !== TCP4 && family !== TCP6 && !withoutEnds.has(family))
    return malformed('unknown family or protocol');
  if (rest > MAX_V2_REST) return malformed(`longer than ${MAX_PROXY_HEADER} bytes`);
  const length = FIXED_V2 + rest;
  // LOCAL: the proxy speaks for itself, as in health checks; whatever addresses there are must not be looked at (§2.2).
  const speaksForClient = command === 0x21 && !withoutEnds.has(family);
  const size = family === TCP4 ? 4 : 16;
  if (speaksForClient && rest < size * 2 + 4) return malformed('too short for its addresses');
  if (bytes.length < length) return incomplete;
  if (!speaksForClient) return { kind: 'complete', length, ends: undefined };
  const address = (at: number): string =>
    size === 4 ? bytes.subarray(at, at + 4).join('.') : formatIpv6(bytes, at);
  const ports = FIXED_V2 + size * 2;
  const ends = {
    address: address(FIXED_V2),
    port: bytes.readUInt16BE(ports),
    localAddress: address(FIXED_V2 + size),
    localPort: bytes.readUInt16BE(ports + 2),
  };
  return { kind: 'complete', length, ends };
}

/**
 * The header that tells a backend about a client. Addresses of two families become IPv6 both.
 *
 * @param ends undefined: the proxy speaks for itself
 */
export function encodeProxyHeader(version: ProxyProtocolVersion, ends: ConnectionEnds | undefined): Buffer {
  const known =
    ends !== undefined && isIP(ends.address) !== 0 && isIP(ends.localAddress) !== 0 ? ends : undefined;
  return version === 'v1' ? encodeV1(known) : encodeV2(known);
}

const bothIpv4 = ({ address, localAddress }: ConnectionEnds): boolean =>
  isIPv4(address) && isIPv4(localAddress);

function encodeV1(ends: ConnectionEnds | undefined): Buffer {
  if (ends === undefined) return Buffer.from('PROXY UNKNOWN\r\n');
  const v4 = bothIpv4(ends);
  const text = (address: string): string =>
    !v4 && isIPv4(address) ? `::ffff:${address}` : withoutZone(address);
  const { address, localAddress, port, localPort } = ends;
  return Buffer.from(
    `PROXY ${v4 ? 'TCP4' : 'TCP6'} ${text(address)} ${text(localAddress)} ${port} ${localPort}\r\n`,
  );
}

function encodeV2(ends: ConnectionEnds | undefined): Buffer {
  if (ends === undefined) return Buffer.concat([signatureV2, Buffer.from([0x20, 0, 0, 0])]);
  const v4 = bothIpv4(ends);
  const bytes = (address: string): Uint8Array => {
    if (v4) return Uint8Array.from(address.split('.'), Number);
    return ipv6Bytes(isIPv4(address) ? `::ffff:${address}` : address);
  };
  const rest = Buffer.alloc(8);
  rest[0] = 0x21;
  rest[1] = v4 ? TCP4 : TCP6;
  rest.writeUInt16BE(v4 ? 12 : 36, 2);
  rest.writeUInt16BE(ends.port, 4);
  rest.writeUInt16BE(ends.localPort, 6);
  const addresses = [bytes(ends.address), bytes(ends.localAddress)];
  return Buffer.concat([signatureV2, rest.subarray(0, 4), ...addresses, rest.subarray(4)]);
}

/** A zone means something on this host only. */
function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone === -1 ? address : address.slice(0, zone);
}
