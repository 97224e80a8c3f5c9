import { describe, expect, it } from 'vitest';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Load, ask, configFor, connection, eventually, folder, startRp, wordBackend } from './run-support.ts';

/** Code that every thread loads: worker 0 does something terrible when a file appears, once. */
const onTrigger = (file: string, disaster: string): string => `
import { isMainThread, workerData } from 'node:worker_threads';
import { existsSync, renameSync } from 'node:fs';
if (!isMainThread && workerData?.index === 0) setInterval(() => {
  if (!existsSync(${JSON.stringify(file)})) return;
  renameSync(${JSON.stringify(file)}, ${JSON.stringify(`${file}.done`)});
  ${disaster}
}, 5).unref();`;

describe('a worker that dies', () => {
  it('takes only its own connections with it, and is replaced within a second', async () => {
    const { url } = await wordBackend('a');
    const trigger = join(folder(), 'die');
    const rp = await startRp(configFor([url]), {
      preload: onTrigger(trigger, `throw new Error('a bug')`),
    }).ready();
    const connections = await Promise.all(Array.from({ length: 24 }, () => connection(rp.port)));
    await eventually('all accepted', async () => (await rp.stats()).connections.open >= 24);
    const perWorker = (await rp.stats()).workers.each.map((worker) =>
      worker.answered ? worker.connections : 0,
    );
    expect(Math.min(...perWorker)).toBeGreaterThan(0);
    const load = new Load(`http://127.0.0.1:${rp.port}/`, 8);
    await eventually('load', () => load.ok > 20);

    writeFileSync(trigger, '');
    const died = await rp.said('a worker died');
    expect(died).toMatchObject({ worker: 0, reason: 'a bug', restartInMs: 0 });
    const again = await rp.said(
      'worker ready',
      (line) => line.worker === 0 && String(line.time) > String(died.time),
    );
    expect(Date.parse(String(again.time)) - Date.parse(String(died.time))).toBeLessThan(1000);

    await load.stop();
    // Nobody else noticed: at most what worker 0 carried failed, and no failure is an answer of ours.
    expect(load.failures.length).toBeLessThanOrEqual(8);
    expect(load.failures.filter((one) => /^[0-9]/u.test(one))).toEqual([]);
    for (const one of connections) if (!one.closed()) one.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually('answers', () =>
      connections.every((one) => one.closed() || one.received().includes('200 OK')),
    );
    expect(connections.filter((one) => one.closed())).toHaveLength(perWorker[0]!);
    expect(connections.filter((one) => one.received().includes('200 OK'))).toHaveLength(perWorker[1]!);

    const stats = await rp.stats();
    expect(stats.workers).toMatchObject({ configured: 2, ready: 2, restarts: 1 });
    expect(stats.requests.active).toBe(0);
    expect(stats.connections.open).toBe(perWorker[1]);
    expect(stats.upstreams.app!.backends[0]).toMatchObject({ active: 0 });
    const { permits, pool } = stats.upstreams.app!.backends[0]!;
    expect(permits).toBe(pool.idle);
  });

  it('is found when its event loop does not turn any more', { timeout: 30_000 }, async () => {
    const { url } = await wordBackend('a');
    const trigger = join(folder(), 'loop');
    const rp = await startRp(configFor([url]), { preload: onTrigger(trigger, 'for (;;);') }).ready();
    writeFileSync(trigger, '');
    const died = await eventually(
      'its death',
      () => rp.log.find(({ msg }) => msg === 'a worker died'),
      15_000,
    );
    expect(died.reason).toBe('no sign of life for 5000 ms');
    await eventually('its replacement', async () => (await rp.stats()).workers.ready === 2);
    expect((await ask(`http://127.0.0.1:${rp.port}/`)).status).toBe(200);
  });

  it('waits longer each time when it dies again and again', async () => {
    const { url } = await wordBackend('a');
    const trigger = join(folder(), 'again');
    const preload = onTrigger(trigger, `process.exit(7)`);
    const rp = await startRp(configFor([url]), { preload }).ready();
    for (const restartInMs of [0, 100, 200]) {
      await eventually('two workers', async () => (await rp.stats()).workers.ready === 2);
      writeFileSync(trigger, '');
      await rp.said(
        'a worker died',
        (line) => line.restartInMs === restartInMs && line.reason === 'exit code 7',
      );
      expect(existsSync(trigger)).toBe(false);
    }
    await eventually('two workers', async () => (await rp.stats()).workers.ready === 2);
  });

  it('does not keep the process from ending when it dies in a drain', async () => {
    const { url } = await wordBackend('a');
    const trigger = join(folder(), 'drain');
    const rp = await startRp(configFor([url]), {
      preload: onTrigger(trigger, `throw new Error('late')`),
    }).ready();
    const open = await connection(rp.port);
    open.socket.write('GET / HTTP/1.1\r\nHost: a\r\n');
    rp.signal('SIGTERM');
    await rp.said('draining');
    writeFileSync(trigger, '');
    open.socket.destroy();
    expect(await rp.exited).toBe(0);
  });
});

describe('limits.maxConnections', () => {
  it('holds over all workers together, and every place can be used', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url], 'limits: { maxConnections: 10 }\n')).ready();
    const all = await Promise.all(Array.from({ length: 40 }, () => connection(rp.port)));
    const send = (one: (typeof all)[number]) => one.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    for (const one of all) send(one);
    await eventually('an end for each', () =>
      all.every((one) => /^HTTP\/1\.1 (?:200|503)/u.test(one.received())),
    );
    const served = all.filter((one) => one.received().includes(' 200 ')).length;
    expect(served).toBeLessThanOrEqual(10);
    expect(served).toBeGreaterThanOrEqual(8);
    // Places that one worker had in reserve go to whoever needs them.
    const open = all.filter((one) => !one.closed());
    await eventually('ten at once', async () => {
      const one = await connection(rp.port);
      send(one);
      await eventually('its answer', () => one.received() !== '');
      if (one.received().includes(' 200 ')) open.push(one);
      const count = (await rp.stats()).connections.open;
      expect(count).toBeLessThanOrEqual(10);
      return count === 10;
    });
    expect((await rp.stats()).connections.refused).toBeGreaterThanOrEqual(30);
  });
});
