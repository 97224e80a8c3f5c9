import { close, closeSync, write, writeSync } from 'node:fs';
import type { BatchSink } from './accessLog.ts';
import { isStandard, openLogFile, type OpenLogFile } from './logFile.ts';

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
/** Milliseconds until a reader that was full is tried again. */
const RETRY_AFTER = 20;
const SYNC_ATTEMPTS = 10;

const isFull = (error: NodeJS.ErrnoException): boolean => error.code === 'EAGAIN';

const sleep = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

/** Whole lines that are written together. */
interface Chunk {
  text: string;
  bytes: number;
  lines: number;
}

/**
 * Where log lines end up: a file, or standard output or error. Writing never blocks and never waits: one write
 * is on its way at a time, lines that come meanwhile are kept in memory up to a limit, and dropped and counted
 * beyond it. Several threads may write to the same target: files are opened for appending, and to a pipe batches
 * are small enough to stay whole.
 *
 * Not pino's own destination: its synchronous flush at the end never returns once the disk is full or the
 * reader of a pipe is gone.
 */
export class LogSink implements BatchSink {
  /** Batches should not be longer than this, in bytes. */
  readonly batchBytes: number;
  readonly #file: string;
  readonly #maxBuffered: number;
  readonly #onError: (error: Error) => void;
  readonly #waiting: Chunk[] = [];
  #target: OpenLogFile;
  #next: OpenLogFile | null = null;
  #writing: Buffer | null = null;
  #writingLines = 0;
  #buffered = 0;
  #dropped = 0;
  #errors = 0;
  #failing = false;
  #onIdle: (() => void) | null = null;
  #closed = false;

  /**
   * Opens `file`: a path, `stdout` or `stderr`.
   * @throws {LogFileError} if it cannot be opened
   */
  constructor(file: string, options: LogSinkOptions = {}) {
    this.#file = file;
    this.#maxBuffered = options.maxBuffered ?? DEFAULT_MAX_BUFFERED;
    this.#onError = options.onError ?? (() => undefined);
    this.#target = openLogFile(file);
    this.batchBytes = this.#target.regular ? FILE_BATCH : PIPE_BATCH;
  }

  /** Lines that were lost: too much waited, or the write failed. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Writes that failed. */
  get errors(): number {
    return this.#errors;
  }

  /** Takes whole lines; `lines` is their number. */
  write(text: string, lines = 1): void {
    const bytes = Buffer.byteLength(text);
    if (this.#closed || this.#buffered + bytes > this.#maxBuffered) {
      this.#dropped += lines;
      return;
    }
    this.#buffered += bytes;
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.bytes + bytes <= this.batchBytes) {
      last.text += text;
      last.bytes += bytes;
      last.lines += lines;
    } else {
      this.#waiting.push({ text, bytes, lines });
    }
    if (this.#writing === null) this.#start();
  }

  /**
   * Opens the file again under its name, for log rotation. The write on its way ends in the old file, everything
   * after it goes to the new one. Nothing happens for standard output and error.
   * @throws {LogFileError} if it cannot be opened; the old one stays in use
   */
  reopen(): void {
    if (isStandard(this.#file) || this.#closed) return;
    const next = openLogFile(this.#file);
    if (this.#next !== null) closeSync(this.#next.fd);
    this.#next = next;
    if (this.#writing === null) this.#swap();
  }

  /**
   * Writes what waits before it returns, for the last moment of a process; gives up, and counts, what a full
   * disk or a reader that stalls (for 200 ms) does not take. A write that is on its way may end after it.
   */
  flushSync(): void {
    let attempts = SYNC_ATTEMPTS;
    for (let chunk = this.#waiting.shift(); chunk !== undefined; chunk = this.#waiting.shift()) {
      let rest = Buffer.from(chunk.text);
      while (rest.length > 0 && attempts > 0) {
        try {
          rest = rest.subarray(writeSync(this.#target.fd, rest));
        } catch (error) {
          attempts = isFull(error as NodeJS.ErrnoException) ? attempts - 1 : 0;
          if (attempts === 0) this.#failed(error as Error);
          else sleep(RETRY_AFTER);
        }
      }
      if (rest.length > 0) this.#dropped += chunk.lines;
      this.#buffered -= chunk.bytes;
    }
  }

  /**
   * Writes what waits and closes the file; resolves when that is done, at the latest after `limit` milliseconds
   * (a reader that stalls must not hold up the end of the process). Later lines are dropped and counted.
   */
  async close(limit = 1000): Promise<void> {
    this.#closed = true;
    if (this.#writing !== null) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, limit);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#onIdle = null;
    if (this.#writing === null) this.#release(this.#target);
  }

  #start(): void {
    const chunk = this.#waiting.shift();
    if (chunk === undefined) {
      this.#onIdle?.();
      return;
    }
    this.#writing = Buffer.from(chunk.text);
    this.#writingLines = chunk.lines;
    this.#buffered -= chunk.bytes - this.#writing.length;
    this.#continue();
  }

  #continue(): void {
    const { fd } = this.#target;
    if (this.#writing !== null) write(fd, this.#writing, (error, written) => this.#wrote(error, written));
  }

  #wrote(error: NodeJS.ErrnoException | null, written: number): void {
    if (this.#writing === null) return;
    if (error !== null && isFull(error)) {
      setTimeout(() => this.#continue(), RETRY_AFTER).unref();
      return;
    }
    const done = error === null ? written : this.#writing.length;
    this.#buffered -= done;
    if (error === null) {
      this.#failing = false;
    } else {
      this.#dropped += this.#writingLines;
      this.#failed(error);
    }
    if (done < this.#writing.length) {
      this.#writing = this.#writing.subarray(done);
      this.#continue();
      return;
    }
    this.#writing = null;
    this.#swap();
    this.#start();
  }

  #swap(): void {
    if (this.#next === null) return;
    this.#release(this.#target);
    this.#target = this.#next;
    this.#next = null;
  }

  #release(target: OpenLogFile): void {
    if (!target.owned) return;
    close(target.fd, (error) => {
      if (error) this.#failed(error);
    });
  }

  #failed(error: Error): void {
    this.#errors++;
    if (this.#failing) return;
    this.#failing = true;
    this.#onError(error);
  }
}
