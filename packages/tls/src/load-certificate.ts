import { X509Certificate } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { Certificate, type CertificateInfo } from './certificate.ts';
import {
  Findings,
  type ParsedCertificate,
  certificateNames,
  checkChain,
  checkCommon,
  checkLeaf,
  commonName,
} from './certificate-checks.ts';
import { CertificateError, type CertificateProblem } from './errors.ts';
import { type PemBlock, isEncryptedKey, isKeyBlock, isPem, pemBlocks, pemBytes } from './pem.ts';
import { openKey } from './private-key.ts';
import { x509Facts } from './x509-facts.ts';

/** Where a certificate and its key are: paths of PEM files, or PEM text itself. */
export interface CertificateSource {
  /** Chain in PEM, leaf first, without the root. */
  readonly cert: string;
  /** Private key in PEM: PKCS#8 (plain or encrypted), PKCS#1 or SEC 1. */
  readonly key: string;
  /** Of an encrypted key. */
  readonly passphrase?: string;
}

/** Options of {@link loadCertificate}. */
export interface LoadOptions {
  /** Wall-clock time in ms since the epoch that dates are compared with. Default: `Date.now`. */
  readonly now?: () => number;
}

/** What {@link loadCertificates} found: what can be served, and everything that is wrong. */
export interface LoadedCertificates {
  readonly certificates: readonly Certificate[];
  /** One for each source, in their order; undefined where it cannot be served. */
  readonly perSource: readonly (Certificate | undefined)[];
  /** Errors (their certificate is left out) and warnings, in the order of the sources. */
  readonly problems: readonly CertificateProblem[];
}

/** Remembers what many certificates share, for the time of one load. */
class LoadSession {
  readonly issuers: Map<string, ParsedCertificate> = new Map();
  readonly verified: Set<string> = new Set();
}

/**
 * Reads and checks one certificate. Synchronous: it runs at start-up and on reloads, off the request path.
 *
 * @throws CertificateError that names the file and every reason; it never contains key material.
 */
export function loadCertificate(source: CertificateSource, options: LoadOptions = {}): Certificate {
  const outcome = load(source, (options.now ?? Date.now)(), new LoadSession());
  if (outcome.certificate === undefined) throw new CertificateError(outcome.problems);
  return outcome.certificate;
}

/** Loads many; a broken one is reported and left out, the rest still serve. Never throws for a bad file. */
export function loadCertificates(
  sources: readonly CertificateSource[],
  options: LoadOptions = {},
): LoadedCertificates {
  const now = (options.now ?? Date.now)();
  const session = new LoadSession();
  const perSource: (Certificate | undefined)[] = [];
  const problems: CertificateProblem[] = [];
  for (const source of sources) {
    const outcome = load(source, now, session);
    perSource.push(outcome.certificate);
    problems.push(...outcome.problems);
  }
  return { certificates: perSource.filter((one) => one !== undefined), perSource, problems };
}

interface LoadOutcome {
  readonly certificate: Certificate | undefined;
  readonly problems: readonly CertificateProblem[];
}

function load(source: CertificateSource, now: number, session: LoadSession): LoadOutcome {
  const findings = new Findings();
  const certificate = build(source, now, session, findings);
  return { certificate: findings.failed ? undefined : certificate, problems: findings.problems };
}

function build(
  source: CertificateSource,
  now: number,
  session: LoadSession,
  findings: Findings,
): Certificate | undefined {
  const certFile = isPem(source.cert) ? '(inline certificate)' : source.cert;
  const keyFile = isPem(source.key) ? '(inline key)' : source.key;
  const certText = readPem(source.cert, certFile, false, findings);
  const keyText = readPem(source.key, keyFile, true, findings);
  if (certText === undefined || keyText === undefined) return undefined;
  const chain = parseChain(certText, certFile, session, findings);
  const keyBlock = findKey(keyText, keyFile, findings);
  const leaf = chain?.[0];
  if (chain === undefined || keyBlock === undefined || leaf === undefined) return undefined;

  checkLeaf(leaf, certFile, findings);
  chain.forEach((certificate, index) => checkCommon(certificate, index + 1, certFile, now, findings));
  checkChain(chain, certFile, findings, session.verified);
  const names = certificateNames(leaf, certFile, findings);
  const key = checkKey(keyBlock, keyFile, chain, certFile, source.passphrase, findings);
  const { type, bits } = leaf.facts.publicKey;
  if (key === undefined || type === undefined) return undefined;

  const info: CertificateInfo = Object.freeze({
    file: certFile,
    names: Object.freeze(names),
    subject: commonName(leaf.x509.subject),
    issuer: commonName(leaf.x509.issuer),
    serialNumber: leaf.x509.serialNumber,
    notBefore: leaf.x509.validFromDate.getTime(),
    // A chain is only as good as the first of its certificates to expire.
    notAfter: Math.min(...chain.map(({ x509 }) => x509.validToDate.getTime())),
    fingerprint: leaf.x509.fingerprint256,
    keyType: type,
    keyBits: bits,
    chainLength: chain.length,
  });
  const material = { chain: certText, key };
  return new Certificate(info, () => material, [...findings.problems]);
}

function readPem(value: string, file: string, isKey: boolean, findings: Findings): string | undefined {
  if (isPem(value)) return value;
  try {
    // One descriptor for both looks: what is checked is what is read.
    const descriptor = openSync(file, 'r');
    try {
      if (isKey) checkMode(fstatSync(descriptor).mode, file, findings);
      return readFileSync(descriptor, 'latin1');
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    findings.add('error', 'TLS_FILE_UNREADABLE', file, `cannot be read: ${code}`);
    return undefined;
  }
}

function checkMode(mode: number, file: string, findings: Findings): void {
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  findings.add(
    'warning',
    'TLS_KEY_FILE_MODE',
    file,
    `key file has mode ${octal}: others than its owner can reach it`,
  );
}

function parseChain(
  text: string,
  file: string,
  session: LoadSession,
  findings: Findings,
): ParsedCertificate[] | undefined {
  const blocks = pemBlocks(text).filter(
    ({ label }) => label === 'CERTIFICATE' || label === 'X509 CERTIFICATE',
  );
  if (blocks.length === 0) {
    const empty = text.trim() === '';
    if (empty) findings.add('error', 'TLS_FILE_EMPTY', file, 'is empty');
    else findings.add('error', 'TLS_CERT_UNPARSABLE', file, 'holds no complete PEM certificate');
    return undefined;
  }
  const chain: ParsedCertificate[] = [];
  for (const [index, block] of blocks.entries()) {
    const parsed = (index > 0 ? session.issuers.get(block.body) : undefined) ?? parseOne(block);
    if (parsed === undefined) {
      findings.add('error', 'TLS_CERT_UNPARSABLE', file, `certificate ${index + 1} is not readable`);
      return undefined;
    }
    if (index > 0) session.issuers.set(block.body, parsed);
    chain.push(parsed);
  }
  return chain;
}

function parseOne(block: PemBlock): ParsedCertificate | undefined {
  try {
    const der = pemBytes(block);
    return { x509: new X509Certificate(der), facts: x509Facts(der) };
  } catch {
    // Whatever OpenSSL or the DER reader says about it, the caller reports it by file and position.
    return undefined;
  }
}

function findKey(text: string, file: string, findings: Findings): PemBlock | undefined {
  const block = pemBlocks(text).find(isKeyBlock);
  if (block !== undefined) return block;
  // An RFC 1421 header line has a dash in it (`DEK-Info`), which the quick pattern does not span.
  const legacy = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----([\s\S]*?)-----END \1-----/.exec(text);
  if (legacy !== null) return { label: legacy[1] ?? '', text: legacy[0], body: legacy[2] ?? '' };
  if (text.trim() === '') findings.add('error', 'TLS_FILE_EMPTY', file, 'is empty');
  else findings.add('error', 'TLS_KEY_UNPARSABLE', file, 'holds no complete PEM private key');
  return undefined;
}

function checkKey(
  block: PemBlock,
  keyFile: string,
  chain: readonly ParsedCertificate[],
  certFile: string,
  passphrase: string | undefined,
  findings: Findings,
): string | undefined {
  const leaf = chain[0];
  if (leaf === undefined) return undefined;
  const opened = openKey(block, leaf.x509, passphrase);
  if (opened.kind === 'needsPassphrase') {
    findings.add('error', 'TLS_KEY_ENCRYPTED', keyFile, 'key is encrypted and no passphrase is given');
    return undefined;
  }
  if (opened.kind === 'unreadable') {
    const code = isEncryptedKey(block) ? 'TLS_KEY_ENCRYPTED' : 'TLS_KEY_UNPARSABLE';
    findings.add('error', code, keyFile, `key ${opened.reason}`);
    return undefined;
  }
  if (opened.matches) return opened.pem;
  const owner = chain.findIndex((other, index) => index > 0 && belongsTo(opened.pem, other));
  if (owner > 0) {
    const reason = `the key belongs to certificate ${owner + 1} of the file: the server's certificate must come first`;
    findings.add('error', 'TLS_CHAIN_LEAF_NOT_FIRST', certFile, reason);
  } else {
    findings.add(
      'error',
      'TLS_KEY_MISMATCH',
      keyFile,
      `key does not belong to the certificate in ${certFile}`,
    );
  }
  return undefined;
}

function belongsTo(keyPem: string, certificate: ParsedCertificate): boolean {
  const block = pemBlocks(keyPem)[0];
  if (block === undefined) return false;
  const opened = openKey(block, certificate.x509, undefined);
  return opened.kind === 'ok' && opened.matches;
}
