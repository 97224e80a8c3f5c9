import {
  CertificateReloader,
  ExpiryWatch,
  TicketKeys,
  TlsServerBinding,
  storeToMessage,
  type CertificateProblem,
  type CertificateSource,
  type ReloadResult,
} from '@rp/tls';
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Listener, ListenerTls } from '../config/index.ts';
import type { Logger } from '../log/index.ts';
import type { ListenerSecrets } from './listener-secrets.ts';
import { bindingOptions } from './tls-binding.ts';

/** Milliseconds between two looks at what comes with time: ticket keys, certificates that end. */
const LOOK = 60_000;

/** Certificates and ticket keys of one listener. */
class Kept {
  readonly reloader: CertificateReloader;
  readonly tickets: TicketKeys;
  readonly expiry: ExpiryWatch;
  authorities: string | null;
  version = 1;

  constructor(tls: ListenerTls, logger: Logger, changed: () => void) {
    this.reloader = new CertificateReloader({
      sources: sourcesOf(tls),
      now: Date.now,
      onReload: (result) => {
        report(result, logger);
        if (result.loaded.length > 0) changed();
      },
      onWatchError: (directory, error) =>
        logger.warn({ directory, error: String(error) }, 'certificates are not watched'),
    });
    reportProblems(this.reloader.initial.problems, logger);
    this.authorities = authoritiesOf(tls);
    this.tickets = new TicketKeys({
      randomFill: randomFillSync,
      now: Date.now,
      rotateEvery: tls.ticketRotation,
    });
    this.expiry = new ExpiryWatch({
      now: Date.now,
      onNotice: ({ certificate, threshold, daysLeft }) => {
        const fields = { file: certificate.file, names: certificate.names, daysLeft };
        if (threshold > 0) return logger.warn(fields, 'a certificate expires soon');
        logger.error(fields, 'a certificate has expired and is not served any more');
        changed();
      },
    });
    // Whatever a worker would refuse is refused here, where it ends the start with a reason.
    new TlsServerBinding(
      bindingOptions(tls, this.reloader.store, this.authorities, undefined),
    ).serverOptions();
  }

  secrets(): ListenerSecrets {
    const { version, authorities } = this;
    const store = storeToMessage(this.reloader.store, { version });
    return { version, store, tickets: this.tickets.set.toMessage(), authorities };
  }
}

/**
 * Loads, checks, watches and renews what the listeners need for TLS, in the supervisor: workers get it ready to use,
 * and no file that is bad takes away what was good.
 */
export class CertificateKeeper {
  readonly #logger: Logger;
  readonly #changed: () => void;
  #kept: (Kept | null)[] = [];
  #secrets: (ListenerSecrets | null)[] = [];
  #timer: NodeJS.Timeout | undefined = undefined;

  /** @param changed the secrets are others than before. @throws TlsError where a listener could not serve TLS. */
  constructor(listeners: readonly Listener[], logger: Logger, changed: () => void) {
    this.#logger = logger;
    this.#changed = changed;
    this.#kept = listeners.map(({ tls }, at) =>
      tls === null ? null : new Kept(tls, logger, () => this.#renewed(at)),
    );
    this.#secrets = this.#kept.map((kept) => kept?.secrets() ?? null);
  }

  /** For each listener, in their order; null: it has no TLS. */
  get secrets(): readonly (ListenerSecrets | null)[] {
    return this.#secrets;
  }

  /** Begins to watch files and dates. */
  start(): void {
    for (const kept of this.#kept) kept?.reloader.start();
    if (this.#kept.some((kept) => kept !== null)) this.#timer = setInterval(() => this.#look(), LOOK).unref();
    this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const kept of this.#kept) kept?.reloader.stop();
  }

  /** Reads everything again, with what a reload changed; the secrets are renewed without a call of `changed`. */
  reload(listeners: readonly Listener[]): void {
    for (const [at, { tls }] of listeners.entries()) {
      const kept = this.#kept[at] ?? null;
      if (tls === null || kept === null) continue;
      const { error } = kept.reloader.reload(sourcesOf(tls));
      if (error !== undefined)
        this.#logger.error({ error: error.message }, 'certificates refused: the old ones stay');
      this.#take(at, kept);
    }
  }

  #renewed(at: number): void {
    const kept = this.#kept[at] ?? null;
    // Still being made: it is asked when it is there.
    if (kept === null) return;
    this.#take(at, kept);
    this.#changed();
  }

  #take(at: number, kept: Kept): void {
    kept.version++;
    this.#secrets = this.#secrets.with(at, kept.secrets());
  }

  #look(): void {
    for (const [at, kept] of this.#kept.entries()) {
      if (kept === null) continue;
      kept.expiry.check(kept.reloader.store.certificates);
      if (kept.tickets.rotateIfDue() !== undefined) this.#renewed(at);
    }
  }
}

function sourcesOf(tls: ListenerTls): CertificateSource[] {
  return tls.certificates.map(({ cert, key, passphrase }) => ({
    cert,
    key,
    ...(passphrase === null ? {} : { passphrase }),
  }));
}

function authoritiesOf({ clientAuth }: ListenerTls): string | null {
  return clientAuth.mode === 'none' || clientAuth.ca === null ? null : readFileSync(clientAuth.ca, 'utf8');
}

function report(result: ReloadResult, logger: Logger): void {
  reportProblems(result.problems, logger);
  for (const { info } of result.kept) {
    logger.error(
      { file: info.file, names: info.names },
      'a certificate could not be replaced: the old one stays',
    );
  }
  for (const { info } of result.loaded) {
    logger.info(
      { file: info.file, names: info.names, notAfter: new Date(info.notAfter) },
      'a certificate is served',
    );
  }
}

function reportProblems(problems: readonly CertificateProblem[], logger: Logger): void {
  for (const { severity, code, file, reason } of problems) {
    if (severity === 'error') logger.error({ code, file, reason }, 'a certificate cannot be served');
    else logger.warn({ code, file, reason }, 'a certificate has a flaw');
  }
}
