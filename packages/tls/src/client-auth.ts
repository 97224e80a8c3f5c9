import { X509Certificate, createHash } from 'node:crypto';
import { TlsError, messageOf } from './errors.ts';
import { isPem, pemBlocks } from './pem.ts';

/** Whether clients must show a certificate. `optional` lets through those with none *and with a bad one*. */
export type ClientAuthMode = 'none' | 'optional' | 'required';

/** Client certificates (mTLS) of a listener. */
export interface ClientAuth {
  /** Default `none`. */
  readonly mode: ClientAuthMode;
  /** PEM bundle of the CAs that may sign client certificates. Needed unless the mode is `none`. */
  readonly authorities?: string;
}

/** The part of `tls.createServer`'s options that {@link clientAuthOptions} gives. */
export interface ClientAuthOptions {
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
  readonly ca?: string;
}

/**
 * Checks and translates. A bundle is insisted on: without one Node would accept any certificate of any public CA.
 *
 * @throws TlsError `TLS_CLIENT_AUTH`.
 */
export function clientAuthOptions(auth: ClientAuth | undefined): ClientAuthOptions {
  const mode = auth?.mode ?? 'none';
  if (mode === 'none') return { requestCert: false, rejectUnauthorized: false };
  if (mode !== 'optional' && mode !== 'required') {
    throw new TlsError(
      'TLS_CLIENT_AUTH',
      `clientAuth ${JSON.stringify(mode)} is not one of none, optional, required`,
    );
  }
  const ca = auth?.authorities ?? '';
  if (!isPem(ca))
    throw new TlsError(
      'TLS_CLIENT_AUTH',
      `clientAuth ${mode} needs authorities: a PEM bundle of CA certificates`,
    );
  checkBundle(ca);
  return { requestCert: true, rejectUnauthorized: mode === 'required', ca };
}

function checkBundle(pem: string): void {
  const blocks = pemBlocks(pem).filter(({ label }) => label === 'CERTIFICATE');
  if (blocks.length === 0) throw new TlsError('TLS_CLIENT_AUTH', 'authorities holds no PEM certificate');
  blocks.forEach((block, index) => {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(block.text);
    } catch (cause) {
      const reason = `certificate ${index + 1} of authorities is not readable: ${messageOf(cause)}`;
      throw new TlsError('TLS_CLIENT_AUTH', reason, 'proxy', cause);
    }
    if (!certificate.ca)
      throw new TlsError('TLS_CLIENT_AUTH', `certificate ${index + 1} of authorities is not a CA`);
  });
}

/**
 * The session id context (at most 32 bytes) of a listener. A session may only be resumed where the same rules for
 * client certificates hold: otherwise a ticket from a listener that asks for none would open one that requires one.
 * Equal in all workers, unlike Node's default, which depends on the thread's arguments.
 */
export function sessionIdContext(auth: ClientAuth | undefined, scope: string): string {
  const rules = JSON.stringify([scope, auth?.mode ?? 'none', auth?.authorities ?? '']);
  return createHash('sha256').update(rules).digest('hex').slice(0, 32);
}
