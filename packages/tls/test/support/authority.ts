import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Keys that certificates are made with. The last three are there to be refused. */
export type TestKey = 'rsa' | 'ec' | 'p384' | 'ed25519' | 'rsa1024' | 'secp256k1' | 'ed448';

export interface IssueOptions {
  /** Subject alternative names in openssl's words; default `DNS:` and the common name; null: no extension. */
  readonly san?: string | null;
  readonly key?: TestKey;
  /** Default: the intermediate. */
  readonly issuer?: 'self' | 'root' | 'intermediate' | Issued;
  readonly keyUsage?: string;
  readonly extendedKeyUsage?: string;
  readonly ca?: boolean;
  readonly digest?: 'sha256' | 'sha1' | 'md5';
  readonly days?: number;
  /** Without key identifiers: then only names and signatures tell who issued it. */
  readonly bare?: boolean;
  /** A subject in openssl's form instead of the common name alone. */
  readonly subject?: string;
}

/** A certificate with its key, as files and as text. */
export interface Issued {
  /** File of the chain: leaf and intermediate. */
  readonly cert: string;
  readonly key: string;
  readonly leafPem: string;
  readonly chainPem: string;
  readonly keyPem: string;
}

const KEY_ARGUMENTS: Record<TestKey, string[]> = {
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  rsa1024: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  ec: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  secp256k1: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  ed25519: ['-algorithm', 'ED25519'],
  ed448: ['-algorithm', 'ED448'],
};

export function openssl(...argv: string[]): string {
  return execFileSync('openssl', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A certificate authority of its own for one test file, in a temporary folder. */
export class Authority {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'rp-tls-'));
  readonly rootPem: string;
  readonly intermediatePem: string;
  #count = 0;

  constructor() {
    this.newKey('root', 'ec');
    const root = this.path('root.pem');
    openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      this.path('root.key'),
      '-out',
      root,
      '-days',
      '3650',
      '-subj',
      '/CN=Test Root',
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign',
    );
    this.rootPem = readFileSync(root, 'utf8');
    this.newKey('intermediate', 'ec');
    this.sign('intermediate', {
      issuer: 'root',
      ca: true,
      san: null,
      days: 3000,
      subject: '/CN=Test Intermediate',
    });
    this.intermediatePem = readFileSync(this.path('intermediate.pem'), 'utf8');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string, mode = 0o600): string {
    writeFileSync(this.path(name), text, { mode });
    return this.path(name);
  }

  issue(commonName: string, options: IssueOptions = {}): Issued {
    const id = `c${(this.#count += 1)}`;
    this.newKey(id, options.key ?? 'ec');
    const san = options.san === undefined ? `DNS:${commonName}` : options.san;
    this.sign(id, { ...options, san, subject: options.subject ?? `/CN=${commonName}` });
    const leafPem = readFileSync(this.path(`${id}.pem`), 'utf8');
    const signer = options.issuer ?? 'intermediate';
    const chainPem = signer === 'intermediate' ? leafPem + this.intermediatePem : leafPem;
    const cert = this.write(`${id}-chain.pem`, chainPem);
    return {
      cert,
      key: this.path(`${id}.key`),
      leafPem,
      chainPem,
      keyPem: readFileSync(this.path(`${id}.key`), 'utf8'),
    };
  }

  newKey(id: string, kind: TestKey): void {
    openssl('genpkey', ...KEY_ARGUMENTS[kind], '-out', this.path(`${id}.key`));
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private sign(id: string, options: IssueOptions): void {
    const issuer = options.issuer ?? 'intermediate';
    const lines = [`basicConstraints=critical,CA:${options.ca === true ? 'TRUE' : 'FALSE'}`];
    if (options.san !== null && options.san !== undefined) lines.push(`subjectAltName=${options.san}`);
    if (options.keyUsage !== undefined) lines.push(`keyUsage=critical,${options.keyUsage}`);
    else if (options.ca === true) lines.push('keyUsage=critical,keyCertSign,cRLSign');
    if (options.extendedKeyUsage !== undefined) lines.push(`extendedKeyUsage=${options.extendedKeyUsage}`);
    if (options.bare === true) lines.push('subjectKeyIdentifier=none', 'authorityKeyIdentifier=none');
    const extensions = this.write(`${id}.ext`, `${lines.join('\n')}\n`);
    const request = this.path(`${id}.csr`);
    openssl(
      'req',
      '-new',
      '-utf8',
      '-key',
      this.path(`${id}.key`),
      '-out',
      request,
      '-subj',
      options.subject ?? `/CN=${id}`,
    );
    const by = this.signer(issuer, id);
    const digest = options.digest === undefined ? [] : [`-${options.digest}`];
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      ...by,
      '-extfile',
      extensions,
      '-days',
      String(options.days ?? 90),
      ...digest,
      '-out',
      this.path(`${id}.pem`),
    );
  }

  private signer(issuer: NonNullable<IssueOptions['issuer']>, id: string): string[] {
    if (issuer === 'self') return ['-signkey', this.path(`${id}.key`)];
    if (typeof issuer === 'object') return ['-CA', issuer.cert, '-CAkey', issuer.key, '-CAcreateserial'];
    return ['-CA', this.path(`${issuer}.pem`), '-CAkey', this.path(`${issuer}.key`), '-CAcreateserial'];
  }
}

/** Time in ms that is `days` from now: certificates are made with real dates, clocks in tests are injected. */
export function inDays(days: number): number {
  return Date.now() + days * 86_400_000;
}
