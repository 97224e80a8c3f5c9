import type { StoredAnswer } from '../cache-contract.ts';
import type { SocketWriter } from '../socket-writer.ts';

/** Bodies up to this many bytes are copied behind their head: one buffer and one write are cheaper than a list. */
const COPY_BELOW = 16_384;

/** The `Connection` line of a head; '' for none. */
export function connectionLine(option: '' | 'close' | 'keep-alive'): string {
  return option === '' ? '' : `Connection: ${option}\r\n`;
}

/** Writes a whole stored response. Its chunks are shared by all readers, and never copied if they are large. */
export function writeStored(writer: SocketWriter, answer: StoredAnswer, connection: string): void {
  const head = `${answer.head}${answer.lines}${connection}\r\n`;
  const { bodyText, chunks, bodyLength } = answer;
  if (bodyText !== undefined) {
    writer.text(head + bodyText);
  } else if (bodyLength === 0) {
    writer.text(head);
  } else if (bodyLength <= COPY_BELOW) {
    writer.bytes(copied(head, chunks, bodyLength));
  } else {
    writer.list(head, chunks);
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
