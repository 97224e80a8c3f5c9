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
import type { ListenerTls } from '../config/index.ts';
import type { Logger } from '../log/index.ts';
import { ListenError } from './listen-error.ts';
import type { RunningListener } from './listener-plan.ts';
import type { ListenerSecrets } from './listener-secrets.ts';
import { bindingOptions } from './tls-binding.ts';

/** Milliseconds between two looks at what comes with time: ticket keys, certificates that end. */
const LOOK = 60_000;

/** A certificate as the statistics show it. */
export interface ServedCertificate {
  readonly file: string;
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

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
  /** By the ids of the listeners that have TLS. */
  #kept: ReadonlyMap<number, Kept> = new Map();
  readonly #secrets: Map<number, ListenerSecrets> = new Map();
  #timer: NodeJS.Timeout | undefined = undefined;
  #started = false;

  /** @param changed the secrets are others than before */
  constructor(logger: Logger, changed: () => void) {
    this.#logger = logger;
    this.#changed = changed;
  }

  /** For each of these listeners, in their order; null: it has no TLS. */
  secretsOf(listeners: readonly RunningListener[]): readonly (ListenerSecrets | null)[] {
    return listeners.map(({ id }) => this.#secrets.get(id) ?? null);
  }

  /**
   * Loads what listeners need that are new; nothing has changed where it fails.
   * @returns takes these listeners over, and reads everything again of those that run already
   * @throws {ListenError} where a listener could not serve TLS
   */
  prepare(listeners: readonly RunningListener[]): () => void {
    const made = new Map<number, Kept>();
    for (const [at, { id, listener }] of listeners.entries()) {
      const { tls } = listener;
      if (tls !== null) made.set(id, this.#kept.get(id) ?? this.#load(at, id, tls));
    }
    return () => this.#use(made, listeners);
  }

  #load(at: number, id: number, tls: ListenerTls): Kept {
    try {
      return new Kept(tls, this.#logger, () => this.#renewed(id));
    } catch (error) {
      throw new ListenError(at, 'tls', error);
    }
  }

  /** Everything that is served, by listener and in the order of the file; each certificate once. */
  served(): readonly ServedCertificate[] {
    const all = new Map<string, ServedCertificate>();
    for (const { reloader } of this.#kept.values()) {
      for (const { info } of reloader.store.certificates) {
        const { file, names, notAfter, fingerprint } = info;
        if (!all.has(fingerprint)) all.set(fingerprint, { file, names, notAfter });
      }
    }
    return [...all.values()];
  }

  /** Begins to watch files and dates. */
  start(): void {
    this.#started = true;
    for (const kept of this.#kept.values()) kept.reloader.start();
    this.#timer = setInterval(() => this.#look(), LOOK).unref();
    this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const kept of this.#kept.values()) kept.reloader.stop();
  }

  #use(made: ReadonlyMap<number, Kept>, listeners: readonly RunningListener[]): void {
    const before = this.#kept;
    this.#kept = made;
    for (const [id, kept] of before) {
      if (made.has(id)) continue;
      kept.reloader.stop();
      this.#secrets.delete(id);
    }
    for (const { id, listener } of listeners) {
      const kept = made.get(id);
      if (kept === undefined || listener.tls === null) continue;
      if (before.has(id)) this.#reload(kept, listener.tls);
      else if (this.#started) kept.reloader.start();
      this.#take(id, kept);
    }
    if (this.#started) this.#look();
  }

  /** Reads everything again, with what a reload changed. */
  #reload(kept: Kept, tls: ListenerTls): void {
    const { error } = kept.reloader.reload(sourcesOf(tls));
    if (error !== undefined)
      this.#logger.error({ error: error.message }, 'certificates refused: the old ones stay');
  }

  #renewed(id: number): void {
    const kept = this.#kept.get(id);
    // Still being made: it is asked when it is there.
    if (kept === undefined) return;
    this.#take(id, kept);
    this.#changed();
  }

  #take(id: number, kept: Kept): void {
    kept.version++;
    this.#secrets.set(id, kept.secrets());
  }

  #look(): void {
    for (const [id, kept] of this.#kept) {
      kept.expiry.check(kept.reloader.store.certificates);
      if (kept.tickets.rotateIfDue() !== undefined) this.#renewed(id);
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
