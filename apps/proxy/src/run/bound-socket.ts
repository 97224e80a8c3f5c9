import { lookup } from 'node:dns/promises';
import { closeSync } from 'node:fs';
import net, { isIP } from 'node:net';
import { getSystemErrorName } from 'node:util';

/** A socket that has its address. The supervisor keeps it; workers listen on copies of it. */
export interface BoundSocket {
  readonly fd: number;
  /** The real one, where 0 was asked for. */
  readonly port: number;
  close(): void;
}

/** What `net._createServerHandle` gives: a handle that is bound, and does not listen. */
interface BoundHandle {
  readonly fd: number;
  getsockname(into: { port?: number }): number;
  close(): void;
}

type CreateServerHandle = (address: string, port: number, family: 4 | 6, fd: -1, flags: 0) => unknown;

/**
 * Node binds and listens in one step, and who listens accepts. What it does first, `_createServerHandle`, is
 * undocumented, though old and used by `cluster`; its result is looked at before it is believed.
 */
const createServerHandle: unknown = Reflect.get(net, '_createServerHandle');

function isBound(handle: unknown): handle is BoundHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'fd' in handle &&
    typeof handle.fd === 'number' &&
    handle.fd > 2 &&
    'getsockname' in handle &&
    typeof handle.getsockname === 'function' &&
    'close' in handle &&
    typeof handle.close === 'function'
  );
}

/** Whether {@link bindSocket} can be used with this Node. */
export const canBind: boolean = typeof createServerHandle === 'function';

/** An address as people write it. */
export function placeOf(address: string, port: number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/**
 * Binds a socket that is to listen later.
 * @throws {Error} `EADDRINUSE`, `EACCES` and the like
 */
export async function bindSocket(address: string, port: number): Promise<BoundSocket> {
  const host = isIP(address) === 0 ? (await lookup(address)).address : address;
  const handle = (createServerHandle as CreateServerHandle)(host, port, isIP(host) === 6 ? 6 : 4, -1, 0);
  if (typeof handle === 'number') throw bindError(handle, address, port);
  if (!isBound(handle)) throw new Error(`a socket for ${placeOf(address, port)} cannot be made`);
  const name: { port?: number } = {};
  // An address that is taken is told only to who asks.
  const error = handle.getsockname(name);
  if (error !== 0) {
    handle.close();
    throw bindError(error, address, port);
  }
  return { fd: handle.fd, port: name.port ?? port, close: () => handle.close() };
}

/** A socket that this process was started with. */
export function inheritedSocket(fd: number, port: number): BoundSocket {
  return { fd, port, close: () => closeSync(fd) };
}

function bindError(errno: number, address: string, port: number): Error {
  const code = getSystemErrorName(errno);
  const place = placeOf(address, port);
  const message =
    code === 'EADDRINUSE' ? `${place} is in use by another process` : `cannot listen on ${place}: ${code}`;
  return Object.assign(new Error(message), { code });
}
