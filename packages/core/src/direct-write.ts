import type { Socket } from 'node:net';

/** A write that the kernel did not take at once. */
interface PendingWrite {
  handle: unknown;
  oncomplete: (status: number) => void;
  /** Set where it completed before `oncomplete` was. */
  writeStatus: number | null;
}

interface StreamHandle {
  writeLatin1String?(request: null, text: string): number | PendingWrite;
}

/**
 * `socket.write` of a text takes half a microsecond to get to the system call, two times in each proxied request:
 * more than parsing it. What it does on the way (queueing, call-backs, ticks) is only needed if the kernel does not
 * take all of it. This is that short cut. It is undocumented, and other versions of Node.js take other arguments: it
 * is used with the major version that it was written and tested with, everywhere else `socket.write` is.
 */
const testedMajor = '26';
const available = process.versions.node.split('.')[0] === testedMajor;

/**
 * Writes `text` (latin1) past the stream machinery, if nothing else waits to be written there.
 *
 * Hazard: not for TLS sockets. Their handle takes one write at a time, and a second one before the first is through
 * ends the process.
 *
 * @param completed called later, where the answer is `pending`; until then nothing must be written this way
 * @returns `unavailable`: nothing was written, use `socket.write`
 */
export function writeDirectly(
  socket: Socket,
  text: string,
  completed: () => void,
): 'written' | 'pending' | 'unavailable' {
  if (!available || socket.writableLength !== 0 || !socket.writable || socket.connecting)
    return 'unavailable';
  const { _handle: handle } = socket as unknown as { _handle: StreamHandle | null };
  if (handle?.writeLatin1String === undefined) return 'unavailable';
  const result = handle.writeLatin1String(null, text);
  if (result === 0) return 'written';
  if (typeof result === 'number') {
    socket.destroy(new Error(`write failed with ${result}`));
    return 'written';
  }
  return watch(socket, handle, result, completed);
}

function watch(
  socket: Socket,
  handle: StreamHandle,
  write: PendingWrite,
  completed: () => void,
): 'written' | 'pending' {
  if (write.writeStatus !== null) {
    if (write.writeStatus < 0) socket.destroy(new Error(`write failed with ${write.writeStatus}`));
    return 'written';
  }
  write.handle = handle;
  write.oncomplete = (status) => {
    if (status < 0) socket.destroy(new Error(`write failed with ${status}`));
    completed();
  };
  return 'pending';
}
