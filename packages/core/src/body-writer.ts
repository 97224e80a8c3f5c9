import { chunkHead } from '@rp/parser';
import type { Socket } from 'node:net';
import type { BodyView } from './downstream.ts';
import { HEADROOM, type ChunkSource } from './read-buffers.ts';

/** Bodies up to this many bytes are copied behind their head, so that both leave in one write. */
const COPY_BELOW = 32_768;

/**
 * Writes a piece of a body, with the head in front of it if one waits: in one system call, and without a copy where
 * the bytes can go out from where they were read.
 *
 * @param head latin1 text, '' for none
 * @param chunked frame the piece as one chunk (RFC 9112 §7.1)
 * @returns what `socket.write` says: false means wait for `drain`
 */
export function writeBody(
  socket: Socket,
  head: string,
  chunk: Buffer,
  view: BodyView,
  source: ChunkSource,
  chunked: boolean,
): boolean {
  const length = view.bodyLength;
  if (chunked) return length === 0 ? writeHead(socket, head) : writeChunk(socket, head + chunkHead(length), chunk, view);
  const start = view.bodyRangeStart(0);
  const end = view.bodyRangeEnd(0);
  if (head !== '') {
    const { room } = source;
    if (room !== undefined && head.length <= HEADROOM + start) {
      const at = HEADROOM + start - head.length;
      room.write(head, at, 'latin1');
      return writeLent(socket, room.subarray(at, HEADROOM + end), source);
    }
    if (source.shared || length <= COPY_BELOW) return writeCopy(socket, head, chunk, view);
    socket.write(head, 'latin1');
  } else if (source.shared) {
    return writeCopy(socket, '', chunk, view);
  }
  return writeLent(socket, chunk.subarray(start, end), source);
}

function writeHead(socket: Socket, head: string): boolean {
  return head === '' ? !socket.writableNeedDrain : socket.write(head, 'latin1');
}

function writeLent(socket: Socket, bytes: Buffer, source: ChunkSource): boolean {
  const more = socket.write(bytes);
  if (socket.writableLength > 0) source.lend();
  return more;
}

function writeCopy(socket: Socket, head: string, chunk: Buffer, view: BodyView): boolean {
  const copy = Buffer.allocUnsafe(head.length + view.bodyLength);
  copy.write(head, 0, 'latin1');
  view.copyBody(chunk, copy, head.length);
  return socket.write(copy);
}

function writeChunk(socket: Socket, head: string, chunk: Buffer, view: BodyView): boolean {
  const copy = Buffer.allocUnsafe(head.length + view.bodyLength + 2);
  copy.write(head, 0, 'latin1');
  const end = view.copyBody(chunk, copy, head.length);
  copy[end] = 0x0d;
  copy[end + 1] = 0x0a;
  return socket.write(copy);
}
