import { spawn } from 'node:child_process';

/**
 * Sends the socket that it was started with back, several times: each copy that arrives is a descriptor of its own.
 * It never listens or accepts.
 */
const HELPER = `const net = require('node:net');
const [fd, count] = process.argv.slice(1).map(Number);
const socket = new net.Socket({ fd, readable: false, writable: false, manualStart: true });
for (let i = 0; i < count; i++) process.send({}, socket._handle, { keepOpen: true });
process.on('disconnect', () => process.exit());`;

/** The descriptor that the helper finds its socket at: after stdin, stdout, stderr and the channel. */
const HELPER_FD = 4;
/** Milliseconds in which the helper must have done its work. */
const LIMIT = 10_000;

interface Handle {
  readonly fd: number;
}

/** Kept for ever: a handle that were collected would close the descriptor, which belongs to a worker by then. */
const kept: Handle[] = [];

const isHandle = (handle: unknown): handle is Handle =>
  typeof handle === 'object' &&
  handle !== null &&
  'fd' in handle &&
  typeof handle.fd === 'number' &&
  handle.fd > 2;

/**
 * Makes copies of a listening socket, as dup(2) would, which Node does not have: worker threads can each accept
 * through a copy, and a thread that dies closes nothing but its own. A short-lived process sends the socket back over
 * its channel. This leans on what Node does not document (handles in messages are whole, and know their descriptor),
 * so it looks at what comes.
 *
 * @returns as many descriptors as asked for
 * @throws {Error} where this Node does not work that way
 */
export function duplicateSocket(fd: number, count: number): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', HELPER, String(HELPER_FD), String(count)], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', fd],
    });
    const copies: number[] = [];
    const timer = setTimeout(() => finish(new Error('the helper did not answer in time')), LIMIT);
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.on('error', () => undefined);
      child.kill('SIGKILL');
      if (error === undefined) resolve(copies);
      else reject(new Error(`a listening socket cannot be shared: ${error.message}`, { cause: error }));
    };
    child.on('message', (_message, handle: unknown) => {
      if (!isHandle(handle)) return finish(new Error('what came back is no socket'));
      kept.push(handle);
      copies.push(handle.fd);
      if (copies.length === count) finish();
    });
    child.on('error', finish);
    child.on('exit', (code) => finish(new Error(`the helper ended with ${code}`)));
  });
}
