import type { Certificate } from './certificate.ts';
import type { CertificateChoice, CertificateStore } from './certificate-store.ts';
import { TlsError } from './errors.ts';

/** Hash that TLS 1.3 ties to each curve (RFC 8446 §4.2.3). */
const HASH_OF_CURVE: ReadonlyMap<number, string> = new Map([
  [256, 'SHA256'],
  [384, 'SHA384'],
  [521, 'SHA512'],
]);

/**
 * Picks from the certificates of a name one that a client can verify. OpenSSL would do that by itself for a context
 * with several certificates, but Node takes one certificate only out of a context that SNICallback gives.
 *
 * TLS 1.3: ECDSA first, because its signature costs a tenth of RSA's. TLS 1.2: RSA first, because there the suites
 * decide as well, Node does not tell which of them a client offers, and clients without RSA suites are the rarest.
 *
 * @param algorithms signature algorithms that client and server share, as `TLSSocket#getSharedSigalgs` names them.
 * @param version protocol of the handshake, as `TLSSocket#getProtocol` names it.
 */
export function chooseCertificate(
  choice: CertificateChoice,
  algorithms: readonly string[],
  version: string | null,
): Certificate | undefined {
  const { ecdsa, ed25519, rsa } = choice;
  const shares = (start: string): boolean => algorithms.some((algorithm) => algorithm.startsWith(start));
  if (version === 'TLSv1.2' && rsa !== undefined && shares('RSA')) return rsa;
  if (ecdsa !== undefined) {
    const hash = version === 'TLSv1.2' ? '' : (HASH_OF_CURVE.get(ecdsa.info.keyBits) ?? '');
    if (shares(`ECDSA+${hash}`)) return ecdsa;
  }
  if (rsa !== undefined && shares('RSA')) return rsa;
  if (ed25519 !== undefined && shares('Ed25519')) return ed25519;
  return ecdsa ?? rsa ?? ed25519;
}

/** Whether two choices are the same certificates. */
export function sameChoice(a: CertificateChoice | undefined, b: CertificateChoice | undefined): boolean {
  return a?.rsa === b?.rsa && a?.ecdsa === b?.ecdsa && a?.ed25519 === b?.ed25519;
}

/** The certificate of a name that has one kind of key only; undefined if there are several kinds. */
export function onlyCertificate(choice: CertificateChoice): Certificate | undefined {
  const { ecdsa, ed25519, rsa } = choice;
  if (ecdsa === undefined) return rsa === undefined ? ed25519 : ed25519 === undefined ? rsa : undefined;
  return rsa === undefined && ed25519 === undefined ? ecdsa : undefined;
}

/**
 * What goes into the server's own context.
 *
 * Before Node 26 a context from SNICallback replaced only the default certificate of the same kind of key
 * (nodejs/node#54235): an ECDSA default answered for every name that has only RSA, with the wrong name. There, a kind
 * of key that clients prefer goes into the default only if every name has it.
 *
 * @param slotsStay whether this Node has that fault.
 * @throws TlsError `TLS_DEFAULT_KEY_TYPE` if that leaves no default certificate.
 */
export function defaultChoice(
  store: CertificateStore,
  now: number,
  slotsStay: boolean,
): CertificateChoice | undefined {
  const { choice } = store.selectDefault(now);
  if (choice === undefined || !slotsStay) return choice;
  const ecdsa = store.everyNameHas('ecdsa') ? choice.ecdsa : undefined;
  const ed25519 = store.everyNameHas('ed25519') ? choice.ed25519 : undefined;
  if (choice.rsa !== undefined || ecdsa !== undefined || ed25519 !== undefined)
    return { rsa: choice.rsa, ecdsa, ed25519 };
  const name = JSON.stringify(store.defaultName);
  const reason = `with this Node the default certificate (${name}) must be RSA, or every name needs its kind of key too`;
  throw new TlsError('TLS_DEFAULT_KEY_TYPE', reason);
}

/** Whether this Node has the fault described at {@link defaultChoice}. */
export const SLOTS_STAY: boolean = Number.parseInt(process.versions.node, 10) < 26;
