import type { X509Certificate } from 'node:crypto';
import { weakSignature } from './der.ts';
import type { CertificateProblem, CertificateProblemCode, Severity } from './errors.ts';
import { normalizeCertificateName } from './names.ts';
import type { X509Facts } from './x509-facts.ts';

/** Signatures that are checked whatever else is known, in one load. */
const MAX_SIGNATURES = 1_000;

/** A parsed certificate with the facts that its DER gave. */
export interface ParsedCertificate {
  readonly x509: X509Certificate;
  readonly facts: X509Facts;
}

/** Collects the problems of one file. */
export class Findings {
  readonly problems: CertificateProblem[] = [];

  add(severity: Severity, code: CertificateProblemCode, file: string, reason: string): void {
    this.problems.push({ code, severity, file, reason });
  }

  get failed(): boolean {
    return this.problems.some((problem) => problem.severity === 'error');
  }
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ANY_PURPOSE = '2.5.29.37.0';
const DIGITAL_SIGNATURE = 0x80;
const MIN_RSA_BITS = 2048;

/** Common name of a subject or issuer, or the whole name on one line where it has none. */
export function commonName(distinguishedName: string | undefined): string {
  if (distinguishedName === undefined) return '';
  const match = /(?:^|\n)CN=(.*)/.exec(distinguishedName);
  return match?.[1] ?? distinguishedName.replaceAll('\n', ', ');
}

/** What must hold for the certificate that the server shows as its own. */
export function checkLeaf(leaf: ParsedCertificate, file: string, findings: Findings): void {
  const { type, bits } = leaf.facts.publicKey;
  if (type === undefined) {
    findings.add('error', 'TLS_KEY_TYPE', file, 'key is not RSA, ECDSA on P-256, P-384 or P-521, or Ed25519');
  } else if (type === 'rsa' && bits < MIN_RSA_BITS) {
    findings.add(
      'error',
      'TLS_KEY_TOO_SMALL',
      file,
      `RSA key has ${bits} bits, at least ${MIN_RSA_BITS} are needed`,
    );
  }
  const usage = leaf.facts.keyUsage;
  // RFC 8446 §4.4.2.2: the key must be allowed to sign; so must it for every ECDHE suite of TLS 1.2.
  if (usage !== undefined && (usage & DIGITAL_SIGNATURE) === 0) {
    findings.add('error', 'TLS_KEY_USAGE', file, 'key usage does not include digitalSignature');
  }
  // Node calls the extended key usage `keyUsage`; its type is string[] or undefined.
  const purposes = leaf.x509.keyUsage as readonly string[] | undefined;
  if (purposes !== undefined && !purposes.includes(SERVER_AUTH) && !purposes.includes(ANY_PURPOSE)) {
    findings.add('error', 'TLS_EXTENDED_KEY_USAGE', file, 'extended key usage does not include serverAuth');
  }
  if (leaf.x509.ca) findings.add('warning', 'TLS_LEAF_IS_CA', file, 'server certificate is a CA certificate');
}

/** Dates and signature: for the leaf and for every intermediate. `position` counts from 1. */
export function checkCommon(
  certificate: ParsedCertificate,
  position: number,
  file: string,
  now: number,
  findings: Findings,
): void {
  const label = `certificate ${position} (${commonName(certificate.x509.subject)})`;
  const { validFromDate, validToDate } = certificate.x509;
  if (validToDate.getTime() < now) {
    findings.add('error', 'TLS_EXPIRED', file, `${label} expired on ${validToDate.toISOString()}`);
  } else if (validFromDate.getTime() > now) {
    findings.add(
      'warning',
      'TLS_NOT_YET_VALID',
      file,
      `${label} is not valid before ${validFromDate.toISOString()}`,
    );
  }
  const weak = weakSignature(certificate.facts.signatureOid);
  // Nobody checks the signature of a root.
  if (weak !== undefined && certificate.x509.subject !== certificate.x509.issuer) {
    findings.add('error', 'TLS_WEAK_SIGNATURE', file, `${label} is signed with ${weak}`);
  }
}

/**
 * Each certificate must be issued by the next (RFC 8446 §4.4.2 lets clients insist on the order, older ones do).
 *
 * @param verified remembers pairs that were checked: the same intermediates stand in thousands of files. Signatures
 * cost more than everything else together: of thousands, only the first are looked at where identifiers tell that the
 * next certificate has the key that signed.
 */
export function checkChain(
  chain: readonly ParsedCertificate[],
  file: string,
  findings: Findings,
  verified: Set<string>,
): void {
  for (let i = 0; i + 1 < chain.length; i += 1) {
    const child = chain[i]?.x509;
    const parent = chain[i + 1]?.x509;
    if (child === undefined || parent === undefined) return;
    const pair = `${child.fingerprint256}${parent.fingerprint256}`;
    if (verified.has(pair)) continue;
    const parentLabel = `certificate ${i + 2} (${commonName(parent.subject)})`;
    const told = chain[i]?.facts.issuerKeyId ?? '';
    const spared = verified.size >= MAX_SIGNATURES && told !== '' && told === chain[i + 1]?.facts.keyId;
    if (!child.checkIssued(parent) || (!spared && !child.verify(parent.publicKey))) {
      const reason = `${parentLabel} did not issue certificate ${i + 1} (${commonName(child.subject)})`;
      findings.add('error', 'TLS_CHAIN_ORDER', file, reason);
      return;
    }
    if (!parent.ca) findings.add('error', 'TLS_CHAIN_NOT_CA', file, `${parentLabel} is not a CA certificate`);
    else verified.add(pair);
  }
  const last = chain.at(-1)?.x509;
  if (last === undefined) return;
  const selfIssued = last.subject === last.issuer;
  if (chain.length === 1 && !selfIssued) {
    const reason = `no intermediate certificate after ${commonName(last.subject)}: clients need the one of ${commonName(last.issuer)} unless it is a root`;
    findings.add('warning', 'TLS_CHAIN_LEAF_ONLY', file, reason);
  }
  if (chain.length > 1 && selfIssued) {
    const reason = `certificate ${chain.length} (${commonName(last.subject)}) is a root: clients have it, it only costs bytes`;
    findings.add('warning', 'TLS_CHAIN_HAS_ROOT', file, reason);
  }
}

/**
 * Names to serve the certificate for: the subject alternative names; the common name only where there are none
 * (RFC 9525 §2 dropped it, and current clients ignore it, hence the warning).
 */
export function certificateNames(leaf: ParsedCertificate, file: string, findings: Findings): string[] {
  const names = new Set<string>();
  const { dnsNames, ipAddresses } = leaf.facts;
  let given: readonly string[] = [...dnsNames, ...ipAddresses];
  if (given.length === 0) {
    const name = commonName(leaf.x509.subject);
    if (normalizeCertificateName(name) !== undefined) {
      findings.add(
        'warning',
        'TLS_NAME_FROM_CN',
        file,
        `no subject alternative name; common name ${name} is used`,
      );
      given = [name];
    }
  }
  for (const name of given) {
    const normal = normalizeCertificateName(name);
    if (normal !== undefined) names.add(normal);
    else findings.add('warning', 'TLS_NAME_UNUSABLE', file, `name ${JSON.stringify(name)} can match no host`);
  }
  if (names.size === 0) findings.add('error', 'TLS_NO_NAMES', file, 'certificate names no host');
  return [...names];
}
