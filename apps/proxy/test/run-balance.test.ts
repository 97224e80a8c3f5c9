import { Engine } from '@rp/core';
import net, { type AddressInfo } from 'node:net';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { duplicateSockets } from '../src/run/duplicate-socket.ts';
import {
  configFor,
  connection,
  eventually,
  folder,
  onCleanup,
  startRp,
  wordBackend,
  type Rp,
} from './run-support.ts';

const perWorker = async (rp: Rp): Promise<readonly number[]> =>
  (await rp.stats()).workers.each.map((worker) => (worker.answered ? worker.connections : 0));

/** Code that every worker loads: its event loop stands still for a while when a file appears. */
const standstill = (file: string, ms: number): string => `
import { isMainThread } from 'node:worker_threads';
import { existsSync, renameSync } from 'node:fs';
if (!isMainThread) setInterval(() => {
  if (!existsSync(${JSON.stringify(file)})) return;
  renameSync(${JSON.stringify(file)}, ${JSON.stringify(`${file}.done`)});
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms});
}, 5).unref();`;

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('workers that accept from one queue', () => {
  // How even it gets hangs on who is awake when: the scripts that measure it have the machine to themselves.
  it('have each its share of 256 connections', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url])).ready();
    const all = await Promise.all(Array.from({ length: 256 }, () => connection(rp.port)));
    for (const one of all) one.socket.write(REQUEST);
    await eventually('all answers', () => all.every((one) => one.received().includes('200 OK')));
    const counts = await perWorker(rp);
    expect(counts[0]! + counts[1]!).toBe(256);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(64);
  });

  it('are balanced again by the connections that come after others have gone', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url])).ready();
    const all = await Promise.all(Array.from({ length: 100 }, () => connection(rp.port)));
    await eventually('all accepted', async () => (await rp.stats()).connections.open === 100);
    const closing = all.slice(0, 50);
    for (const one of closing) one.socket.destroy();
    await eventually('half of them gone', async () => (await rp.stats()).connections.open === 50);
    await Promise.all(Array.from({ length: 50 }, () => connection(rp.port)));
    await eventually('all there', async () => (await rp.stats()).connections.open === 100);
    const counts = await perWorker(rp);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(20);
  });

  it('serve what waited for one that stood still, and reset nothing that waits when they are told to end', async () => {
    const { url } = await wordBackend('a');
    const trigger = join(folder(), 'stand');
    const config = configFor([url]).replace('workers: 2', 'workers: 1');
    const rp = await startRp(config, { preload: standstill(trigger, 600) }).ready();
    writeFileSync(trigger, '');
    await eventually('the standstill', () => existsSync(`${trigger}.done`));
    // The kernel accepts for a process that does not.
    const waiting = await Promise.all(Array.from({ length: 60 }, () => connection(rp.port)));
    for (const one of waiting) one.socket.write(REQUEST);
    rp.signal('SIGTERM');
    await eventually('an end for each', () => waiting.every((one) => one.closed()));
    expect(waiting.filter((one) => one.received().includes('200 OK'))).toHaveLength(60);
    expect(await rp.exited).toBe(0);
  });

  it('refuse nobody while a worker, even the only one, is being replaced', async () => {
    const { url } = await wordBackend('a');
    const trigger = join(folder(), 'die');
    const preload = `
      import { isMainThread } from 'node:worker_threads';
      import { existsSync, renameSync } from 'node:fs';
      if (!isMainThread) setInterval(() => {
        if (!existsSync(${JSON.stringify(trigger)})) return;
        renameSync(${JSON.stringify(trigger)}, ${JSON.stringify(`${trigger}.done`)});
        process.exit(3);
      }, 5).unref();`;
    const rp = await startRp(configFor([url]).replace('workers: 2', 'workers: 1'), { preload }).ready();
    writeFileSync(trigger, '');
    await rp.said('a worker died');
    const one = await connection(rp.port);
    one.socket.write(REQUEST);
    await eventually('its answer', () => one.received().includes('200 OK'));
  });
});

describe('an engine whose turn it is not', () => {
  it('leaves connections in the queue until it is', async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const [[copy] = []] = await duplicateSockets([{ fd, count: 1 }]);
    await new Promise((resolve) => server.close(resolve));
    const engine = new Engine({ settings: { routes: [] } });
    onCleanup(() => engine.close());
    let turn = true;
    engine.runtime.turns = { mayAccept: () => turn };
    await engine.listen({ fd: copy!.take() });
    const first = await connection(port);
    await eventually('the first', () => engine.connections === 1);
    turn = false;
    engine.reconsider();
    const second = await connection(port);
    second.socket.write(REQUEST);
    first.socket.write(REQUEST);
    await eventually('an answer', () => first.received().includes('404'));
    expect(engine.connections).toBe(1);
    turn = true;
    engine.reconsider();
    await eventually('the second answer', () => second.received().includes('404'));
  });

  it('accepts all the same where its handle cannot wait', async () => {
    const engine = new Engine({ settings: { routes: [] } });
    onCleanup(() => engine.close());
    engine.runtime.turns = { mayAccept: () => false };
    const { port } = await engine.listen({ address: '127.0.0.1' });
    engine.reconsider();
    const one = await connection(port);
    one.socket.write(REQUEST);
    await eventually('an answer', () => one.received().includes('404'));
  });
});
