import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { DerReader, Oid, Tag, oidHex } from './der.ts';
import { type PemBlock, isEncryptedKey, pemBytes } from './pem.ts';
import { type PublicKeyFacts, unsigned } from './x509-facts.ts';

/**
 * Whether an unencrypted private key belongs to a public key, found without decoding the key:
 * `createPrivateKey` costs about 340 µs in OpenSSL 3 for any kind and form of key, which is 3.4 s for 10,000;
 * this costs a few. RSA keys carry their modulus, EC keys nearly always their public point, and comparing these
 * is all that OpenSSL's own check does.
 *
 * @returns undefined where the key does not carry its public half (Ed25519, some EC keys) or is unreadable:
 * then ask OpenSSL.
 */
export function quickKeyMatch(block: PemBlock, publicKey: PublicKeyFacts): boolean | undefined {
  if (publicKey.type === undefined || isEncryptedKey(block)) return undefined;
  try {
    const half = publicHalf(block.label, pemBytes(block));
    if (half === undefined || half.type !== publicKey.type) return undefined;
    return Buffer.compare(half.bytes, publicKey.comparable) === 0;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

interface PublicHalf {
  readonly type: 'rsa' | 'ecdsa';
  readonly bytes: Uint8Array;
}

function publicHalf(label: string, der: Uint8Array): PublicHalf | undefined {
  const key = new DerReader(der).expect(Tag.sequence).inner();
  if (label === 'RSA PRIVATE KEY') return rsaHalf(key);
  if (label === 'EC PRIVATE KEY') return ecHalf(key);
  if (label !== 'PRIVATE KEY') return undefined;
  // PKCS#8 (RFC 5958): version, algorithm, the key of that algorithm in an OCTET STRING.
  const oid = oidHex(key.expect(Tag.integer).expect(Tag.sequence).inner().expect(Tag.oid).content());
  const inside = key.expect(Tag.octetString).inner();
  if (oid === Oid.rsaEncryption) return rsaHalf(inside.expect(Tag.sequence).inner());
  if (oid === Oid.ecPublicKey) return ecHalf(inside.expect(Tag.sequence).inner());
  return undefined;
}

/** RFC 8017 A.1.2: version, modulus, public exponent and six more integers, all of which must be there. */
function rsaHalf(key: DerReader): PublicHalf {
  const bytes = unsigned(key.expect(Tag.integer).expect(Tag.integer).content());
  for (let i = 0; i < 7; i += 1) key.expect(Tag.integer);
  return { type: 'rsa', bytes };
}

/** RFC 5915 §3: version, private key, [0] parameters, [1] public key (optional). */
function ecHalf(key: DerReader): PublicHalf | undefined {
  key.expect(Tag.integer).expect(Tag.octetString);
  while (key.next()) {
    if (key.tag !== Tag.context1) continue;
    return { type: 'ecdsa', bytes: key.inner().expect(Tag.bitString).content().subarray(1) };
  }
  return undefined;
}

/** What came of opening a private key. */
export type OpenedKey =
  | { readonly kind: 'ok'; readonly pem: string; readonly matches: boolean }
  | { readonly kind: 'needsPassphrase' }
  | { readonly kind: 'unreadable'; readonly reason: string };

/**
 * Opens a key, decrypting it if need be, and compares it with the certificate.
 * A decrypted key is kept in memory as PKCS#8 so that whoever builds a context needs no passphrase.
 */
export function openKey(
  block: PemBlock,
  certificate: X509Certificate,
  publicKey: PublicKeyFacts,
  passphrase: string | undefined,
): OpenedKey {
  const quick = quickKeyMatch(block, publicKey);
  if (quick !== undefined) return { kind: 'ok', pem: block.text, matches: quick };
  const encrypted = isEncryptedKey(block);
  if (encrypted && passphrase === undefined) return { kind: 'needsPassphrase' };
  try {
    const key = createPrivateKey(encrypted ? { key: block.text, passphrase: passphrase ?? '' } : block.text);
    const pem = encrypted ? key.export({ type: 'pkcs8', format: 'pem' }).toString() : block.text;
    return { kind: 'ok', pem, matches: certificate.checkPrivateKey(key) };
  } catch {
    // OpenSSL's message is left out on purpose: it names internals, and nothing of a key file may leak.
    return {
      kind: 'unreadable',
      reason: encrypted ? 'cannot be decrypted (wrong passphrase?)' : 'is not a readable private key',
    };
  }
}
