import net from 'node:net';
import { SwitchingBuffer, ownedChunk, type ChunkSource } from './read-buffers.ts';

/** Who gets the bytes of a client socket. */
export interface ByteReader {
  /** `chunk[0..length)` is valid until it returns, unless `source` says otherwise. */
  read(chunk: Buffer, length: number, source: ChunkSource): void;
}

/** A socket, and what lets its reader have a buffer of its own while a body streams. */
export interface ReadableClient {
  readonly socket: net.Socket;
  readonly buffer: SwitchingBuffer | undefined;
}

interface Handle {
  readonly useUserBuffer?: unknown;
}

/**
 * Lets `reader` have what arrives on an accepted socket, and returns the socket to use from then on.
 *
 * Accepted sockets have no public `onread`, and without it each read allocates and passes through the stream
 * machinery: 8 % of a proxied request, and a buffer per idle connection. `net.Socket` takes an existing handle
 * together with `onread`: that is used where the handle has the shape it had when this was written, and the public
 * way everywhere else. The server must accept with `pauseOnConnect`, so that nothing is read before.
 */
export function readFrom(accepted: net.Socket, reader: ByteReader): ReadableClient {
  const owner = accepted as unknown as { _handle: Handle | null | undefined };
  const handle = owner._handle;
  if (typeof handle?.useUserBuffer !== 'function') return readPublicly(accepted, reader);
  owner._handle = null;
  accepted.destroy();
  const buffer = new SwitchingBuffer();
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: () => buffer.next() as Buffer,
      callback: (length: number, chunk: Buffer): boolean => {
        reader.read(chunk, length, buffer);
        return true;
      },
    },
  };
  return { socket: new net.Socket(options as unknown as net.SocketConstructorOpts), buffer };
}

/** The documented way: also what TLS sockets need, whose handle is not the kernel's. */
export function readPublicly(accepted: net.Socket, reader: ByteReader): ReadableClient {
  accepted.on('data', (chunk: Buffer) => reader.read(chunk, chunk.length, ownedChunk));
  accepted.resume();
  return { socket: accepted, buffer: undefined };
}

/** Bytes that the kernel has taken of all that was written to `socket`: grows with every partial write. */
export function takenBytes(socket: net.Socket): number {
  const handle = (socket as unknown as { _handle: { writeQueueSize?: number; bytesWritten?: number } | null })
    ._handle;
  if (handle?.writeQueueSize === undefined || handle.bytesWritten === undefined) {
    return socket.bytesWritten - socket.writableLength;
  }
  return handle.bytesWritten - handle.writeQueueSize;
}
