import net, { type AddressInfo } from 'node:net';
import { closeSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { duplicateSockets } from '../src/run/duplicate-socket.ts';
import { Load, ask, configFor, eventually, folder, onCleanup, startRp, wordBackend } from './run-support.ts';

/** A socket that listens and that nobody accepts on, as a service manager holds one. */
async function heldSocket(): Promise<{ fd: number; port: number }> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  // A copy of it listens, and nobody here accepts on that.
  const [[copy] = []] = await duplicateSockets([{ fd, count: 1 }]);
  const held = copy!.take();
  await new Promise((resolve) => server.close(resolve));
  onCleanup(() => closeSync(held));
  return { fd: held, port };
}

describe('a socket that was handed over', () => {
  it('goes from process to process without losing a request', async () => {
    const { url } = await wordBackend('a');
    const { fd, port } = await heldSocket();
    const config = configFor([url]).replace('port: 0', `port: ${port}`);
    let current = await startRp(config, { sockets: [fd] }).ready();
    const load = new Load(`http://127.0.0.1:${port}/`, 8);
    for (let i = 0; i < 2; i++) {
      const successor = await startRp(config, { sockets: [fd] }).ready();
      current.signal('SIGTERM');
      expect(await current.exited).toBe(0);
      const served = load.ok;
      await eventually('more answers', () => load.ok > served + 50);
      current = successor;
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect((await current.stats()).workers).toMatchObject({ configured: 2, ready: 2, restarts: 0 });
  });

  it('is still there for a worker that replaces another', async () => {
    const { url } = await wordBackend('a');
    const { fd, port } = await heldSocket();
    const trigger = join(folder(), 'die');
    const preload = `
      import { isMainThread } from 'node:worker_threads';
      import { existsSync, renameSync } from 'node:fs';
      if (!isMainThread) setInterval(() => {
        if (!existsSync(${JSON.stringify(trigger)})) return;
        renameSync(${JSON.stringify(trigger)}, ${JSON.stringify(`${trigger}.done`)});
        process.exit(3);
      }, 5).unref();`;
    const config = configFor([url]).replace('port: 0', `port: ${port}`).replace('workers: 2', 'workers: 1');
    const rp = await startRp(config, { sockets: [fd], preload }).ready();
    for (let i = 1; i <= 3; i++) {
      writeFileSync(trigger, '');
      await eventually('the replacement', async () => {
        const { restarts, ready } = (await rp.stats()).workers;
        return restarts === i && ready === 1;
      });
      expect((await ask(`http://127.0.0.1:${port}/`)).body).toBe('a');
    }
  });

  it('that fits no listener is named and left alone', async () => {
    const { url } = await wordBackend('a');
    const { fd, port } = await heldSocket();
    const rp = await startRp(configFor([url]), { sockets: [fd] }).ready();
    expect(await rp.said('a socket that was handed over fits no listener and is left alone')).toMatchObject({
      port,
    });
  });
});
