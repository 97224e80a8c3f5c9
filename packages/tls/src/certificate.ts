import tls from 'node:tls';
import type { CertificateProblem } from './errors.ts';
import type { KeyType } from './x509-facts.ts';

/** The public facts of a certificate: safe to log, to send and to print. */
export interface CertificateInfo {
  /** Where the certificate came from: path, or `(inline certificate)`. */
  readonly file: string;
  /** Names it is served for: host names, `*.` names and IP addresses, normalised. */
  readonly names: readonly string[];
  /** Subject's common name, for people. */
  readonly subject: string;
  readonly issuer: string;
  readonly serialNumber: string;
  /** Validity in milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the leaf, hex pairs with colons. */
  readonly fingerprint: string;
  readonly keyType: KeyType;
  readonly keyBits: number;
  /** Certificates in the chain, leaf included. */
  readonly chainLength: number;
}

/** The secret and bulky half of a certificate. */
export interface CertificateMaterial {
  /** PEM chain, leaf first. */
  readonly chain: string;
  /** PEM private key, never encrypted. */
  readonly key: string;
}

/** Hands out the material on demand: workers decode it from shared memory only for names that are asked for. */
export type MaterialSource = () => CertificateMaterial;

/**
 * A certificate that passed its checks. Immutable. Its key is reachable only through {@link Certificate.material},
 * so that printing, logging or JSON-encoding the object (or anything that holds it) can never show it.
 */
export class Certificate {
  readonly info: CertificateInfo;
  /** What is not right but did not keep it from being served. */
  readonly warnings: readonly CertificateProblem[];
  readonly #source: MaterialSource;
  #context: tls.SecureContext | undefined;
  #contextAuthorities: string | undefined;

  constructor(info: CertificateInfo, source: MaterialSource, warnings: readonly CertificateProblem[] = []) {
    this.info = info;
    this.warnings = warnings;
    this.#source = source;
    this.#context = undefined;
    this.#contextAuthorities = undefined;
  }

  get names(): readonly string[] {
    return this.info.names;
  }

  get notBefore(): number {
    return this.info.notBefore;
  }

  get notAfter(): number {
    return this.info.notAfter;
  }

  get fingerprint(): string {
    return this.info.fingerprint;
  }

  /** Whether it may be shown at wall-clock time `now` (ms since the epoch). The last second still counts. */
  isExpired(now: number): boolean {
    return now > this.info.notAfter;
  }

  /** Whether the other one is served with the same chain and key: reloading the same files changes nothing. */
  sameAs(other: Certificate | undefined): boolean {
    if (other === undefined || other.fingerprint !== this.fingerprint) return false;
    const mine = this.#source();
    const theirs = other.material();
    return mine.chain === theirs.chain && mine.key === theirs.key;
  }

  /** PEM chain and key. Secret: hand it to `node:tls` or to a worker thread, to nothing else. */
  material(): CertificateMaterial {
    return this.#source();
  }

  /**
   * The context for `SNICallback`, built on first use (0.7 ms) and kept.
   *
   * @param authorities PEM of the CAs that may sign client certificates. It must be the listener's: Node verifies
   * client certificates against the store of the context that SNI selected, and a context without `ca` would
   * accept a client certificate from any public CA.
   */
  secureContext(authorities?: string): tls.SecureContext {
    if (this.#context !== undefined && this.#contextAuthorities === authorities) return this.#context;
    const { chain, key } = this.#source();
    const options: tls.SecureContextOptions = { cert: chain, key };
    if (authorities !== undefined) options.ca = authorities;
    this.#context = tls.createSecureContext(options);
    this.#contextAuthorities = authorities;
    return this.#context;
  }

  toJSON(): CertificateInfo {
    return this.info;
  }
}
