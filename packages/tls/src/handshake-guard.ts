import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import { TlsError } from './errors.ts';
import type { HandshakeCounters } from './handshake-counters.ts';
import { handshakeFailure } from './handshake-failure.ts';

/** Options of {@link HandshakeLimiter}. */
export interface HandshakeLimiterOptions {
  /** Handshakes per second in the long run. 1 to 1,000,000. */
  readonly rate: number;
  /** Handshakes at once after a quiet time. Default: twice the rate. */
  readonly burst?: number;
  /** Monotonic time in ms. */
  readonly now: () => number;
}

/** A token bucket: handshakes cost a hundred times what a request costs, so a flood of them must end early. */
export class HandshakeLimiter {
  readonly #perMillisecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #at: number;

  /** @throws TlsError `TLS_OPTION` for values out of range. */
  constructor(options: HandshakeLimiterOptions) {
    const burst = options.burst ?? options.rate * 2;
    if (!(options.rate >= 1 && options.rate <= 1_000_000)) {
      throw new TlsError('TLS_OPTION', 'handshake rate must be from 1 to 1000000 per second');
    }
    if (!(burst >= 1 && burst <= 10_000_000))
      throw new TlsError('TLS_OPTION', 'burst must be from 1 to 10000000');
    this.#perMillisecond = options.rate / 1000;
    this.#burst = burst;
    this.#now = options.now;
    this.#tokens = burst;
    this.#at = options.now();
  }

  /** Takes a token. @returns false if there is none: the handshake must not begin. */
  tryTake(): boolean {
    const now = this.#now();
    if (now > this.#at) {
      this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMillisecond);
      this.#at = now;
    }
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** Options of {@link guardHandshakes}. */
export interface HandshakeGuardOptions {
  readonly counters: HandshakeCounters;
  /** Default: no limit. */
  readonly limiter?: HandshakeLimiter;
}

/**
 * Counts a server's handshakes and cuts off those above the limit before any byte of them is read.
 * Call it before `listen`. It never ends a connection whose handshake is done.
 */
export function guardHandshakes(server: Server, options: HandshakeGuardOptions): void {
  const { counters, limiter } = options;
  server.on('connection', (socket: Socket) => {
    counters.started();
    if (limiter === undefined || limiter.tryTake()) return;
    socket.destroy(new TlsError('TLS_HANDSHAKE_RATE', 'too many handshakes', 'client'));
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    const suite = socket.getCipher().name;
    const certificate = socket.getPeerX509Certificate() !== undefined;
    counters.completed(socket.getProtocol() ?? '', suite, socket.isSessionReused(), certificate);
  });
  server.on('tlsClientError', (error: Error) => counters.failed(handshakeFailure(error)));
}
