import tls from 'node:tls';
import { constants } from 'node:crypto';
import { TlsError } from './errors.ts';

/** `modern` speaks TLS 1.3 only; `intermediate` also TLS 1.2 with forward secrecy and AEAD. */
export type TlsProfile = 'modern' | 'intermediate';

/** Protocol versions that can be allowed. TLS 1.0 and 1.1 cannot (RFC 8996). */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** Options of {@link secureOptions}. */
export interface TlsPolicy {
  /** Default `intermediate`. */
  readonly profile?: TlsProfile;
  /** Default: TLSv1.2 for `intermediate`, TLSv1.3 for `modern`. */
  readonly minVersion?: TlsVersion;
  /** Default TLSv1.3. */
  readonly maxVersion?: TlsVersion;
  /**
   * Cipher suites by OpenSSL name, in the order of preference. Default: {@link STRONG_CIPHERS}.
   * Anything outside that list is refused.
   */
  readonly ciphers?: readonly string[];
  /** Key exchange groups. Default: {@link DEFAULT_GROUPS}, less those that this OpenSSL lacks. */
  readonly groups?: readonly string[];
  /**
   * Seconds that a session may be resumed. Default 86,400: no longer than a ticket key is kept for decryption.
   * Range 1 to 604,800 (RFC 8446 §4.6.1).
   */
  readonly sessionTimeout?: number;
}

/** TLS 1.3 suites in order of preference. */
export const TLS13_CIPHERS: readonly string[] = Object.freeze([
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
]);

/** TLS 1.2 suites in order of preference: AEAD and ECDHE only, ECDSA (a tenth of RSA's cost) first. */
export const TLS12_CIPHERS: readonly string[] = Object.freeze([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
]);

/** Every suite that may be used: forward secrecy and AEAD (RFC 9325 §4.2; none is on HTTP/2's list of RFC 9113 A). */
export const STRONG_CIPHERS: readonly string[] = Object.freeze([...TLS13_CIPHERS, ...TLS12_CIPHERS]);

/** Groups in order of preference. The first is hybrid: safe against the recording of today's traffic. */
export const DEFAULT_GROUPS: readonly string[] = Object.freeze([
  'X25519MLKEM768',
  'X25519',
  'P-256',
  'P-384',
]);

const ALLOWED_GROUPS: readonly string[] = Object.freeze([
  ...DEFAULT_GROUPS,
  'P-521',
  'X448',
  'SecP256r1MLKEM768',
  'SecP384r1MLKEM1024',
]);

/** What {@link secureOptions} gives: to be spread into the options of `tls.createServer`. */
export interface SecureOptions {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly ciphers: string;
  readonly honorCipherOrder: true;
  readonly ecdhCurve: string;
  readonly secureOptions: number;
  readonly sessionTimeout: number;
}

/**
 * Options of `tls.createServer` for a policy: versions, suites in the server's order, groups, neither renegotiation
 * (RFC 9325 §3.5) nor compression (§3.3).
 *
 * @throws TlsError `TLS_POLICY` for a weak or unknown suite, group or version; the message lists what is allowed.
 */
export function secureOptions(policy: TlsPolicy = {}): SecureOptions {
  const modern = policy.profile === 'modern';
  if (policy.profile !== undefined && !modern && policy.profile !== 'intermediate') {
    throw refused('profile', String(policy.profile), ['modern', 'intermediate']);
  }
  const minVersion = version('minVersion', policy.minVersion ?? (modern ? 'TLSv1.3' : 'TLSv1.2'));
  const maxVersion = version('maxVersion', policy.maxVersion ?? 'TLSv1.3');
  if (minVersion > maxVersion) {
    throw new TlsError('TLS_POLICY', `minVersion ${minVersion} is above maxVersion ${maxVersion}`);
  }
  if (modern && minVersion !== 'TLSv1.3')
    throw refused('minVersion of profile modern', minVersion, ['TLSv1.3']);
  const ciphers = policy.ciphers ?? STRONG_CIPHERS;
  checkCiphers(ciphers, minVersion, maxVersion);
  const sessionTimeout = policy.sessionTimeout ?? 86_400;
  if (!Number.isInteger(sessionTimeout) || sessionTimeout < 1 || sessionTimeout > 604_800) {
    throw new TlsError(
      'TLS_POLICY',
      `sessionTimeout ${sessionTimeout} is not a whole number of seconds from 1 to 604800`,
    );
  }
  return {
    minVersion,
    maxVersion,
    ciphers: ciphers.join(':'),
    honorCipherOrder: true,
    ecdhCurve: groups(policy.groups).join(':'),
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION |
      constants.SSL_OP_NO_COMPRESSION |
      constants.SSL_OP_CIPHER_SERVER_PREFERENCE |
      // Phones without AES instructions ask for ChaCha20 first, and get it.
      constants.SSL_OP_PRIORITIZE_CHACHA,
    sessionTimeout,
  };
}

function version(option: string, value: string): TlsVersion {
  if (value === 'TLSv1.2' || value === 'TLSv1.3') return value;
  throw refused(option, value, ['TLSv1.2', 'TLSv1.3']);
}

function checkCiphers(ciphers: readonly string[], minVersion: TlsVersion, maxVersion: TlsVersion): void {
  for (const cipher of ciphers)
    if (!STRONG_CIPHERS.includes(cipher)) throw refused('cipher', cipher, STRONG_CIPHERS);
  const has = (list: readonly string[]): boolean => ciphers.some((cipher) => list.includes(cipher));
  if (maxVersion === 'TLSv1.3' && !has(TLS13_CIPHERS)) {
    throw new TlsError(
      'TLS_POLICY',
      `ciphers has no suite for TLSv1.3; allowed: ${TLS13_CIPHERS.join(', ')}`,
    );
  }
  if (minVersion === 'TLSv1.2' && !has(TLS12_CIPHERS)) {
    throw new TlsError(
      'TLS_POLICY',
      `ciphers has no suite for TLSv1.2; allowed: ${TLS12_CIPHERS.join(', ')}`,
    );
  }
}

function groups(wanted: readonly string[] | undefined): readonly string[] {
  if (wanted === undefined) return DEFAULT_GROUPS.filter(groupExists);
  if (wanted.length === 0) throw new TlsError('TLS_POLICY', 'groups is empty');
  for (const group of wanted) {
    if (!ALLOWED_GROUPS.includes(group)) throw refused('group', group, ALLOWED_GROUPS);
    if (!groupExists(group))
      throw new TlsError('TLS_POLICY', `group ${group} is not in this OpenSSL (${process.versions.openssl})`);
  }
  return wanted;
}

const known: Map<string, boolean> = new Map();

/** Only OpenSSL can tell which groups it has: hybrid ones came with 3.5. */
function groupExists(group: string): boolean {
  let exists = known.get(group);
  if (exists === undefined) {
    exists = accepts(group);
    known.set(group, exists);
  }
  return exists;
}

function accepts(group: string): boolean {
  try {
    tls.createSecureContext({ ecdhCurve: group });
    return true;
  } catch {
    return false;
  }
}

function refused(what: string, value: string, allowed: readonly string[]): TlsError {
  return new TlsError(
    'TLS_POLICY',
    `${what} ${JSON.stringify(value)} is not allowed; allowed: ${allowed.join(', ')}`,
  );
}
