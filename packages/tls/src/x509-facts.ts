import { DerReader, Oid, Tag, oidHex } from './der.ts';

/** Kinds of key a server certificate may have; each is one slot of an OpenSSL context. */
export type KeyType = 'rsa' | 'ecdsa' | 'ed25519';

/** What `crypto.X509Certificate` does not tell, or tells only as text that must be parsed again. */
export interface X509Facts {
  /** OID of the signature as hex. */
  readonly signatureOid: string;
  /** Bit 0 (most significant) is digitalSignature (RFC 5280 §4.2.1.3); undefined if the extension is absent. */
  readonly keyUsage: number | undefined;
  /** dNSName entries as they stand. */
  readonly dnsNames: readonly string[];
  /** iPAddress entries as text. */
  readonly ipAddresses: readonly string[];
  readonly publicKey: PublicKeyFacts;
  /** Identifiers of the own key and of the issuer's (RFC 5280 §4.2.1.1, §4.2.1.2) as hex, '' where there are none. */
  readonly keyId: string;
  readonly issuerKeyId: string;
}

/** The kind and size of the subject's public key. */
export interface PublicKeyFacts {
  /** undefined: a kind of key that no server certificate should have. */
  readonly type: KeyType | undefined;
  /** Bits of the modulus, or of the curve. 0 if unknown. */
  readonly bits: number;
}

/** Reads the facts out of a certificate's DER (RFC 5280 §4.1). */
export function x509Facts(der: Uint8Array): X509Facts {
  const tbs = new DerReader(der).expect(Tag.sequence).inner().expect(Tag.sequence).inner();
  tbs.next();
  if (tbs.tag === Tag.context0) tbs.expect(Tag.integer); // version, then serial number
  const signatureOid = oidHex(tbs.expect(Tag.sequence).inner().expect(Tag.oid).content());
  tbs.expect(Tag.sequence).expect(Tag.sequence).expect(Tag.sequence); // issuer, validity, subject
  const publicKey = publicKeyFacts(tbs.expect(Tag.sequence).inner());
  let keyUsage: number | undefined;
  const dnsNames: string[] = [];
  const ipAddresses: string[] = [];
  let keyId = '';
  let issuerKeyId = '';
  while (tbs.next()) {
    if (tbs.tag !== Tag.context3) continue;
    const extensions = tbs.inner().expect(Tag.sequence).inner();
    while (extensions.next()) {
      const extension = extensions.inner();
      const oid = oidHex(extension.expect(Tag.oid).content());
      if (!wanted.has(oid)) continue;
      extension.next();
      if (extension.tag === Tag.boolean) extension.expect(Tag.octetString);
      if (oid === Oid.subjectKeyIdentifier) keyId = hex(extension.inner().expect(Tag.octetString).content());
      else if (oid === Oid.authorityKeyIdentifier)
        issuerKeyId = issuerKey(extension.inner().expect(Tag.sequence).inner());
      else if (oid === Oid.keyUsage) keyUsage = extension.inner().expect(Tag.bitString).content()[1] ?? 0;
      else readNames(extension.inner().expect(Tag.sequence).inner(), dnsNames, ipAddresses);
    }
  }
  return { signatureOid, keyUsage, dnsNames, ipAddresses, publicKey, keyId, issuerKeyId };
}

const wanted: ReadonlySet<string> = new Set([
  Oid.keyUsage,
  Oid.subjectAltName,
  Oid.subjectKeyIdentifier,
  Oid.authorityKeyIdentifier,
]);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The identifier comes first, if there is one. */
function issuerKey(identifier: DerReader): string {
  return identifier.next() && identifier.tag === Tag.keyIdentifier ? hex(identifier.content()) : '';
}

function readNames(names: DerReader, dnsNames: string[], ipAddresses: string[]): void {
  while (names.next()) {
    const content = names.content();
    if (names.tag === Tag.dnsName) dnsNames.push(Buffer.from(content).toString('latin1'));
    if (names.tag === Tag.ipAddress) ipAddresses.push(ipText(content));
  }
}

function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16));
  }
  return groups.join(':');
}

const CURVE_BITS: ReadonlyMap<string, number> = new Map([
  [Oid.p256, 256],
  [Oid.p384, 384],
  [Oid.p521, 521],
]);

/** Reads a SubjectPublicKeyInfo's content (RFC 5280 §4.1.2.7). */
function publicKeyFacts(spki: DerReader): PublicKeyFacts {
  const algorithm = spki.expect(Tag.sequence).inner();
  const oid = oidHex(algorithm.expect(Tag.oid).content());
  spki.expect(Tag.bitString);
  if (oid === Oid.rsaEncryption) {
    // The first byte of a BIT STRING counts unused bits: always 0 here.
    const modulus = spki.inner(1).expect(Tag.sequence).inner().expect(Tag.integer).content();
    return { type: 'rsa', bits: bitLength(modulus) };
  }
  if (oid === Oid.ecPublicKey) {
    algorithm.next();
    const bits = algorithm.tag === Tag.oid ? CURVE_BITS.get(oidHex(algorithm.content())) : undefined;
    return { type: bits === undefined ? undefined : 'ecdsa', bits: bits ?? 0 };
  }
  if (oid === Oid.ed25519) return { type: 'ed25519', bits: 256 };
  return { type: undefined, bits: 0 };
}

/** Bits of a positive INTEGER's content, which starts with a zero byte if its highest bit is set. */
function bitLength(content: Uint8Array): number {
  const bytes = content[0] === 0 ? content.subarray(1) : content;
  return bytes.length === 0 ? 0 : bytes.length * 8 - (Math.clz32(bytes[0] ?? 0) - 24);
}
