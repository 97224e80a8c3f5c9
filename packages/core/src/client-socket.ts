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
  readonly useUserBuffer?: (buffer: Buffer) => void;
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

/** The keys under which `net.Socket` keeps what its `onread` option said. */
interface OnReadKeys {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

function findOnReadKeys(): OnReadKeys | undefined {
  const keys = Object.getOwnPropertySymbols(new net.Socket());
  const named = (name: string): symbol | undefined => keys.find((key) => key.description === name);
  const [buffer, callback, generator] = [named('kBuffer'), named('kBufferCb'), named('kBufferGen')];
  if (buffer === undefined || callback === undefined || generator === undefined) return undefined;
  return { buffer, callback, generator };
}

const onReadKeys: OnReadKeys | undefined = findOnReadKeys();

/**
 * The same for a TLS socket whose handshake is done. Its constructor takes no `onread` for accepted sockets, so what
 * the option would have done is done here, where this version of Node.js has the same parts; otherwise the public way
 * is taken. It saves an allocation with its finaliser and the way through the stream for each request.
 */
export function readEncrypted(socket: net.Socket, reader: ByteReader): ReadableClient {
  const owner = socket as unknown as { _handle: Handle | null } & Record<symbol, unknown>;
  const handle = owner._handle;
  if (onReadKeys === undefined || typeof handle?.useUserBuffer !== 'function') {
    return readPublicly(socket, reader);
  }
  const buffer = new SwitchingBuffer();
  const first = buffer.next()!;
  owner[onReadKeys.buffer] = first;
  owner[onReadKeys.generator] = () => buffer.next();
  owner[onReadKeys.callback] = (length: number, chunk: Buffer): boolean => {
    reader.read(chunk, length, buffer);
    return true;
  };
  handle.useUserBuffer(first);
  // What came with the end of the handshake is in the stream already.
  socket.on('data', (chunk: Buffer) => reader.read(chunk, chunk.length, ownedChunk));
  socket.resume();
  return { socket, buffer };
}

/** The documented way. */
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
