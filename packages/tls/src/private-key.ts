import { type X509Certificate, createPrivateKey } from 'node:crypto';
import { type PemBlock, isEncryptedKey } from './pem.ts';

/** What came of opening a private key. */
export type OpenedKey =
  | { readonly kind: 'ok'; readonly pem: string; readonly matches: boolean }
  | { readonly kind: 'needsPassphrase' }
  | { readonly kind: 'unreadable'; readonly reason: string };

/**
 * Opens a key, decrypting it if need be, and compares it with the certificate. This costs about 30 µs, where
 * a SecureContext, which would notice a wrong key too, costs ten times as much; contexts are made on demand.
 * A decrypted key is kept in memory as PKCS#8 so that whoever builds a context needs no passphrase.
 */
export function openKey(
  block: PemBlock,
  certificate: X509Certificate,
  passphrase: string | undefined,
): OpenedKey {
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
