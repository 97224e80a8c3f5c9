import type { Certificate, CertificateInfo } from './certificate.ts';
import { TlsError } from './errors.ts';

/** A certificate that ends soon, or has ended. */
export interface ExpiryNotice {
  readonly certificate: CertificateInfo;
  /** Days before the end that this notice is for; 0: it has expired and is no longer served. */
  readonly threshold: number;
  /** Whole days left, rounded down; negative once it has expired. */
  readonly daysLeft: number;
}

/** Options of {@link ExpiryWatch}. */
export interface ExpiryWatchOptions {
  /** Wall-clock time in ms since the epoch. */
  readonly now: () => number;
  /** Called once for each certificate and threshold. */
  readonly onNotice: (notice: ExpiryNotice) => void;
  /** Days ahead, positive. Default 30, 14, 7 and 1. */
  readonly days?: readonly number[];
}

const DAY = 86_400_000;

/**
 * Gives notice of certificates that end soon: once per threshold, and only of the nearest one reached, so that a
 * start six days ahead makes one line and not three. Call {@link check} after loading and at least every hour.
 *
 * A certificate that has ended is not served by `CertificateStore`. The server's default certificate is the one
 * that needs a nudge: on a notice with threshold 0 call `TlsServerBinding#refresh` in every worker.
 */
export class ExpiryWatch {
  readonly #now: () => number;
  readonly #onNotice: (notice: ExpiryNotice) => void;
  readonly #thresholds: readonly number[];
  /** Nearest threshold that notice was given of, by fingerprint. */
  #given: Map<string, number> = new Map();

  /** @throws TlsError `TLS_OPTION` for days that are not positive. */
  constructor(options: ExpiryWatchOptions) {
    const days = options.days ?? [30, 14, 7, 1];
    if (days.some((value) => !(value > 0))) throw new TlsError('TLS_OPTION', 'days must be positive');
    this.#now = options.now;
    this.#onNotice = options.onNotice;
    this.#thresholds = [...days, 0].sort((a, b) => a - b);
  }

  /**
   * Looks at the dates of all certificates.
   *
   * @returns time of the next threshold in ms since the epoch: looking earlier finds nothing. Infinity if none.
   */
  check(certificates: readonly Certificate[]): number {
    const now = this.#now();
    const given: Map<string, number> = new Map();
    let next = Infinity;
    for (const { info } of certificates) {
      const reached = this.#reached(info.notAfter, now);
      const before = this.#given.get(info.fingerprint);
      if (reached !== undefined && (before === undefined || reached < before)) {
        this.#onNotice({ certificate: info, threshold: reached, daysLeft: daysLeft(info.notAfter, now) });
      }
      // Certificates that are gone are forgotten with the old map.
      if (reached !== undefined) given.set(info.fingerprint, reached);
      next = Math.min(next, this.#next(info.notAfter, now));
    }
    this.#given = given;
    return next;
  }

  #reached(notAfter: number, now: number): number | undefined {
    return this.#thresholds.find((days) => now > notAfter - days * DAY);
  }

  #next(notAfter: number, now: number): number {
    let next = Infinity;
    for (const days of this.#thresholds) {
      const at = notAfter - days * DAY + 1;
      if (at > now) next = Math.min(next, at);
    }
    return next;
  }
}

/** Whole days until a date, rounded down; for metrics. */
export function daysLeft(notAfter: number, now: number): number {
  return Math.floor((notAfter - now) / DAY);
}
