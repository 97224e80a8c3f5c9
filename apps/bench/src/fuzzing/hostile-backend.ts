import type { Socket } from 'node:net';
import { RawBackend, completeRequest } from '../backend.ts';
import { backendAnswer, seedInPath } from './cases.ts';
import { requestHeadProblem } from './check.ts';
import type { ForwardedStream } from './second-opinion.ts';

/** Body of the control requests, which are answered correctly whatever happens elsewhere. */
export const CONTROL_BODY = 'still serving';

/** A malformed request that the proxy sent, and the case it belongs to (if its path survived). */
export interface ForwardedProblem {
  readonly seed: number | undefined;
  readonly problem: string;
}

/** A backend that answers as each case's seed says, and judges the requests that arrive. */
export class HostileBackend {
  readonly problems: ForwardedProblem[] = [];
  readonly #raw: RawBackend;
  readonly #asked = new Map<number, number>();
  /** Connections that were answered with a 101: what comes on them is no HTTP, and nothing to judge. */
  readonly #switched = new WeakSet<Socket>();
  /** What came on each connection since the last look. */
  readonly #forwarded = new Map<Socket, { readonly pieces: Buffer[]; requests: number }>();

  constructor() {
    this.#raw = new RawBackend((socket, received) => this.#respond(socket, received), false);
  }

  listen(): Promise<number> {
    return this.#raw.listen();
  }

  close(): Promise<void> {
    return this.#raw.close();
  }

  /** Forgets which cases asked how often: between rounds, so that memory stays flat. */
  forget(): void {
    this.#asked.clear();
  }

  /** Whole requests that came since the last call, by connection. */
  takeForwarded(): ForwardedStream[] {
    const streams = [...this.#forwarded.values()].map(({ pieces, requests }) => ({
      bytes: Buffer.concat(pieces),
      requests,
    }));
    this.#forwarded.clear();
    return streams;
  }

  #respond(socket: Socket, received: Buffer): number {
    if (this.#switched.has(socket)) return received.length;
    const request = completeRequest(received);
    if (!request) return 0;
    // What comes after a wish to upgrade, each server may take as it likes.
    if (!/^upgrade:/im.test(request.head)) this.#record(socket, received.subarray(0, request.length));
    const seed = seedInPath(request.head);
    const problem = requestHeadProblem(request.head);
    if (problem !== undefined) this.problems.push({ seed, problem });
    if (request.head.includes(' /ok/') || seed === undefined) {
      const { length } = CONTROL_BODY;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`);
      if (!request.head.startsWith('HEAD ')) socket.write(CONTROL_BODY);
      return request.length;
    }
    const nth = this.#asked.get(seed) ?? 0;
    this.#asked.set(seed, nth + 1);
    const answer = backendAnswer(seed, nth);
    if (Buffer.concat(answer.pieces).includes(' 101 ')) this.#switched.add(socket);
    this.#write(socket, answer.pieces, 0, answer.end);
    return request.length;
  }

  #record(socket: Socket, bytes: Buffer): void {
    const forwarded = this.#forwarded.get(socket) ?? { pieces: [], requests: 0 };
    forwarded.pieces.push(bytes);
    forwarded.requests++;
    this.#forwarded.set(socket, forwarded);
  }

  #write(socket: Socket, pieces: readonly Buffer[], at: number, end: string): void {
    if (socket.destroyed) return;
    const piece = pieces[at];
    if (piece !== undefined) {
      socket.write(piece);
      setImmediate(() => this.#write(socket, pieces, at + 1, end));
    } else if (end === 'close') socket.end();
    else if (end === 'reset') socket.resetAndDestroy();
  }
}
