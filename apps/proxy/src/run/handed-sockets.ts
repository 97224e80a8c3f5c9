import { readFileSync, readlinkSync } from 'node:fs';
import type { Env, Listener } from '../config/index.ts';

/** A listening socket that this process was started with. */
export interface HandedSocket {
  readonly fd: number;
  readonly address: string;
  readonly port: number;
}

/** First descriptor of sd_listen_fds(3). */
const FIRST = 3;
/** More than anybody hands over: guards against nonsense in the environment. */
const MOST = 1024;

/** Reads what the kernel says of this process; injected for tests. */
export interface ProcFiles {
  /** What `/proc/self/fd/<fd>` points to, such as `socket:[4711]`. */
  readonly link: (fd: number) => string;
  /** The contents of `/proc/self/net/<name>`. */
  readonly table: (name: 'tcp' | 'tcp6') => string;
}

const proc: ProcFiles = {
  link: (fd) => readlinkSync(`/proc/self/fd/${fd}`),
  table: (name) => readFileSync(`/proc/self/net/${name}`, 'latin1'),
};

/**
 * Listening sockets from systemd or a predecessor: `LISTEN_FDS` descriptors from 3 on, meant for us if `LISTEN_PID`
 * is our process. Their addresses come from the kernel, not from their order.
 * @throws {Error} where one of them is no listening TCP socket
 */
export function handedSockets(env: Env, pid: number, files: ProcFiles = proc): readonly HandedSocket[] {
  const count = Number(env.LISTEN_FDS ?? '0');
  if (Number(env.LISTEN_PID ?? '0') !== pid || !Number.isInteger(count) || count < 1) return [];
  const listening = new Map([...rows(files.table('tcp')), ...rows(files.table('tcp6'))]);
  return Array.from({ length: Math.min(count, MOST) }, (_, at) => {
    const fd = FIRST + at;
    const inode = /^socket:\[([0-9]+)\]$/u.exec(files.link(fd))?.[1] ?? '';
    const place = listening.get(inode);
    if (place === undefined) throw new Error(`descriptor ${fd} (LISTEN_FDS) is no listening TCP socket`);
    return { fd, ...place };
  });
}

/** Inode and address of every listening socket in a table of proc(5). */
function rows(
  table: string,
): readonly (readonly [string, { readonly address: string; readonly port: number }])[] {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/u))
    .filter(([, , , state]) => state === '0A')
    .map((columns) => {
      const [host = '', port = ''] = (columns[1] ?? '').split(':');
      return [columns[9] ?? '', { address: addressOf(host), port: Number.parseInt(port, 16) }] as const;
    });
}

/** An address as the kernel prints it: words of 32 bits in the order of the machine, in hexadecimal. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  bytes.swap32();
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  return canonical(groups.join(':'));
}

/** One spelling for each address. */
function canonical(address: string): string {
  if (!address.includes(':')) return address === 'localhost' ? '127.0.0.1' : address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** For each listener the descriptors that were handed over for it; those that fit none are left. */
export function assignSockets(
  handed: readonly HandedSocket[],
  listeners: readonly Pick<Listener, 'address' | 'port'>[],
): { readonly assigned: readonly (readonly number[])[]; readonly left: readonly HandedSocket[] } {
  const fits = (socket: HandedSocket, { address, port }: Pick<Listener, 'address' | 'port'>): boolean =>
    socket.port === port && socket.address === canonical(address);
  return {
    assigned: listeners.map((listener) => handed.filter((one) => fits(one, listener)).map(({ fd }) => fd)),
    left: handed.filter((socket) => !listeners.some((listener) => fits(socket, listener))),
  };
}
