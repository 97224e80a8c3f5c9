import { describe, expect, it } from 'vitest';
import {
  type Rp,
  ask,
  backend,
  closeServer,
  configFor,
  eventually,
  startRp,
  wordBackend,
} from './run-support.ts';

const check =
  '    healthCheck: { path: /health, interval: 100ms, timeout: 80ms, failureThreshold: 2, successThreshold: 2 }';
const states = async (rp: Rp): Promise<readonly string[]> => (await rp.backends()).map(({ state }) => state);

describe('active health checks', () => {
  it('take a backend out that stopped, bring it back, and log each change once', async () => {
    const [a, b] = [await wordBackend('a'), await wordBackend('b')];
    const rp = await startRp(configFor([a.url, b.url], '', check)).ready();
    expect(await states(rp)).toEqual(['healthy', 'healthy']);
    await closeServer(b.server);
    await eventually('its state', async () => (await states(rp))[1] === 'unhealthy');
    for (let i = 0; i < 6; i++) expect((await ask(`http://127.0.0.1:${rp.port}/`)).body).toBe('a');
    const line = await rp.said('a backend changed its state', ({ to }) => to === 'unhealthy');
    expect(line).toMatchObject({ upstream: 'app', backend: b.url, from: 'healthy' });
    expect(line.reason).toMatch(/^healthCheckFailed: .*ECONNREFUSED/u);

    await backend((_request, response) => response.end('b'), b.port);
    await eventually('its return', async () => (await states(rp))[1] === 'healthy');
    await eventually('its traffic', async () => (await ask(`http://127.0.0.1:${rp.port}/`)).body === 'b');
    const changes = rp.log.filter(
      ({ msg, backend: url }) => msg === 'a backend changed its state' && url === b.url,
    );
    expect(changes.filter(({ to }) => to === 'unhealthy')).toHaveLength(1);
    expect(changes.filter(({ to }) => to === 'healthy')).toHaveLength(1);
  });

  it('run once per process, each on a connection of its own, with the right Host', async () => {
    const seen: { readonly host: string | undefined; readonly port: number | undefined }[] = [];
    const { url } = await backend((request, response) => {
      if (request.url === '/health')
        seen.push({ host: request.headers.host, port: request.socket.remotePort });
      response.end();
    });
    const rp = await startRp(configFor([url], '', check)).ready();
    await eventually('checks', () => seen.length >= 5);
    expect(new Set(seen.map(({ host }) => host))).toEqual(new Set([new URL(url).host]));
    expect(new Set(seen.map(({ port }) => port)).size).toBe(seen.length);
    // Two workers: checks of their own would be twice as many as the interval allows.
    const [before, from] = [seen.length, performance.now()];
    await eventually('more checks', () => seen.length >= before + 8);
    expect((performance.now() - from) / 8).toBeGreaterThan(80);
    expect(rp.ended).toBe(false);
  });

  it('judge status, body and time', async () => {
    let mode: 'good' | 'status' | 'body' | 'stall' = 'good';
    const { url } = await backend((request, response) => {
      if (request.url !== '/health') return void response.end('x');
      if (mode === 'stall') return;
      response.statusCode = mode === 'status' ? 500 : 200;
      response.end(mode === 'body' ? 'no' : 'all is well');
    });
    const other = await wordBackend('all is well');
    const strict = check.replace(' }', ', expectBody: is well }');
    const rp = await startRp(configFor([url, other.url], '', strict)).ready();
    for (const [bad, reason] of [
      ['status', 'status 500'],
      ['body', 'unexpected body'],
      ['stall', 'timeout'],
    ] as const) {
      mode = bad;
      await rp.said('a backend changed its state', (line) => line.reason === `healthCheckFailed: ${reason}`);
      mode = 'good';
      await eventually('its return', async () => (await states(rp))[0] === 'healthy');
    }
    expect((await rp.backends())[0]).toMatchObject({ state: 'healthy', stateChanges: 6 });
  });

  it('that are switched off by a reload leave no backend out', async () => {
    const { url } = await backend((request, response) => {
      response.statusCode = request.url === '/health' ? 500 : 200;
      response.end('x');
    });
    const rp = await startRp(configFor([url], '', check)).ready();
    await eventually('its state', async () => (await states(rp))[0] === 'unhealthy');
    rp.write(configFor([url]));
    rp.signal('SIGHUP');
    await eventually('its return', async () => (await states(rp))[0] === 'healthy');
    expect((await ask(`http://127.0.0.1:${rp.port}/`)).status).toBe(200);
  });
});
