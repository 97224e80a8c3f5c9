import { createServer } from 'node:net';
import type { Listener } from '../config/index.ts';

/**
 * Makes sure that nobody listens on the addresses. With `reusePort`, which lets worker threads share a port, the
 * kernel would let another process of the same user share it too, and give it half of the connections.
 * @throws {Error} `EADDRINUSE`, `EACCES` and the like
 */
export async function checkFree(listeners: readonly Pick<Listener, 'address' | 'port'>[]): Promise<void> {
  for (const { address, port } of listeners) if (port !== 0) await bindOnce(address, port);
}

function bindOnce(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    // Nobody can expect an answer yet.
    const probe = createServer((socket) => socket.destroy());
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      const taken = `${place} is in use by another process`;
      reject(error.code === 'EADDRINUSE' ? new Error(taken, { cause: error }) : error);
    });
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}
