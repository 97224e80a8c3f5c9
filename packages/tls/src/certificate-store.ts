import type { Certificate } from './certificate.ts';
import { sameChoice } from './choose-certificate.ts';
import { TlsError } from './errors.ts';
import { normalizeCertificateName, normalizeServerName } from './names.ts';
import type { KeyType } from './x509-facts.ts';

/** Certificates to show for one name: at most one per kind of key. OpenSSL picks by what the client can verify. */
export interface CertificateChoice {
  readonly rsa: Certificate | undefined;
  readonly ecdsa: Certificate | undefined;
  readonly ed25519: Certificate | undefined;
}

/** Options of {@link CertificateStore}. */
export interface CertificateStoreOptions {
  /**
   * A name that the default certificate is found by: clients that send no name, or an unknown one, get it.
   * Default: the certificates that share the names of the first one given.
   */
  readonly defaultName?: string;
}

/** What {@link CertificateStore.select} found. */
export type Selection =
  | { readonly kind: 'exact' | 'wildcard' | 'default'; readonly choice: CertificateChoice }
  | { readonly kind: 'unknown' | 'expired'; readonly choice: undefined };

const UNKNOWN: Selection = { kind: 'unknown', choice: undefined };
const EXPIRED: Selection = { kind: 'expired', choice: undefined };

/**
 * An immutable index from server names to certificates. Look-up costs two Map reads, whatever the number of names:
 * the exact name, then the name with its first label replaced by `*` (one label, RFC 9525 §6.3).
 *
 * Several certificates may cover a name: one of each kind of key is used, and of one kind the one that is valid
 * now and lasts longest. A certificate that has expired is never chosen.
 */
export class CertificateStore {
  readonly certificates: readonly Certificate[];
  readonly #exact: Map<string, NameEntry> = new Map();
  readonly #wildcard: Map<string, NameEntry> = new Map();
  readonly #default: NameEntry | undefined;
  /** Name of the default certificate, given or taken from the first certificate; undefined in an empty store. */
  readonly defaultName: string | undefined;

  /** @throws TlsError `TLS_OPTION` if no certificate covers `defaultName`. */
  constructor(certificates: readonly Certificate[], options: CertificateStoreOptions = {}) {
    this.certificates = Object.freeze([...certificates]);
    for (const certificate of certificates) {
      for (const name of certificate.names) this.#entry(name).add(certificate);
    }
    this.defaultName = options.defaultName ?? this.certificates[0]?.names[0];
    this.#default = this.#defaultEntry(this.defaultName);
  }

  /** Number of distinct names, wildcards included. */
  get size(): number {
    return this.#exact.size + this.#wildcard.size;
  }

  /** Every name served, in no particular order. */
  names(): string[] {
    return [...this.#exact.keys(), ...[...this.#wildcard.keys()].map((suffix) => `*.${suffix}`)];
  }

  /**
   * Finds the certificates for a server name.
   *
   * @param serverName as the client sent it: any case, a final dot and non-ASCII letters are dealt with.
   * @param now wall-clock time in ms since the epoch.
   */
  select(serverName: string | undefined, now: number): Selection {
    if (serverName === undefined || serverName === '') return this.#fallBack(now);
    // Nearly all names come in normal form already, and a Map hit proves it.
    const name = this.#exact.has(serverName) ? serverName : normalizeServerName(serverName);
    if (name === undefined) return UNKNOWN;
    const exact = this.#exact.get(name)?.choose(now);
    if (exact !== undefined) return { kind: 'exact', choice: exact };
    const suffix = parentOf(name);
    const wildcard = this.#wildcard.get(suffix)?.choose(now);
    if (wildcard !== undefined) return { kind: 'wildcard', choice: wildcard };
    return this.#exact.has(name) || this.#wildcard.has(suffix) ? EXPIRED : UNKNOWN;
  }

  /** The certificates for clients that send no name or an unknown one. */
  selectDefault(now: number): Selection {
    return this.#fallBack(now);
  }

  /** Kinds of key that every name of the store has: see `TlsServerBinding` for why the default needs this. */
  everyNameHas(keyType: KeyType): boolean {
    for (const entry of this.#exact.values()) if (!entry.has(keyType)) return false;
    for (const entry of this.#wildcard.values()) if (!entry.has(keyType)) return false;
    return true;
  }

  /** Whether there is nothing to choose: every name has the certificates of the default name, one of a kind of key. */
  get hasOneChoice(): boolean {
    const one = this.#default?.only();
    if (one === undefined) return false;
    for (const entries of [this.#exact, this.#wildcard]) {
      for (const entry of entries.values()) if (!sameChoice(entry.only(), one)) return false;
    }
    return true;
  }

  toJSON(): { readonly names: number; readonly certificates: number } {
    return { names: this.size, certificates: this.certificates.length };
  }

  #entry(name: string): NameEntry {
    const wild = name.startsWith('*.');
    const index = wild ? this.#wildcard : this.#exact;
    const key = wild ? name.slice(2) : name;
    let entry = index.get(key);
    if (entry === undefined) {
      entry = new NameEntry();
      index.set(key, entry);
    }
    return entry;
  }

  #defaultEntry(defaultName: string | undefined): NameEntry | undefined {
    if (defaultName === undefined) return undefined;
    const name = normalizeCertificateName(defaultName) ?? '';
    const found = this.#exact.get(name) ?? this.#wildcard.get(parentOf(name));
    if (found === undefined) {
      throw new TlsError(
        'TLS_OPTION',
        `no certificate covers the default name ${JSON.stringify(defaultName)}`,
      );
    }
    return found;
  }

  #fallBack(now: number): Selection {
    if (this.#default === undefined) return UNKNOWN;
    const choice = this.#default.choose(now);
    return choice === undefined ? EXPIRED : { kind: 'default', choice };
  }
}

/** `b.c` of `a.b.c`; of `*.b.c` too. Empty where there is only one label. */
function parentOf(name: string): string {
  const dot = name.indexOf('.');
  return dot === -1 ? '' : name.slice(dot + 1);
}

/** The certificates of one name. */
class NameEntry {
  readonly #byType: Record<KeyType, Certificate[]> = { rsa: [], ecdsa: [], ed25519: [] };
  #choice: CertificateChoice | undefined = undefined;
  // Dates between which the choice stands: empty at first, so that the first look-up makes it.
  #choiceSince = Infinity;
  #choiceUntil = -Infinity;

  add(certificate: Certificate): void {
    this.#byType[certificate.info.keyType].push(certificate);
    this.#choiceSince = Infinity;
  }

  has(keyType: KeyType): boolean {
    return this.#byType[keyType].length > 0;
  }

  /** Its certificates, whatever the time; undefined if there are several of a kind of key. */
  only(): CertificateChoice | undefined {
    const { rsa, ecdsa, ed25519 } = this.#byType;
    if (rsa.length > 1 || ecdsa.length > 1 || ed25519.length > 1) return undefined;
    return { rsa: rsa[0], ecdsa: ecdsa[0], ed25519: ed25519[0] };
  }

  /** The choice is kept until a date changes it, so that a handshake costs one comparison. */
  choose(now: number): CertificateChoice | undefined {
    if (now < this.#choiceSince || now >= this.#choiceUntil) this.#refresh(now);
    return this.#choice;
  }

  #refresh(now: number): void {
    const rsa = pick(this.#byType.rsa, now);
    const ecdsa = pick(this.#byType.ecdsa, now);
    const ed25519 = pick(this.#byType.ed25519, now);
    const none = rsa === undefined && ecdsa === undefined && ed25519 === undefined;
    this.#choice = none ? undefined : { rsa, ecdsa, ed25519 };
    let until = Infinity;
    for (const list of [this.#byType.rsa, this.#byType.ecdsa, this.#byType.ed25519]) {
      for (const { notBefore, notAfter } of list) {
        if (notBefore > now && notBefore < until) until = notBefore;
        if (notAfter >= now && notAfter < until) until = notAfter + 1;
      }
    }
    this.#choiceSince = now;
    this.#choiceUntil = until;
  }
}

/**
 * The longest-lived certificate that is valid now; failing that one that is not valid yet; never an expired one. The
 * list is in no order: thousands of certificates may share a name, and sorting them with each one would take seconds.
 */
function pick(list: readonly Certificate[], now: number): Certificate | undefined {
  let best: Certificate | undefined;
  for (const certificate of list) {
    if (certificate.isExpired(now)) continue;
    if (best === undefined || beats(certificate, best, now)) best = certificate;
  }
  return best;
}

function beats(one: Certificate, other: Certificate, now: number): boolean {
  const isValid = one.notBefore <= now;
  if (isValid !== other.notBefore <= now) return isValid;
  return one.notAfter > other.notAfter;
}
