import { type SecureContext, type TLSSocket, connect, createSecureContext } from 'node:tls';
import { getRequest } from './load.ts';
import { ResponseReader } from './response-reader.ts';
import { Histogram } from './stats.ts';

/** Handshakes to make. */
export interface HandshakeOptions {
  readonly port: number;
  /** PEM of the authority that the server's certificate must come from. */
  readonly ca: string;
  readonly path: string;
  /** Whether each connection offers the session of an earlier one. */
  readonly resume: boolean;
  readonly concurrency: number;
  readonly durationMs: number;
}

/** What came of it. */
export interface HandshakeReport {
  readonly handshakes: number;
  /** How many of them the server resumed: all or none, or the figure means nothing. */
  readonly resumed: number;
  readonly errors: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

/**
 * Makes connections one after the other on each of `concurrency` lanes: TCP, TLS handshake, one small request with
 * `Connection: close`, end. The request makes sure that the server finished the handshake (a TLS 1.3 client is
 * done before the server is) and sent its tickets.
 *
 * Why not wrk or `openssl s_time`: wrk keeps the session in its SSL object and so resumes without being asked;
 * s_time has one connection at a time. Here the client counts whether each session was resumed.
 */
export async function makeHandshakes(options: HandshakeOptions): Promise<HandshakeReport> {
  const run = new HandshakeRun(options);
  const started = performance.now();
  if (options.resume) await run.one();
  run.reset();
  const until = performance.now() + options.durationMs;
  const lane = async (): Promise<void> => {
    while (performance.now() < until) await run.one();
  };
  await Promise.all(Array.from({ length: options.concurrency }, lane));
  return run.report((performance.now() - started) / 1000);
}

class HandshakeRun {
  readonly #options: HandshakeOptions;
  readonly #context: SecureContext;
  readonly #request: Buffer;
  #session: Buffer | undefined;
  #latency = new Histogram();
  #resumed = 0;
  #errors = 0;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#context = createSecureContext({ ca: options.ca });
    this.#request = getRequest(options.path, 'localhost', ['Connection: close']).bytes;
  }

  reset(): void {
    this.#latency = new Histogram();
    this.#resumed = 0;
    this.#errors = 0;
  }

  one(): Promise<void> {
    const session = this.#options.resume ? this.#session : undefined;
    const started = performance.now();
    return new Promise((resolve) => {
      const socket = connect({
        host: '127.0.0.1',
        port: this.#options.port,
        servername: 'localhost',
        secureContext: this.#context,
        ...(session === undefined ? {} : { session }),
      });
      let settled = false;
      const settle = (failed: boolean): void => {
        if (settled) return;
        settled = true;
        if (failed) this.#errors++;
        socket.destroy();
        resolve();
      };
      socket.once('secureConnect', () => this.#onSecure(socket, started));
      socket.on('session', (ticket: Buffer) => {
        this.#session ??= ticket;
      });
      const reader = new ResponseReader({ onEnd: (head) => settle(head.status !== 200) });
      socket.on('data', (chunk: Buffer) => {
        if (!reader.feed(chunk)) settle(true);
      });
      socket.once('error', () => settle(true));
      socket.once('close', () => settle(true));
    });
  }

  report(seconds: number): HandshakeReport {
    return {
      handshakes: this.#latency.count,
      resumed: this.#resumed,
      errors: this.#errors,
      perSecond: this.#latency.count / seconds,
      p50: this.#latency.percentile(50),
      p99: this.#latency.percentile(99),
    };
  }

  #onSecure(socket: TLSSocket, started: number): void {
    this.#latency.record(performance.now() - started);
    if (socket.isSessionReused()) this.#resumed++;
    socket.write(this.#request);
  }
}
