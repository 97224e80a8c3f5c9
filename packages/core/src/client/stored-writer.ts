import type { Socket } from 'node:net';
import type { StoredAnswer } from '../cache-contract.ts';

/** Bodies up to this many bytes are copied behind their head: one buffer and one write are cheaper than a list. */
const COPY_BELOW = 16_384;

/** The `Connection` line of a head; '' for none. */
export function connectionLine(option: '' | 'close' | 'keep-alive'): string {
  return option === '' ? '' : `Connection: ${option}\r\n`;
}

/** Writes a whole stored response in one system call. Its chunks are shared by all readers and never copied if large. */
export function writeStored(socket: Socket, answer: StoredAnswer, connection: string): void {
  const head = `${answer.head}${answer.lines}${connection}\r\n`;
  const { bodyText, chunks, bodyLength } = answer;
  if (bodyText !== undefined) {
    socket.write(head + bodyText, 'latin1');
  } else if (bodyLength === 0) {
    socket.write(head, 'latin1');
  } else if (bodyLength <= COPY_BELOW) {
    socket.write(copied(head, chunks, bodyLength));
  } else {
    socket.cork();
    socket.write(head, 'latin1');
    for (const chunk of chunks) socket.write(chunk);
    socket.uncork();
  }
}

function copied(head: string, chunks: readonly Uint8Array[], bodyLength: number): Buffer {
  const bytes = Buffer.allocUnsafe(head.length + bodyLength);
  let at = bytes.write(head, 0, 'latin1');
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
