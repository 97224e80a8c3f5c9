import {
  type ConnectionOwner,
  type FailureKind,
  LoadConnection,
  type RequestBytes,
} from './load-connection.ts';
import { Pacer } from './pacer.ts';
import type { ResponseHead } from './response-reader.ts';
import { Histogram } from './stats.ts';

/**
 * When requests are sent. `closed`: each connection sends the next one when it has its answer (what wrk does;
 * finds the limit). `rate`: at a fixed rate whatever the answers do, each latency counted from the moment the
 * request was *due*: a server that stalls is charged for the requests that had to wait, not only for the one it held.
 */
export type Pacing = { readonly kind: 'closed' } | { readonly kind: 'rate'; readonly perSecond: number };

/** A load. */
export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly pacing: Pacing;
  /** Makes the n-th request. */
  readonly request: (n: number) => RequestBytes;
  /** A request without answer for so long has failed. Default 10,000 ms. */
  readonly timeoutMs?: number;
  /** Own addresses, used in turn. */
  readonly localAddresses?: readonly string[];
  /** Pause before a failed connection is made again. Default 20 ms. */
  readonly reconnectMs?: number;
}

/** What came of it. Every request that was sent is in exactly one of `ok`, `badStatus` and `failures`. */
export interface LoadReport {
  readonly ok: number;
  /** Answers with 400 and above, by status. */
  readonly badStatus: Readonly<Record<string, number>>;
  /** Requests that got no answer, and attempts to connect that failed, by kind. */
  readonly failures: Readonly<Partial<Record<FailureKind, number>>>;
  /** Everything that went wrong. */
  readonly errors: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Age of the oldest request that was still without an answer when this was taken, in ms; 0 where there was none. */
  readonly oldest: number;
  /** 99th percentile of how late the generator itself sent, in ms: above it, latencies mean something. */
  readonly lateP99: number;
}

/** A GET as browsers' and tools' smallest form of it. */
export function getRequest(path: string, host: string, fields: readonly string[] = []): RequestBytes {
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...fields, '', ''];
  return { method: 'GET', bytes: Buffer.from(lines.join('\r\n'), 'latin1') };
}

/** A POST with a body of `size` bytes. */
export function postRequest(path: string, host: string, size: number): RequestBytes {
  const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: text/plain\r\nContent-Length: ${size}\r\n\r\n`;
  return { method: 'POST', bytes: Buffer.from(head + 'u'.repeat(size), 'latin1') };
}

/** Drives a number of connections and counts exactly what happened to each request. */
export class Load implements ConnectionOwner {
  readonly #options: LoadOptions;
  readonly #connections: LoadConnection[] = [];
  readonly #ready: LoadConnection[] = [];
  readonly #backlog: number[] = [];
  #latency = new Histogram();
  #late = new Histogram();
  #ok = 0;
  #badStatus: Record<string, number> = {};
  #failures: Partial<Record<FailureKind, number>> = {};
  #sent = 0;
  #since = 0;
  #nextDue = 0;
  #running = false;
  #pacer: Pacer | undefined;
  #watch: NodeJS.Timeout | undefined;
  #allReady: (() => void) | undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Opens the connections (200 at a time, lest the listener's queue overflows), then starts sending. */
  async start(): Promise<void> {
    const { host, port, connections, localAddresses = [] } = this.#options;
    for (let i = 0; i < connections; i++) {
      const localAddress = localAddresses.length > 0 ? localAddresses[i % localAddresses.length] : undefined;
      this.#connections.push(new LoadConnection({ host, port, localAddress }, this));
    }
    for (let from = 0; from < connections; from += 200)
      await this.#open(from, Math.min(connections, from + 200));
    this.#running = true;
    this.#since = performance.now();
    this.#watch = setInterval(() => this.#expireLate(), 100);
    for (const connection of this.#connections) if (!connection.open) connection.connect();
    const { pacing } = this.#options;
    if (pacing.kind === 'closed') for (const connection of this.#ready.splice(0)) this.onReady(connection);
    else {
      this.#nextDue = this.#since;
      this.#pacer = new Pacer(pacing.perSecond, () => this.#sendDue(1000 / pacing.perSecond));
    }
  }

  /** The counts since the last call (or the start); counting starts anew. */
  take(): LoadReport {
    const now = performance.now();
    const report = this.#report((now - this.#since) / 1000);
    this.#since = now;
    this.#latency = new Histogram();
    this.#late = new Histogram();
    this.#ok = 0;
    this.#badStatus = {};
    this.#failures = {};
    return report;
  }

  /** Sends no more, waits for the answers under way (up to `graceMs`), closes, and gives the last counts. */
  async stop(graceMs: number = 2000): Promise<LoadReport> {
    this.#running = false;
    await this.#pacer?.stop();
    const limit = performance.now() + graceMs;
    while (performance.now() < limit && this.#connections.some((connection) => connection.busy)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    clearInterval(this.#watch);
    for (const connection of this.#connections) {
      if (connection.busy) connection.expire();
      connection.destroy();
    }
    return this.take();
  }

  onReady(connection: LoadConnection): void {
    if (!this.#running || this.#options.pacing.kind === 'rate') {
      const due = this.#running ? this.#backlog.shift() : undefined;
      if (due === undefined) this.#ready.push(connection);
      else this.#send(connection, due);
      this.#allReady?.();
      return;
    }
    this.#send(connection, performance.now());
  }

  onResponse(_connection: LoadConnection, head: ResponseHead, ms: number): void {
    this.#latency.record(ms);
    if (head.status < 400) this.#ok++;
    else this.#badStatus[head.status] = (this.#badStatus[head.status] ?? 0) + 1;
  }

  onFailure(connection: LoadConnection, kind: FailureKind, _sent: boolean): void {
    this.#failures[kind] = (this.#failures[kind] ?? 0) + 1;
    if (this.#running) setTimeout(() => this.#reconnect(connection), this.#options.reconnectMs ?? 20);
    this.#allReady?.();
  }

  onClosed(connection: LoadConnection): void {
    const at = this.#ready.indexOf(connection);
    if (at >= 0) this.#ready.splice(at, 1);
    this.#reconnect(connection);
  }

  #reconnect(connection: LoadConnection): void {
    if (this.#running) connection.connect();
  }

  #open(from: number, to: number): Promise<void> {
    return new Promise((resolve) => {
      let left = to - from;
      this.#allReady = () => {
        if (--left === 0) resolve();
      };
      for (const connection of this.#connections.slice(from, to)) connection.connect();
    });
  }

  #sendDue(periodMs: number): void {
    if (!this.#running) return;
    const now = performance.now();
    for (; this.#nextDue <= now; this.#nextDue += periodMs) {
      const connection = this.#ready.shift();
      if (connection === undefined) this.#backlog.push(this.#nextDue);
      else this.#send(connection, this.#nextDue);
    }
  }

  #send(connection: LoadConnection, due: number): void {
    this.#late.record(performance.now() - due);
    connection.send(this.#options.request(this.#sent++), due);
  }

  #expireLate(): void {
    const oldest = performance.now() - (this.#options.timeoutMs ?? 10_000);
    for (const connection of this.#connections) {
      if (connection.busy && connection.startedAt < oldest) connection.expire();
    }
  }

  #oldest(): number {
    const starts = this.#connections.filter((connection) => connection.busy).map((each) => each.startedAt);
    return starts.length === 0 ? 0 : performance.now() - Math.min(...starts);
  }

  #report(seconds: number): LoadReport {
    const failed = Object.values(this.#failures).reduce((sum, count) => sum + count, 0);
    const bad = Object.values(this.#badStatus).reduce((sum, count) => sum + count, 0);
    return {
      ok: this.#ok,
      badStatus: this.#badStatus,
      failures: this.#failures,
      errors: failed + bad,
      seconds,
      perSecond: (this.#ok + bad) / seconds,
      p50: this.#latency.percentile(50),
      p95: this.#latency.percentile(95),
      p99: this.#latency.percentile(99),
      max: this.#latency.max,
      oldest: this.#oldest(),
      lateP99: this.#late.percentile(99),
    };
  }
}
