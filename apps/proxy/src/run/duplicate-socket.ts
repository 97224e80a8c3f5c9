import { spawn } from 'node:child_process';

/**
 * Sends the sockets that it was started with back, several times: each copy that arrives is a descriptor of its own.
 * It never listens or accepts.
 */
const HELPER = `const net = require('node:net');
process.argv.slice(1).map(Number).forEach((count, at) => {
  const socket = new net.Socket({ fd: 4 + at, readable: false, writable: false, manualStart: true });
  for (let i = 0; i < count; i++) process.send({}, socket._handle, { keepOpen: true });
});
process.on('disconnect', () => process.exit());`;

/** Milliseconds in which the helper must have done its work. */
const LIMIT = 10_000;

interface Handle {
  readonly fd: number;
  close(): void;
}

/** Kept for ever: a handle that were collected would close the descriptor, which belongs to a worker by then. */
const kept: Handle[] = [];

const isHandle = (handle: unknown): handle is Handle =>
  typeof handle === 'object' &&
  handle !== null &&
  'fd' in handle &&
  typeof handle.fd === 'number' &&
  handle.fd > 2;

/** A copy of a socket that nobody uses yet. */
export class SocketCopy {
  readonly #handle: Handle;

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** Gives the descriptor away: whoever gets it closes it. */
  take(): number {
    kept.push(this.#handle);
    return this.#handle.fd;
  }

  close(): void {
    this.#handle.close();
  }
}

/** Of which socket how many copies are wanted. */
export interface WantedCopies {
  readonly fd: number;
  readonly count: number;
}

/**
 * Makes copies of sockets, as dup(2) would, which Node does not have: worker threads can each accept through a copy,
 * and a thread that dies closes nothing but its own. A short-lived process sends the sockets back over its channel.
 * This leans on what Node does not document (handles in messages are whole, and know their descriptor), so it looks at
 * what comes.
 *
 * @returns the copies of each socket, in the order asked for
 * @throws {Error} where this Node does not work that way
 */
export function duplicateSockets(wanted: readonly WantedCopies[]): Promise<SocketCopy[][]> {
  const total = wanted.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return Promise.resolve(wanted.map(() => []));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', HELPER, ...wanted.map(({ count }) => String(count))], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', ...wanted.map(({ fd }) => fd)],
      // What this process was told to load is not the helper's business.
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const copies: SocketCopy[] = [];
    const timer = setTimeout(() => finish(new Error('the helper did not answer in time')), LIMIT);
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.on('error', () => undefined);
      child.kill('SIGKILL');
      if (error === undefined) return resolve(grouped(copies, wanted));
      for (const copy of copies) copy.close();
      reject(new Error(`a listening socket cannot be shared: ${error.message}`, { cause: error }));
    };
    child.on('message', (_message, handle: unknown) => {
      if (!isHandle(handle)) return finish(new Error('what came back is no socket'));
      copies.push(new SocketCopy(handle));
      if (copies.length === total) finish();
    });
    child.on('error', finish);
    child.on('exit', (code) => finish(new Error(`the helper ended with ${code}`)));
  });
}

/** Messages arrive in the order in which they were sent. */
function grouped(copies: readonly SocketCopy[], wanted: readonly WantedCopies[]): SocketCopy[][] {
  let from = 0;
  return wanted.map(({ count }) => copies.slice(from, (from += count)));
}
