import { generateKeyPairSync, sign } from 'node:crypto';
import tls from 'node:tls';
import { Oid, Tag } from './der.ts';

/** `secp256k1`: OpenSSL knows it, TLS 1.3 has no signature scheme for it, and no TLS client offers it. */
const CURVE = 'secp256k1';

let context: tls.SecureContext | undefined;

/**
 * A context whose certificate no client can accept, to empty the ECDSA slot of a connection.
 *
 * Why: on an SNI hit Node puts the selected certificate into the connection's slot for that kind of key and leaves
 * the other slots as the server's default context filled them. With an ECDSA default and an RSA certificate for the
 * name, a client that prefers ECDSA would get the default certificate: the wrong name. OpenSSL passes over a slot
 * whose curve the client does not offer, so this certificate makes it see RSA only.
 *
 * Made once per thread (about 1 ms), by hand: Node has no X.509 writer.
 */
export function unusableContext(): tls.SecureContext {
  context ??= makeContext();
  return context;
}

function makeContext(): tls.SecureContext {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: CURVE });
  const algorithm = element(Tag.sequence, oid(Oid.ecdsaWithSha256));
  const name = element(
    Tag.sequence,
    element(0x31, element(Tag.sequence, oid(Oid.commonName), element(0x0c, Buffer.from('unusable')))),
  );
  const utcTime = (text: string): Buffer => element(0x17, Buffer.from(text, 'latin1'));
  const body = element(
    Tag.sequence,
    element(Tag.integer, Buffer.from([1])),
    algorithm,
    name,
    element(Tag.sequence, utcTime('000101000000Z'), utcTime('491231235959Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]);
  const der = element(Tag.sequence, body, algorithm, element(Tag.bitString, signature));
  const cert = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
  return tls.createSecureContext({ cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) });
}

function oid(hex: string): Buffer {
  return element(Tag.oid, Buffer.from(hex, 'hex'));
}

function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}
