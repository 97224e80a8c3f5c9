import { type Socket, connect } from 'node:net';
import type { FuzzCase } from './cases.ts';
import { ClientCheck } from './check.ts';

/** What one case came to. */
export interface CaseResult {
  readonly problem: string | undefined;
  readonly answers: number;
  /** Everything the client got, for the record of a failure. */
  readonly received: Buffer;
}

/** A case whose requests are in order may wait for the proxy's own timeouts; one that is nonsense need not. */
const PATIENCE_MS = { certain: 4000, uncertain: 250 };

/** Plays a case against the proxy and judges what comes back. */
export function playCase(fuzzCase: FuzzCase, port: number): Promise<CaseResult> {
  const check = new ClientCheck(fuzzCase);
  const received: Buffer[] = [];
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    let settled = false;
    const settle = (): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket.destroy();
      resolve({ problem: check.problem, answers: check.answers, received: Buffer.concat(received) });
    };
    const timer = setTimeout(settle, fuzzCase.methods ? PATIENCE_MS.certain : PATIENCE_MS.uncertain);
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk);
      check.feed(chunk);
      if (check.problem !== undefined) settle();
      // What arrives after the last answer would be a response that nobody asked for: one more turn to see it.
      else if (check.complete) setTimeout(settle, 2);
    });
    socket.on('end', () => {
      check.end();
      settle();
    });
    // A refused connection's reset may overtake its answer: not the proxy's fault, and not a fault.
    socket.on('error', settle);
    socket.on('close', settle);
    socket.on('connect', () => write(socket, fuzzCase, 0));
  });
}

function write(socket: Socket, fuzzCase: FuzzCase, at: number): void {
  if (socket.destroyed || !socket.writable) return;
  const piece = fuzzCase.pieces[at];
  if (piece !== undefined) {
    socket.write(piece);
    setImmediate(() => write(socket, fuzzCase, at + 1));
  } else if (fuzzCase.end === 'halfClose') socket.end();
  else if (fuzzCase.end === 'reset') socket.resetAndDestroy();
}
