import type { TLSSocket } from 'node:tls';
import type { X509Certificate } from 'node:crypto';
import { commonName } from './certificate-checks.ts';

/** Who is at the other end, as its certificate says. Every text is safe to put in a field: see {@link fieldText}. */
export interface ClientIdentity {
  /** Whether a configured CA vouches for it. Never pass the rest on as a fact unless this is true. */
  readonly verified: boolean;
  /** Why not, as OpenSSL's code (`CERT_HAS_EXPIRED`); undefined if it is verified. */
  readonly reason: string | undefined;
  /** The subject on one line. */
  readonly subject: string;
  readonly commonName: string;
  /** Alternative names on one line: `DNS:a, URI:spiffe://…`. */
  readonly subjectAltName: string;
  readonly issuer: string;
  /** Hex. */
  readonly serialNumber: string;
  /** SHA-256, hex pairs with colons. */
  readonly fingerprint: string;
  /** Validity in ms since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The certificate in base64 of its DER. */
  readonly der: string;
}

/** Longest text taken from a certificate, in characters: what is longer is cut. */
export const MAX_IDENTITY_TEXT = 1024;

/** Longest certificate passed on, in characters of base64 (about 12 KiB of DER). */
const MAX_DER = 16_384;

/**
 * The identity behind a socket whose handshake is done, from this session or the one it resumed.
 *
 * @returns undefined if the client showed no certificate.
 */
export function clientIdentity(socket: TLSSocket): ClientIdentity | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  return identityOf(certificate, socket.authorized, socket.authorizationError);
}

/** The identity that a certificate claims. */
export function identityOf(
  certificate: X509Certificate,
  verified: boolean,
  authorizationError: unknown,
): ClientIdentity {
  const der = certificate.raw.toString('base64');
  return {
    verified,
    reason: verified ? undefined : fieldText(reasonText(authorizationError)),
    subject: fieldText(certificate.subject ?? ''),
    commonName: fieldText(commonName(certificate.subject)),
    subjectAltName: fieldText(certificate.subjectAltName ?? ''),
    issuer: fieldText(certificate.issuer ?? ''),
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    der: der.length > MAX_DER ? '' : der,
  };
}

function reasonText(error: unknown): string {
  if (error instanceof Error) return 'code' in error ? String(error.code) : error.message;
  return typeof error === 'string' ? error : 'UNVERIFIED';
}

/**
 * Makes text from a certificate fit for a field value: a name in a certificate may hold anything, line ends
 * included, and would otherwise write fields of its own. Line ends between parts of a name become `, `; every
 * other control and everything outside ASCII is percent-encoded, and so is `%`, so that it can be undone.
 */
export function fieldText(text: string): string {
  const line = text.replaceAll('\n', ', ').slice(0, MAX_IDENTITY_TEXT);
  const safe = line.replaceAll(/[^\x20-\x24\x26-\x7e]/gu, (character) =>
    [...Buffer.from(character, 'utf8')]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
  return safe.length <= MAX_IDENTITY_TEXT
    ? safe
    : safe.slice(0, MAX_IDENTITY_TEXT).replace(/%[0-9A-F]?$/, '');
}

/** Names of the fields that {@link identityFields} writes. */
export const IDENTITY_FIELDS: readonly string[] = Object.freeze([
  'Client-Cert',
  'X-Client-Verify',
  'X-Client-Subject',
  'X-Client-San',
  'X-Client-Issuer',
  'X-Client-Serial',
  'X-Client-Fingerprint',
]);

const PROTECTED: ReadonlySet<string> = new Set([
  ...IDENTITY_FIELDS.map((name) => name.toLowerCase()),
  'client-cert-chain',
]);

/**
 * Whether an incoming field claims a client identity. Such fields must be removed from every request, TLS or not,
 * before {@link identityFields} are added: otherwise anyone may say who they are. `_` and `.` count as `-`, because
 * many backends map them together.
 */
export function isIdentityField(name: string): boolean {
  return PROTECTED.has(name.toLowerCase().replaceAll(/[_.]/g, '-'));
}

/**
 * Fields that tell the backend who the client is: `Client-Cert` (RFC 9440 §2.2) and readable ones.
 * Details are given for a verified certificate only.
 *
 * @param identity of the connection, undefined if the client showed no certificate.
 */
export function identityFields(
  identity: ClientIdentity | undefined,
): (readonly [name: string, value: string])[] {
  if (identity === undefined) return [['X-Client-Verify', 'NONE']];
  if (!identity.verified) return [['X-Client-Verify', `FAILED:${identity.reason ?? 'UNVERIFIED'}`]];
  const fields: (readonly [string, string])[] = [
    ['X-Client-Verify', 'SUCCESS'],
    ['X-Client-Subject', identity.subject],
    ['X-Client-Issuer', identity.issuer],
    ['X-Client-Serial', identity.serialNumber],
    ['X-Client-Fingerprint', identity.fingerprint],
  ];
  if (identity.subjectAltName !== '') fields.push(['X-Client-San', identity.subjectAltName]);
  if (identity.der !== '') fields.push(['Client-Cert', `:${identity.der}:`]);
  return fields;
}
