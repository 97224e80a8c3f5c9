import { Socket } from 'node:net';
import tls from 'node:tls';
import type { Certificate } from './certificate.ts';
import type { CertificateChoice, CertificateStore } from './certificate-store.ts';
import {
  SLOTS_STAY,
  chooseCertificate,
  defaultChoice,
  onlyCertificate,
  sameChoice,
} from './choose-certificate.ts';
import { type ClientAuth, clientAuthOptions, sessionIdContext } from './client-auth.ts';
import { TlsError } from './errors.ts';
import { type TlsPolicy, secureOptions } from './policy.ts';
import type { TicketInstaller } from './ticket-installer.ts';

/** Options of {@link TlsServerBinding}. */
export interface TlsServerBindingOptions {
  readonly store: CertificateStore;
  /** Wall-clock time in ms since the epoch. */
  readonly now: () => number;
  readonly policy?: TlsPolicy;
  readonly clientAuth?: ClientAuth;
  /** Ticket keys of this thread. Without it Node makes its own: resumption then works within one server only. */
  readonly tickets?: TicketInstaller;
  /**
   * Refuse names without a certificate with the alert `unrecognized_name` (RFC 6066 §3) instead of showing the
   * default certificate. Default false. Clients that send no name get the default certificate either way.
   */
  readonly strictSni?: boolean;
  /** Handshakes that take longer, in ms, are cut. Default 10,000; 100 to 300,000. */
  readonly handshakeTimeout?: number;
  /** Protocols for ALPN, preferred first. Default: none. */
  readonly alpnProtocols?: readonly string[];
  /** Keeps sessions of this listener apart from others that share its ticket keys. Default `''`. */
  readonly sessionScope?: string;
}

/** Type of Node's callback; `this` is the TLSSocket (observed, not documented). */
type SniCallback = (this: unknown, serverName: string, done: SniDone) => void;
type SniDone = (error: Error | null, context?: tls.SecureContext) => void;

/** A TLS 1.x record with a fatal alert `unrecognized_name` (112). Alerts before ServerHello are in the clear. */
const UNRECOGNIZED_NAME: Uint8Array = Uint8Array.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70]);

/**
 * Serves a store's certificates from `tls.Server`s, and swaps the store under them: connections that are open or
 * in their handshake keep what they have, the next one gets the new certificates.
 */
export class TlsServerBinding {
  readonly #options: TlsServerBindingOptions;
  readonly #servers: Set<tls.Server> = new Set();
  readonly #authorities: string | undefined;
  #store: CertificateStore;
  #default: CertificateChoice | undefined;

  /** @throws TlsError `TLS_POLICY`, `TLS_CLIENT_AUTH`, `TLS_OPTION`, `TLS_NO_CERTIFICATE`, `TLS_DEFAULT_KEY_TYPE`. */
  constructor(options: TlsServerBindingOptions) {
    const timeout = options.handshakeTimeout ?? 10_000;
    if (!(timeout >= 100 && timeout <= 300_000)) {
      throw new TlsError('TLS_OPTION', 'handshakeTimeout must be from 100 to 300000 ms');
    }
    this.#options = options;
    this.#authorities = clientAuthOptions(options.clientAuth).ca;
    this.#store = options.store;
    if (options.store.certificates.length === 0)
      throw new TlsError('TLS_NO_CERTIFICATE', 'there is no certificate');
    this.#default = defaultChoice(options.store, options.now(), SLOTS_STAY);
  }

  get store(): CertificateStore {
    return this.#store;
  }

  /** Options for `tls.createServer`. They hold private keys: pass them on, do not keep or print them. */
  serverOptions(): tls.TlsOptions {
    const { handshakeTimeout, alpnProtocols } = this.#options;
    const options: tls.TlsOptions = {
      ...this.#contextOptions(),
      ...clientAuthOptions(this.#options.clientAuth),
      handshakeTimeout: handshakeTimeout ?? 10_000,
      SNICallback: this.sniCallback(),
    };
    if (alpnProtocols !== undefined) options.ALPNProtocols = [...alpnProtocols];
    return options;
  }

  /**
   * Keeps a server up to date with {@link update} and ticket rotations until it closes, and ends connections whose
   * handshake failed: on a timeout `tls.Server` only tells of it, and leaves the connection open for ever.
   * Call before `listen`.
   */
  attach(server: tls.Server): void {
    if (!this.#servers.has(server)) {
      this.#servers.add(server);
      server.once('close', () => this.#servers.delete(server));
      server.on('tlsClientError', (_error, socket) => socket.destroy());
    }
    this.#setCallback(server);
    this.#options.tickets?.install(server);
  }

  /**
   * Swaps the store, all at once. If the new one is refused the old one stays.
   *
   * @throws TlsError `TLS_NO_CERTIFICATE`, `TLS_DEFAULT_KEY_TYPE`.
   */
  update(store: CertificateStore): void {
    if (store.certificates.length === 0) throw new TlsError('TLS_NO_CERTIFICATE', 'there is no certificate');
    const choice = defaultChoice(store, this.#options.now(), SLOTS_STAY);
    this.#store = store;
    this.#applyDefault(choice);
    for (const server of this.#servers) this.#setCallback(server);
  }

  /**
   * Looks again which default certificate is valid. Call it when one expires (see `ExpiryWatch`): the default one
   * sits in the server's own context and is shown without asking us. With none left, clients that send no name are
   * refused.
   */
  refresh(): void {
    const choice = defaultChoice(this.#store, this.#options.now(), SLOTS_STAY);
    if (!sameChoice(choice, this.#default)) this.#applyDefault(choice);
  }

  /**
   * The callback alone. It always answers from the newest store, and leaves the default certificate to the server,
   * whose other options must come from {@link serverOptions}.
   */
  sniCallback(): SniCallback {
    const select = (socket: unknown, serverName: string, done: SniDone): void =>
      this.#select(socket, serverName, done);
    return function onServerName(this: unknown, serverName: string, done: SniDone): void {
      select(this, serverName, done);
    };
  }

  /**
   * Spares handshakes the way through `SNICallback`, a turn of the event loop in their middle, where it could only say
   * "the default". There is no public way to take it from a server, hence the feature test.
   */
  #setCallback(server: tls.Server): void {
    const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'snicallback');
    if (key === undefined) return;
    const needed = this.#options.strictSni === true || !this.#store.hasOneChoice;
    Reflect.set(server, key, needed ? this.sniCallback() : undefined);
  }

  #select(socket: unknown, serverName: string, done: SniDone): void {
    const now = this.#options.now();
    let selection = this.#store.select(serverName, now);
    if (selection.kind === 'unknown' && this.#options.strictSni !== true)
      selection = this.#store.selectDefault(now);
    if (selection.choice === undefined) {
      sendUnrecognizedName(socket);
      done(refusal(selection.kind, serverName));
      return;
    }
    if (sameChoice(selection.choice, this.#default)) {
      // No context: the server's own, from which OpenSSL picks by itself.
      done(null);
      return;
    }
    let context: tls.SecureContext;
    try {
      context = this.#contextFor(socket, selection.choice);
    } catch (cause) {
      const reason = `no context for ${JSON.stringify(serverName)}`;
      done(new TlsError('TLS_KEY_UNPARSABLE', reason, 'proxy', cause));
      return;
    }
    done(null, context);
  }

  /** The context to answer with. Asking for the client's algorithms costs 10 µs: only where there is a choice. */
  #contextFor(socket: unknown, choice: CertificateChoice): tls.SecureContext {
    let certificate = onlyCertificate(choice);
    if (certificate === undefined && socket instanceof tls.TLSSocket) {
      certificate = chooseCertificate(choice, socket.getSharedSigalgs(), socket.getProtocol());
    }
    certificate ??= choice.ecdsa ?? choice.rsa ?? choice.ed25519;
    if (certificate === undefined) throw new TlsError('TLS_NO_CERTIFICATE', 'the name has no certificate');
    return certificate.secureContext(this.#authorities);
  }

  #applyDefault(choice: CertificateChoice | undefined): void {
    this.#default = choice;
    const options = this.#contextOptions();
    for (const server of this.#servers) {
      server.setSecureContext(options);
      this.#options.tickets?.install(server);
    }
  }

  #contextOptions(): tls.SecureContextOptions {
    const { policy, clientAuth, sessionScope, tickets } = this.#options;
    const materials = certificatesOf(this.#default).map((certificate) => certificate.material());
    const options: tls.SecureContextOptions & { ticketKeys?: Buffer } = {
      ...secureOptions(policy),
      sessionIdContext: sessionIdContext(clientAuth, sessionScope ?? ''),
      cert: materials.map(({ chain }) => chain),
      key: materials.map(({ key }) => key),
    };
    if (this.#authorities !== undefined) options.ca = this.#authorities;
    if (tickets !== undefined) options.ticketKeys = tickets.set.key(0);
    return options;
  }
}

function certificatesOf(choice: CertificateChoice | undefined): Certificate[] {
  if (choice === undefined) return [];
  return [choice.rsa, choice.ecdsa, choice.ed25519].filter((one) => one !== undefined);
}

function refusal(
  kind: 'unknown' | 'expired' | 'exact' | 'wildcard' | 'default',
  serverName: string,
): TlsError {
  const name = JSON.stringify(serverName.slice(0, 255));
  return kind === 'expired'
    ? new TlsError('TLS_CERTIFICATE_EXPIRED', `the certificate for ${name} has expired`)
    : new TlsError('TLS_UNRECOGNIZED_NAME', `no certificate for ${name}`, 'client');
}

/**
 * Node destroys a connection whose SNICallback fails without a word, and has no way to send an alert. The raw
 * socket under the TLSSocket has (undocumented, hence the test); elsewhere the client sees the connection close.
 */
function sendUnrecognizedName(socket: unknown): void {
  if (!(socket instanceof tls.TLSSocket)) return;
  const raw: unknown = Reflect.get(socket, '_parent');
  if (raw instanceof Socket && raw.writable) raw.write(UNRECOGNIZED_NAME);
}
