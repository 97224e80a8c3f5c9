import { describe, expect, it } from 'vitest';
import { Load, ask, configFor, eventually, startRp, wordBackend } from './run-support.ts';

describe('a reload', () => {
  it('loses no request while backends come and go under load', async () => {
    const [a, b] = [await wordBackend('a'), await wordBackend('b')];
    const rp = await startRp(configFor([a.url])).ready();
    const load = new Load(`http://127.0.0.1:${rp.port}/`, 8);
    for (let i = 0; i < 6; i++) {
      const served = load.bodies.get('b') ?? 0;
      rp.write(configFor([a.url, b.url]));
      rp.signal('SIGHUP');
      // Also a backend that was there before is served again: its old connections are not met any more.
      await eventually(`round ${i}: the second backend`, () => (load.bodies.get('b') ?? 0) > served);
      rp.write(configFor([a.url]));
      rp.signal('SIGHUP');
      const version = 3 + 2 * i;
      await eventually(`version ${version}`, async () => (await rp.stats()).config.version === version);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.ok).toBeGreaterThan(50);
    expect((await rp.stats()).config).toEqual({ version: 13, reloads: 12, refusedReloads: 0 });
  });

  it('of a file with mistakes says where they are and changes nothing', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url])).ready();
    const load = new Load(`http://127.0.0.1:${rp.port}/`, 4);
    rp.write(configFor([url]).replace('backends', 'backeds'));
    rp.signal('SIGHUP');
    const line = await rp.said('reload refused: the running configuration stays');
    expect(line.problems).toContain('proxy.yaml:5:5: upstreams.app.backeds: there is no such option');
    await load.stop();
    expect(load.failures).toEqual([]);
    expect((await rp.stats()).config).toEqual({ version: 1, reloads: 0, refusedReloads: 1 });
  });

  it('logs its plan, and what needs a restart; workers that replace others keep to what runs', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url])).ready();
    rp.write(configFor([url], 'limits: { headers: 16KB }\n').replace('workers: 2', 'workers: 3'));
    rp.signal('SIGHUP');
    expect(await rp.said('reloading')).toMatchObject({
      added: [],
      removed: [],
      changed: [
        { path: 'workers', from: 2, to: 3 },
        { path: 'limits.headers', from: '32KB', to: '16KB' },
      ],
      needsRestart: ['workers'],
    });
    await rp.said('reloaded');
    const long = { 'x-long': 'x'.repeat(20_000) };
    await eventually('the new limit', async () => {
      const { status } = await ask(`http://127.0.0.1:${rp.port}/`, { headers: long, maxHeaderSize: 100_000 });
      return status === 431;
    });
  });

  it('keeps counts, connections and states of what did not change', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url])).ready();
    for (let i = 0; i < 5; i++) await ask(`http://127.0.0.1:${rp.port}/`);
    await ask(`${rp.admin}/backends/app/${new URL(url).host}/drain`, { method: 'POST' });
    rp.write(configFor([url], 'limits: { headers: 16KB }\n'));
    rp.signal('SIGHUP');
    await rp.said('reloaded');
    const backend = (await rp.backends())[0]!;
    expect(backend).toMatchObject({ picked: 5, succeeded: 5, state: 'draining' });
    expect(backend.pool.created).toBeGreaterThan(0);
    expect(backend.pool.failed).toBe(0);
  });
});
