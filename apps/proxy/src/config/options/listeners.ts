import { listenAddressMistake } from '../address.ts';
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  nullable,
  optionalSection,
  section,
  text,
} from '../option.ts';
import type { List, Section } from '../option.ts';

/** A certificate chain and its key. */
export interface CertificateFiles {
  /** Absolute path of the PEM chain, leaf first. */
  readonly cert: string;
  /** Absolute path of the PEM key. */
  readonly key: string;
  readonly passphrase: string | null;
}

/** Client certificates (mTLS). */
export interface ClientAuth {
  readonly mode: 'none' | 'optional' | 'required';
  /** Absolute path of the PEM certificates of the authorities that clients must be signed by. */
  readonly ca: string | null;
}

/** `Strict-Transport-Security` (RFC 6797). */
export interface Hsts {
  /** Milliseconds. */
  readonly maxAge: number;
  readonly includeSubDomains: boolean;
  readonly preload: boolean;
}

/** TLS on a listener. */
export interface ListenerTls {
  readonly certificates: readonly CertificateFiles[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL cipher list, or null for the built-in one. */
  readonly ciphers: string | null;
  readonly strictSni: boolean;
  readonly clientAuth: ClientAuth;
  readonly hsts: Hsts | null;
  /** Milliseconds. */
  readonly handshakeTimeout: number;
  /** Milliseconds. */
  readonly ticketRotation: number;
}

/** Redirection of everything to HTTPS. */
export interface RedirectToHttps {
  readonly port: number;
}

/** One address that clients connect to. */
export interface Listener {
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
  readonly http2: boolean;
  readonly h2c: boolean;
  readonly proxyProtocol: boolean;
  readonly tls: ListenerTls | null;
  readonly redirectToHttps: RedirectToHttps | null;
}

const HOUR = 3_600_000;
const pemFile = 'the path of a PEM file, absolute or from the folder of this file';

const certificate: Section<CertificateFiles> = section('A certificate chain and its key.', {
  cert: text({ doc: 'PEM certificate chain, the own certificate first.', allowed: pemFile }),
  key: text({ doc: 'PEM private key (RSA, ECDSA or Ed25519).', allowed: pemFile }),
  passphrase: nullable(
    text({
      doc: 'Opens an encrypted key. Use `${NAME}` rather than writing it into the file.',
      allowed: 'text that is not empty',
      secret: true,
    }),
  ),
});

const clientAuth: Section<ClientAuth> = section('Certificates that clients show (mTLS).', {
  mode: choice(['none', 'optional', 'required'], {
    doc: 'Whether a client is asked for a certificate, and refused without one.',
    fallback: 'none',
  }),
  ca: nullable(
    text({
      doc: 'Authorities that sign client certificates; needed unless `mode` is `none`.',
      allowed: pemFile,
    }),
  ),
});

const hsts: Section<Hsts> = section(
  '`Strict-Transport-Security` on every answer over TLS (RFC 6797). Hazard: browsers refuse plain HTTP for this long.',
  {
    maxAge: duration({
      doc: 'For how long a browser remembers.',
      fallback: '8760h',
      min: 0,
      max: 10 * 365 * 24 * HOUR,
    }),
    includeSubDomains: boolean({ doc: 'The same for all names below.', fallback: false }),
    preload: boolean({ doc: 'Asks to be built into browsers; hard to take back.', fallback: false }),
  },
);

const tls: Section<ListenerTls> = section('TLS for this listener.', {
  certificates: list(certificate, {
    doc: 'Certificates; the client’s server name (SNI) decides which is used, the first is the default.',
    minItems: 1,
    required: true,
  }),
  minVersion: choice(['TLSv1.2', 'TLSv1.3'], {
    doc: 'Lowest protocol version. TLS 1.0 and 1.1 are never spoken.',
    fallback: 'TLSv1.2',
  }),
  ciphers: nullable(
    text({
      doc: 'OpenSSL cipher list for TLS 1.2. Left out: AEAD suites with forward secrecy only.',
      allowed: 'an OpenSSL cipher list',
    }),
  ),
  strictSni: boolean({
    doc: 'Refuses clients that ask for a name without a certificate, instead of showing the default one.',
    fallback: false,
  }),
  clientAuth,
  hsts: optionalSection(hsts),
  handshakeTimeout: duration({ doc: 'Limit for a whole TLS handshake.', fallback: '10s' }),
  ticketRotation: duration({
    doc: 'Life of a session ticket key; the key before it still opens tickets.',
    fallback: '24h',
    min: 60_000,
    max: 7 * 24 * HOUR,
  }),
});

const listener: Section<Listener> = section('One address that clients connect to.', {
  address: text({
    doc: 'Address to listen on; `::` for IPv6 and IPv4.',
    allowed: 'an IP address or a host name',
    fallback: '0.0.0.0',
    mistake: listenAddressMistake,
  }),
  port: integer({ doc: 'TCP port; 0 takes any free one.', min: 0, max: 65_535 }),
  http2: boolean({ doc: 'Offers HTTP/2 by ALPN; needs `tls`, or `h2c`.', fallback: false }),
  h2c: boolean({ doc: 'HTTP/2 without TLS, by prior knowledge; beside HTTP/1.', fallback: false }),
  proxyProtocol: boolean({
    doc: 'Expects a PROXY protocol header (v1 or v2) on every connection, before TLS; its address counts for everything. Hazard: whoever can connect chooses its client address, so let only the load balancer reach this port.',
    fallback: false,
  }),
  tls: optionalSection(tls),
  redirectToHttps: optionalSection(
    section<RedirectToHttps>('Answers every request with 308 to the same URL over HTTPS.', {
      port: integer({ doc: 'Port in the new URL.', fallback: 443, min: 1, max: 65_535 }),
    }),
  ),
});

/** `listeners` */
export const listeners: List<Listener> = list(listener, {
  doc: 'Addresses that clients connect to.',
  minItems: 1,
  required: true,
});
