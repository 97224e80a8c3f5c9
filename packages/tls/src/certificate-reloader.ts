import { dirname } from 'node:path';
import { statSync } from 'node:fs';
import type { Certificate } from './certificate.ts';
import { CertificateStore, type CertificateStoreOptions } from './certificate-store.ts';
import { type CertificateProblem, TlsError } from './errors.ts';
import { type DirectoryWatcher, type Timers, realTimers, watchDirectory } from './file-watch.ts';
import { type CertificateSource, loadCertificates } from './load-certificate.ts';
import { isPem } from './pem.ts';

/** What came of a reload. */
export interface ReloadResult {
  /** The store to serve from; the same object as before if nothing changed or the new one was refused. */
  readonly store: CertificateStore;
  /** Certificates that are new or were replaced. */
  readonly loaded: readonly Certificate[];
  /** Certificates that go on being served because their new files are bad. */
  readonly kept: readonly Certificate[];
  /** Everything that is wrong with the files that were read. */
  readonly problems: readonly CertificateProblem[];
  /** Why no new store could be made, for instance because no certificate covers the default name any more. */
  readonly error: TlsError | undefined;
}

/** Options of {@link CertificateReloader}. */
export interface CertificateReloaderOptions {
  readonly sources: readonly CertificateSource[];
  /** Wall-clock time in ms since the epoch. */
  readonly now: () => number;
  /** Called after every reload that read a file, good or bad. */
  readonly onReload: (result: ReloadResult) => void;
  /** Called when a directory cannot be watched; changes there are then found by polling only. */
  readonly onWatchError: (directory: string, error: unknown) => void;
  readonly store?: CertificateStoreOptions;
  /** Quiet time in ms after the last event, so that certificate and key are both there. Default 500; 0 to 60,000. */
  readonly debounce?: number;
  /** Time in ms between looks at all files, for file systems without events (network, some containers). Default 60,000; 0: never. */
  readonly pollInterval?: number;
  /** Default: `fs.watch`. */
  readonly watch?: DirectoryWatcher;
  /** Default: `setTimeout`, not keeping the process alive. */
  readonly timers?: Timers;
}

/** One source with what it gave last. */
class Entry {
  readonly source: CertificateSource;
  certificate: Certificate | undefined = undefined;
  /** Identity of the files when they were last read, good or bad: a bad file is reported once. */
  stamp = '';

  constructor(source: CertificateSource) {
    this.source = source;
  }
}

/**
 * Keeps a store in step with its files. Directories are watched rather than files, because files are replaced by
 * renaming, and by swapping a symbolic link above them (`..data` in Kubernetes volumes); what counts as a change is
 * that the files at the end of the paths are others than before.
 *
 * A file that is bad now never takes away a certificate that was good before.
 */
export class CertificateReloader {
  readonly #options: CertificateReloaderOptions;
  readonly #watch: DirectoryWatcher;
  readonly #timers: Timers;
  #entries: Entry[] = [];
  #store: CertificateStore;
  #watchers: Map<string, () => void> | undefined = undefined;
  #debounceTimer: unknown = undefined;
  #pollTimer: unknown = undefined;
  /** What the first load found. */
  readonly initial: ReloadResult;

  /** Loads everything. @throws TlsError `TLS_OPTION` if no certificate covers the default name. */
  constructor(options: CertificateReloaderOptions) {
    const debounce = options.debounce ?? 500;
    if (!(debounce >= 0 && debounce <= 60_000))
      throw new TlsError('TLS_OPTION', 'debounce must be from 0 to 60000 ms');
    this.#options = options;
    this.#watch = options.watch ?? watchDirectory;
    this.#timers = options.timers ?? realTimers;
    this.#entries = options.sources.map((source) => new Entry(source));
    this.#store = new CertificateStore([]);
    this.initial = this.#load(this.#entries, this.#entries);
    if (this.initial.error !== undefined) throw this.initial.error;
  }

  get store(): CertificateStore {
    return this.#store;
  }

  /** Begins to watch. */
  start(): void {
    if (this.#watchers !== undefined) return;
    this.#watchers = new Map();
    this.#watchDirectories(this.#watchers);
    this.#armPoll();
    // Whatever changed between the first load and now made no event.
    this.#onEvent();
  }

  /** Ends watching; the store stays. */
  stop(): void {
    for (const close of this.#watchers?.values() ?? []) close();
    this.#watchers = undefined;
    this.#timers.clear(this.#debounceTimer);
    this.#timers.clear(this.#pollTimer);
    this.#debounceTimer = undefined;
    this.#pollTimer = undefined;
  }

  /**
   * Reads all files again, changed or not, with new sources if any are given. What is bad is not taken over: the
   * certificate that the same source gave before is kept.
   */
  reload(sources?: readonly CertificateSource[]): ReloadResult {
    const entries = sources === undefined ? this.#entries : this.#carryOver(sources);
    const result = this.#load(entries, entries);
    if (this.#watchers !== undefined) this.#watchDirectories(this.#watchers);
    this.#options.onReload(result);
    return result;
  }

  /** Reads the files that changed since they were last read. @returns undefined if none did. */
  check(): ReloadResult | undefined {
    const changed = this.#entries.filter((entry) => stampOf(entry.source) !== entry.stamp);
    if (changed.length === 0) return undefined;
    const result = this.#load(this.#entries, changed);
    this.#options.onReload(result);
    return result;
  }

  #carryOver(sources: readonly CertificateSource[]): Entry[] {
    const before = new Map(this.#entries.map((entry) => [keyOf(entry.source), entry]));
    return sources.map((source) => {
      const entry = new Entry(source);
      entry.certificate = before.get(keyOf(source))?.certificate;
      return entry;
    });
  }

  #load(entries: Entry[], changed: readonly Entry[]): ReloadResult {
    const loaded: Certificate[] = [];
    const kept: Certificate[] = [];
    const previous = new Map(changed.map((entry) => [entry, entry.certificate]));
    // The stamps come first: a file that changes while it is read is then read again.
    for (const entry of changed) entry.stamp = stampOf(entry.source);
    const outcome = loadCertificates(
      changed.map(({ source }) => source),
      { now: this.#options.now },
    );
    outcome.perSource.forEach((certificate, index) => {
      const entry = changed[index];
      if (entry === undefined) return;
      if (certificate === undefined) {
        if (entry.certificate !== undefined) kept.push(entry.certificate);
      } else if (!certificate.sameAs(entry.certificate)) {
        entry.certificate = certificate;
        loaded.push(certificate);
      }
    });
    const all = entries.map(({ certificate }) => certificate).filter((one) => one !== undefined);
    const error = this.#replace(all);
    if (error === undefined) this.#entries = entries;
    else for (const [entry, certificate] of previous) entry.certificate = certificate;
    return { store: this.#store, loaded, kept, problems: outcome.problems, error };
  }

  /** Makes the new store the current one, unless nothing changed or it cannot be made. */
  #replace(certificates: readonly Certificate[]): TlsError | undefined {
    const old = this.#store.certificates;
    if (old.length === certificates.length && old.every((one, index) => one === certificates[index]))
      return undefined;
    try {
      this.#store = new CertificateStore(certificates, this.#options.store);
      return undefined;
    } catch (error) {
      if (error instanceof TlsError) return error;
      throw error;
    }
  }

  #watchDirectories(watchers: Map<string, () => void>): void {
    const wanted = new Set(
      this.#entries.flatMap(({ source }) => filesOf(source).map((file) => dirname(file))),
    );
    for (const [directory, close] of watchers) {
      if (wanted.has(directory)) continue;
      close();
      watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (watchers.has(directory)) continue;
      const report = (error: unknown): void => this.#options.onWatchError(directory, error);
      try {
        watchers.set(
          directory,
          this.#watch(directory, () => this.#onEvent(), report),
        );
      } catch (error) {
        report(error);
      }
    }
  }

  #onEvent(): void {
    this.#timers.clear(this.#debounceTimer);
    this.#debounceTimer = this.#timers.set(() => {
      this.#debounceTimer = undefined;
      this.check();
    }, this.#options.debounce ?? 500);
  }

  #armPoll(): void {
    const interval = this.#options.pollInterval ?? 60_000;
    if (interval === 0) return;
    this.#pollTimer = this.#timers.set(() => {
      this.#armPoll();
      this.check();
    }, interval);
  }
}

function filesOf(source: CertificateSource): string[] {
  return [source.cert, source.key].filter((value) => !isPem(value));
}

function keyOf(source: CertificateSource): string {
  return `${source.cert}\n${source.key}`;
}

/** Identity of the files at the end of the paths (symbolic links followed); empty for inline PEM, which never changes. */
function stampOf(source: CertificateSource): string {
  return filesOf(source).map(fileStamp).join(' ');
}

function fileStamp(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat === undefined
    ? 'absent'
    : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}
