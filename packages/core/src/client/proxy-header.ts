import type { Socket } from 'node:net';
import { Counter } from '../counters.ts';
import { decodeProxyHeader, type ConnectionEnds } from '../proxy-protocol.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';

/**
 * Reads the PROXY protocol header of an accepted socket, which must be paused, and leaves it paused with the rest in
 * it: the header comes before anything else, TLS included. Where it is malformed, late or cut short the socket is
 * destroyed, without a word: who sent it speaks no HTTP (§2.1: "must not try to guess").
 */
export class ProxyHeaderReader extends Timer {
  readonly #runtime: Runtime;
  readonly #socket: Socket;
  readonly #done: (ends: ConnectionEnds | undefined) => void;
  readonly #onData = (chunk: Buffer): void => this.#read(chunk);
  readonly #onEnd = (): void => this.#ended();
  readonly #onGone = (): void => this.#gone();
  #held: Buffer | undefined = undefined;

  /** @param done told the ends that the header names, undefined where those of the socket hold */
  constructor(runtime: Runtime, socket: Socket, done: (ends: ConnectionEnds | undefined) => void) {
    super();
    this.#runtime = runtime;
    this.#socket = socket;
    this.#done = done;
  }

  start(): void {
    const socket = this.#socket;
    const { wheel, settings } = this.#runtime;
    socket
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#onGone)
      .on('close', this.#onGone);
    wheel.arm(this, settings.timeouts.header, this.#runtime.touch());
    socket.resume();
  }

  override expired(): void {
    this.#refuse('not complete in time');
  }

  #read(chunk: Buffer): void {
    this.#runtime.touch();
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    const header = decodeProxyHeader(bytes);
    if (header.kind === 'malformed') return this.#refuse(header.reason);
    if (header.kind === 'incomplete') {
      this.#held = bytes;
      return;
    }
    this.#stop();
    this.#socket.pause();
    if (bytes.length > header.length) this.#socket.unshift(bytes.subarray(header.length));
    this.#done(header.ends);
  }

  /** Without a byte it was somebody who looked whether the port is open. */
  #ended(): void {
    if (this.#held === undefined) this.#gone();
    else this.#refuse('cut short');
  }

  #refuse(reason: string): void {
    const { counters, log } = this.#runtime;
    counters.cells[Counter.proxyHeaderFailures]!++;
    log.info({ peer: this.#socket.remoteAddress ?? '', reason }, 'a PROXY protocol header was refused');
    this.#gone();
  }

  #gone(): void {
    this.#stop();
    // An error may still follow.
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.destroy();
  }

  #stop(): void {
    this.#held = undefined;
    this.#runtime.wheel.remove(this);
    const socket = this.#socket;
    socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onGone)
      .off('close', this.#onGone);
  }
}
