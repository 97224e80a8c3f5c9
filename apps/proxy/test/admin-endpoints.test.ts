import { describe, expect, it } from 'vitest';
import { ask, backend, configFor, connection, eventually, startRp, wordBackend } from './run-support.ts';

const post = (url: string, body?: unknown, method = 'POST') =>
  ask(url, {
    method,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });

describe('the admin listener', () => {
  it('answers health, readiness, statistics, metrics and the page', async () => {
    const { url } = await wordBackend('hello');
    const rp = await startRp(configFor([url])).ready();
    for (let i = 0; i < 10; i++) await ask(`http://127.0.0.1:${rp.port}/`);
    expect(await ask(`${rp.admin}/healthz`)).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await ask(`${rp.admin}/readyz`)).toMatchObject({ status: 200, body: 'ready\n' });

    const stats = await rp.stats();
    expect(stats).toMatchObject({
      ready: true,
      workers: { configured: 2, ready: 2, restarts: 0 },
      connections: { accepted: 10, refused: 0 },
      requests: { total: 10, active: 0 },
      responses: { '2xx': 10 },
      cache: null,
    });
    const app = stats.upstreams.app!.backends[0]!;
    expect(app).toMatchObject({
      name: new URL(url).host,
      state: 'healthy',
      picked: 10,
      succeeded: 10,
      active: 0,
    });
    expect(app.latency.count).toBe(10);
    expect(app.pool.created + app.pool.reused).toBeGreaterThanOrEqual(10);
    expect(app.pool.connectMs.count).toBe(app.pool.created);

    const metrics = await ask(`${rp.admin}/metrics`);
    expect(metrics.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/u);
    expect(metrics.body).toContain('# TYPE rp_requests_total counter\nrp_requests_total 10\n');
    expect(metrics.body).toContain('rp_request_duration_seconds_bucket{le="+Inf"} 10');
    expect(metrics.body).toContain(
      `rp_backend_attempts_total{upstream="app",backend="${new URL(url).host}",outcome="success"} 10`,
    );

    const page = await ask(`${rp.admin}/`);
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-frame-options': 'DENY',
    });
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//u);
  });

  it('is not ready while the proxy drains', async () => {
    const { url } = await backend(() => undefined);
    const rp = await startRp(configFor([url])).ready();
    const hanging = ask(`http://127.0.0.1:${rp.port}/`).catch(() => undefined);
    await eventually('the request', async () => (await rp.stats()).requests.active === 1);
    rp.signal('SIGTERM');
    await eventually('not ready', async () => (await ask(`${rp.admin}/readyz`)).status === 503);
    expect((await ask(`${rp.admin}/healthz`)).status).toBe(200);
    rp.signal('SIGTERM');
    await hanging;
  });

  it('reloads, and says what is wrong with a file in file, line and column', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url])).ready();
    rp.write(configFor([url], 'limits: { body: 1MB }\n'));
    const good = await post(`${rp.admin}/reload`);
    expect([good.status, JSON.parse(good.body)]).toMatchObject([
      200,
      {
        outcome: 'reloaded',
        version: 2,
        plan: { changed: [{ path: 'limits.body', from: '1GB', to: '1MB' }] },
      },
    ]);
    rp.write(configFor([url], 'limits: { body: 1 }\n'));
    const bad = await post(`${rp.admin}/reload`);
    expect([bad.status, JSON.parse(bad.body)]).toMatchObject([
      400,
      { outcome: 'refused', problems: [{ file: rp.file, line: 9, column: 17, path: 'limits.body' }] },
    ]);
    expect((await rp.stats()).config).toMatchObject({ version: 2, reloads: 1, refusedReloads: 1 });
  });

  it('drains, disables and enables a backend', async () => {
    const [a, b] = [await wordBackend('a'), await wordBackend('b')];
    const rp = await startRp(configFor([a.url, b.url])).ready();
    const name = new URL(b.url).host;
    const drained = await post(`${rp.admin}/backends/app/${name}/drain`);
    expect(JSON.parse(drained.body)).toEqual({
      upstream: 'app',
      backend: name,
      state: 'draining',
      addresses: 1,
    });
    for (let i = 0; i < 6; i++) expect((await ask(`http://127.0.0.1:${rp.port}/`)).body).toBe('a');
    await post(`${rp.admin}/backends/app/${encodeURIComponent(name)}/disable`);
    expect((await rp.backends())[1]!.state).toBe('disabled');
    await post(`${rp.admin}/backends/app/${name}/enable`);
    await eventually('its traffic', async () => (await ask(`http://127.0.0.1:${rp.port}/`)).body === 'b');
    expect((await post(`${rp.admin}/backends/app/nobody/drain`)).status).toBe(404);
    expect((await post(`${rp.admin}/backends/none/${name}/drain`)).status).toBe(404);
    expect((await post(`${rp.admin}/backends/app/%ff/drain`)).status).toBe(400);
  });

  it('changes the log level of all threads', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url])).ready();
    expect((await post(`${rp.admin}/log/level`, { level: 'debug' }, 'PUT')).body).toBe('{"level":"debug"}\n');
    rp.signal('SIGHUP');
    await rp.said('configuration taken over');
    expect((await post(`${rp.admin}/log/level`, { level: 'loud' }, 'PUT')).status).toBe(400);
    expect((await ask(`${rp.admin}/log/level`)).status).toBe(200);
  });

  it('purges the caches of all workers, and says how much that was', async () => {
    const { url } = await backend((request, response) => {
      response.setHeader('Cache-Control', 'max-age=600');
      if (request.url?.startsWith('/tagged') === true) response.setHeader('Cache-Tag', 'news');
      response.end('x');
    });
    const rp = await startRp(configFor([url], 'cache: { enabled: true }\n')).ready();
    const fill = async (): Promise<number> => {
      for (const path of ['/a', '/b/1', '/b/2', '/tagged']) {
        for (let i = 0; i < 6; i++) await ask(`http://127.0.0.1:${rp.port}${path}`);
      }
      return (await rp.stats()).cache!.responses!;
    };
    const base = `http://127.0.0.1:${rp.port}`;
    const removed = async (purge: Promise<{ body: string }>): Promise<number> =>
      JSON.parse((await purge).body).removed;
    const stored = await fill();
    expect(stored).toBeGreaterThanOrEqual(4);
    const gone = [
      await removed(post(`${rp.admin}/cache/purge`, { url: `${base}/a` })),
      await removed(post(`${rp.admin}/cache/purge`, { prefix: `${base}/b/` })),
      await removed(post(`${rp.admin}/cache/purge`, { tag: 'news' })),
    ];
    for (const count of gone) expect(count).toBeGreaterThan(0);
    expect(gone.reduce((sum, count) => sum + count, 0)).toBe(stored);
    const again = await fill();
    expect(await removed(ask(`${rp.admin}/cache`, { method: 'DELETE' }))).toBe(again);
    expect((await rp.stats()).cache!.responses).toBe(0);
    for (const bad of [
      {},
      { url: 'x' },
      { tag: '' },
      { all: false },
      { url: 'a', tag: 'b' },
      { what: 'a' },
      '[]',
      '{',
    ]) {
      expect((await post(`${rp.admin}/cache/purge`, bad)).status).toBe(400);
    }
  });

  it('refuses what it does not know, long bodies, strangers and other sites, and goes on', async () => {
    const { url } = await wordBackend('a');
    const token = 'a-token-of-16-letters';
    const rp = await startRp(
      configFor([url]).replace('admin: { port: 0 }', `admin: { port: 0, token: ${token} }`),
    ).ready();
    const headers = { authorization: `Bearer ${token}` };
    const status = async (path: string, options: Parameters<typeof ask>[1]) =>
      (await ask(`${rp.admin}${path}`, options)).status;
    expect(await status('/stats', {})).toBe(401);
    expect(await status('/stats', { headers })).toBe(200);
    expect(await status('/nothing', { headers })).toBe(404);
    expect(await status('/reload', { headers })).toBe(405);
    expect(await status('/cache/purge', { headers, method: 'POST', body: 'x'.repeat(20_000) })).toBe(413);
    expect(
      await status('/reload', { headers: { ...headers, origin: 'http://evil.example' }, method: 'POST' }),
    ).toBe(403);
    expect((await ask(`${rp.admin}/healthz`)).status).toBe(200);
    expect(rp.stderr).not.toContain(token);
  });

  it('answers targets that are none with 400, and takes two slashes for a path', async () => {
    const { url } = await wordBackend('a');
    const rp = await startRp(configFor([url])).ready();
    const { port } = new URL(rp.admin);
    const statusOf = async (target: string): Promise<string> => {
      const { socket, received } = await connection(Number(port));
      socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
      await eventually('an answer', () => received() !== '');
      return received().slice(9, 12);
    };
    expect(await statusOf('http://[')).toBe('400');
    expect(await statusOf('//stats')).toBe('404');
    expect(await statusOf('http://127.0.0.1/healthz')).toBe('200');
    expect(rp.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('shows metrics that a scraper accepts: each described once, no series twice', async () => {
    const [a, b] = [await wordBackend('a'), await wordBackend('b')];
    const rp = await startRp(configFor([a.url, b.url], 'cache: { enabled: true }\n')).ready();
    for (let i = 0; i < 4; i++) await ask(`http://127.0.0.1:${rp.port}/${i}`);
    const { body } = await ask(`${rp.admin}/metrics`);
    const lines = body.split('\n').filter(Boolean);
    const described = (word: string): readonly string[] =>
      lines.filter((line) => line.startsWith(`# ${word} `)).map((line) => line.split(' ')[2]!);
    expect(new Set(described('HELP')).size).toBe(described('HELP').length);
    expect(described('TYPE')).toEqual(described('HELP'));
    const series = lines.filter((line) => !line.startsWith('#'));
    const form = /^([a-z_][a-z_0-9]*)((?:\{(?:[a-z_0-9]+="(?:[^"\\\n]|\\.)*",?)+\})?) (?:[0-9.e+-]+|\+Inf)$/u;
    expect(series.filter((line) => !form.test(line))).toEqual([]);
    const names = series.flatMap((line) => form.exec(line)?.[1] ?? []);
    expect(new Set(series.map((line) => line.slice(0, line.lastIndexOf(' ')))).size).toBe(series.length);
    const known = new Set(described('TYPE'));
    const unknown = names.filter(
      (name) => !known.has(name) && !known.has(name.replace(/_(?:bucket|sum|count)$/u, '')),
    );
    expect(unknown).toEqual([]);
    // Counts end in _total, and nothing else does.
    const misnamed = lines.filter((line) =>
      /^# TYPE (?:\S+(?<!_total) counter|\S+_total (?!counter)\S+)$/u.test(line),
    );
    expect(misnamed).toEqual([]);
  });
});
