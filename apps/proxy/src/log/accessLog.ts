import { accessFormatter, type AccessFormat, type AccessFormatter } from './accessFormat.ts';
import type { AccessRecord } from './accessRecord.ts';

/** Takes batches of lines; the log's sink, or whatever hands them to another thread. */
export interface BatchSink {
  /** Whole lines and their number; never blocks; counts and drops what it has no room for. */
  readonly write: (batch: string, lines: number) => void;
  /** Batches should not be longer than this, in bytes. */
  readonly batchBytes: number;
}

/**
 * The access log of one event loop: formats a line per request and hands them on in batches. A line waits until
 * the batch is full or {@link AccessLog.flush} is called; the owner calls it from a timer of its own (see
 * {@link AccessLog.flushEvery}) and at the end. Memory is bounded by the batch and by the sink's own limit.
 */
export class AccessLog {
  readonly #sink: BatchSink;
  readonly #formatter: AccessFormatter;
  readonly #batchBytes: number;
  #batch = '';
  #waiting = 0;
  #lines = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(sink: BatchSink, format: AccessFormat) {
    this.#sink = sink;
    this.#formatter = accessFormatter(format);
    this.#batchBytes = sink.batchBytes;
  }

  /** Lines logged so far, dropped ones included; the sink counts those. */
  get lines(): number {
    return this.#lines;
  }

  /** Logs a finished request; the record may be used again at once. */
  log(record: AccessRecord): void {
    const line = this.#formatter.format(record);
    this.#lines++;
    // Lines are ASCII: length is size. A batch never grows beyond its limit by the line that fills it, since on
    // a pipe only writes up to PIPE_BUF are kept whole among several writers.
    if (this.#waiting > 0 && this.#batch.length + line.length > this.#batchBytes) this.flush();
    this.#batch += line;
    this.#waiting++;
    if (this.#batch.length >= this.#batchBytes) this.flush();
  }

  /** Hands on what waits. */
  flush(): void {
    if (this.#waiting === 0) return;
    const batch = this.#batch;
    const lines = this.#waiting;
    this.#batch = '';
    this.#waiting = 0;
    this.#sink.write(batch, lines);
  }

  /** Flushes at this interval (milliseconds) until {@link AccessLog.close}; does not keep the process alive. */
  flushEvery(interval: number): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = setInterval(() => this.flush(), interval).unref();
  }

  /** Flushes and stops the timer; the sink stays open. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.flush();
  }
}
