import { closeSync, fstatSync, openSync } from 'node:fs';
import { destination } from 'pino';
import type { BatchSink } from './accessLog.ts';

type Destination = ReturnType<typeof destination>;

/** Why a log file could not be opened. */
export class LogFileError extends Error {
  readonly code = 'LOG_FILE';
  readonly source = 'proxy';
  readonly retryable = 'no';

  constructor(file: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`the log file ${JSON.stringify(file)} cannot be opened: ${reason}`, { cause });
    this.name = 'LogFileError';
  }
}

/** Settings of a {@link LogSink}. */
export interface LogSinkOptions {
  /** Bytes that may wait to be written; more is dropped and counted. Default 4 MiB. */
  readonly maxBuffered?: number;
  /** Called for an error of a write (disk full, pipe closed), once until a write works again. */
  readonly onError?: (error: Error) => void;
}

/** The most that a write to a pipe may have to be kept whole among several writers (PIPE_BUF of Linux). */
const PIPE_BATCH = 4096;
const FILE_BATCH = 64 * 1024;
const DEFAULT_MAX_BUFFERED = 4 * 1024 * 1024;
const FLUSH_ATTEMPTS = 5;

const STANDARD: Readonly<Record<string, number>> = { stdout: 1, stderr: 2 };

const openFile = (file: string): number => {
  try {
    return STANDARD[file] ?? openSync(file, 'a', 0o640);
  } catch (error) {
    throw new LogFileError(file, error);
  }
};

const isFile = (fd: number): boolean => fstatSync(fd).isFile();

/**
 * Where log lines end up: a file, or standard output or error. Writing never blocks and never waits: lines are
 * kept in memory up to a limit and dropped, and counted, beyond it. Several threads may write to the same target:
 * files are opened for appending, and to anything else batches are small enough to stay whole.
 */
export class LogSink implements BatchSink {
  /** Batches should not be longer than this, in bytes. */
  readonly batchBytes: number;
  readonly #file: string;
  readonly #maxBuffered: number;
  readonly #onError: (error: Error) => void;
  #stream: Destination;
  #dropped = 0;
  #dropping = false;
  #errors = 0;
  #failing = false;
  #flushAttempts = Infinity;

  /**
   * Opens `file`: a path, `stdout` or `stderr`.
   * @throws {LogFileError} if it cannot be opened
   */
  constructor(file: string, options: LogSinkOptions = {}) {
    this.#file = file;
    this.#maxBuffered = options.maxBuffered ?? DEFAULT_MAX_BUFFERED;
    this.#onError = options.onError ?? (() => undefined);
    const fd = openFile(file);
    this.batchBytes = isFile(fd) ? FILE_BATCH : PIPE_BATCH;
    this.#stream = this.#attach(fd);
  }

  /** Lines that were dropped because too much waited. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Writes that failed. */
  get errors(): number {
    return this.#errors;
  }

  /** Takes whole lines; `lines` is their number. */
  write(batch: string, lines = 1): void {
    this.#dropping = false;
    this.#stream.write(batch);
    if (this.#dropping) this.#dropped += lines;
  }

  /**
   * Opens the file again under its name, for log rotation: what waits goes to the old one. Nothing happens for
   * standard output and error.
   * @throws {LogFileError} if it cannot be opened; the old one stays in use
   */
  reopen(): void {
    if (this.#file in STANDARD) return;
    const fd = openFile(this.#file);
    const old = this.#stream;
    this.#stream = this.#attach(fd);
    old.end();
  }

  /** Writes what waits before it returns; for the last moment of a process. Gives up on a reader that stalls. */
  flushSync(): void {
    this.#flushAttempts = FLUSH_ATTEMPTS;
    try {
      this.#stream.flushSync();
    } catch (error) {
      this.#failed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#flushAttempts = Infinity;
    }
  }

  /**
   * Writes what waits and closes the file; resolves when that is done or has failed, at the latest after `limit`
   * milliseconds (a reader that stalls must not hold up the end of the process).
   */
  close(limit = 1000): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit).unref();
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#stream.once('close', done);
      this.#stream.once('error', done);
      this.#stream.end();
    });
  }

  #attach(fd: number): Destination {
    const stream = destination({
      fd,
      sync: false,
      minLength: 0,
      maxLength: this.#maxBuffered,
      maxWrite: isFile(fd) ? FILE_BATCH : PIPE_BATCH,
      retryEAGAIN: () => this.#flushAttempts-- > 0,
    });
    stream.on('drop', () => {
      this.#dropping = true;
    });
    stream.on('error', (error: Error) => this.#failed(error));
    stream.on('write', () => {
      this.#failing = false;
    });
    return stream;
  }

  #failed(error: Error): void {
    this.#errors++;
    if (this.#failing) return;
    this.#failing = true;
    this.#onError(error);
  }
}

/** Whether `file` (a path, `stdout` or `stderr`) can be opened for appending: an error to show, or null. */
export function logFileMistake(file: string): LogFileError | null {
  if (file in STANDARD) return null;
  try {
    closeSync(openFile(file));
    return null;
  } catch (error) {
    if (error instanceof LogFileError) return error;
    throw error;
  }
}
