import { type Server, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { ProcessGroup } from './process.ts';

/**
 * A shell that holds a listening socket as descriptor 3, never accepts on it, and starts successors with it, as
 * systemd would: LISTEN_FDS=1, LISTEN_PID of the process itself.
 */
const HOLDER = `while read -r line; do
  sh -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"' sh "$@" </dev/null &
  echo $!
done`;

/** Holds a listening socket for processes that come and go. */
export interface Holder {
  /** Starts another process with the socket; gives its id. */
  next(): Promise<number>;
}

/** Listens on `port` and gives the socket away to a shell, which starts `command` with it when asked. */
export async function holdSocket(
  group: ProcessGroup,
  port: number,
  command: readonly string[],
): Promise<Holder> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', 4096, resolve);
  });
  const shell = group.start('sh', ['-c', HOLDER, 'sh', ...command], {
    descriptors: 65_536,
    stdio: ['pipe', 'pipe', 'inherit', descriptorOf(server)],
  });
  await new Promise((resolve) => server.close(resolve));
  const { stdin, stdout } = shell.process;
  if (!stdin || !stdout) throw new Error('the shell has no pipes');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return {
    async next() {
      stdin.write('\n');
      return Number((await lines.next()).value);
    },
  };
}

/**
 * The descriptor of a listening server, to be inherited by a child. Node has no public way to it; a clear error here
 * is better than a child without its socket.
 */
function descriptorOf(server: Server): number {
  const handle: unknown = '_handle' in server ? server._handle : undefined;
  const fd: unknown = typeof handle === 'object' && handle !== null && 'fd' in handle ? handle.fd : undefined;
  if (typeof fd !== 'number' || fd < 0) throw new Error('this Node does not tell the descriptor of a server');
  return fd;
}
