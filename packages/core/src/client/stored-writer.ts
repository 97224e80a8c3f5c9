import type { StoredAnswer } from '../cache-contract.ts';
import type { SocketWriter } from '../socket-writer.ts';

/** The `Connection` line of a head; '' for none. */
export function connectionLine(option: '' | 'close' | 'keep-alive'): string {
  return option === '' ? '' : `Connection: ${option}\r\n`;
}

/** Writes a whole stored response. Its chunks are shared by all readers, and never copied if they are large. */
export function writeStored(writer: SocketWriter, answer: StoredAnswer, connection: string): void {
  const head = `${answer.head}${answer.lines}${connection}\r\n`;
  const { bodyText, bodyLength } = answer;
  if (bodyText !== undefined) writer.text(head + bodyText);
  else if (bodyLength === 0) writer.text(head);
  // Chunks are made when they are asked for.
  else writer.list(head, answer.chunks, bodyLength);
}
