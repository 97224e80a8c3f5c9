import { describe, expect, it } from 'vitest';
import {
  ask,
  backend,
  closeServer,
  configFor,
  connection,
  eventually,
  startRp,
  wordBackend,
} from './run-support.ts';

describe('the life of the process', () => {
  it('starts, says where it listens, serves, and ends with 0 on SIGTERM', async () => {
    const { url } = await wordBackend('hello');
    const rp = await startRp(configFor([url])).ready();
    expect(await ask(`http://127.0.0.1:${rp.port}/`)).toMatchObject({ status: 200, body: 'hello' });
    rp.signal('SIGTERM');
    expect(await rp.exited).toBe(0);
    expect(rp.log.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['Ready', 'draining', 'stopped']));
  });

  it('ends with 2 where the configuration is wrong, and with 1 where it cannot listen', async () => {
    const bad = startRp('listeners: [{ port: none }]\n');
    expect(await bad.exited).toBe(2);
    const far = startRp(
      'listeners: [{ address: 192.0.2.1, port: 8080 }]\nupstreams: { a: { backends: [{ url: http://127.0.0.1:1 }] } }\n',
    );
    expect(await far.exited).toBe(1);
    expect(far.stderr).toContain('rp: cannot start: ');
  });

  it('refuses an address that another rp has, although workers share theirs', async () => {
    const { url } = await wordBackend('hello');
    const first = await startRp(configFor([url])).ready();
    const second = startRp(configFor([url]).replace('port: 0', `port: ${first.port}`));
    expect(await second.exited).toBe(1);
    expect(second.stderr).toContain(`127.0.0.1:${first.port} is in use by another process`);
    expect((await ask(`http://127.0.0.1:${first.port}/`)).body).toBe('hello');
  });

  it('refuses an admin address that is taken', async () => {
    const { url, port } = await wordBackend('hello');
    const rp = startRp(configFor([url]).replace('admin: { port: 0 }', `admin: { port: ${port} }`));
    expect(await rp.exited).toBe(1);
    expect(rp.stderr).toMatch(/cannot start: admin listener: .*EADDRINUSE/u);
  });

  it('survives a SIGHUP that comes before it is ready', async () => {
    const { url } = await wordBackend('hello');
    const rp = startRp(configFor([url]));
    await rp.said('worker ready');
    rp.signal('SIGHUP');
    await rp.ready();
    await rp.said('reloaded');
    expect((await ask(`http://127.0.0.1:${rp.port}/`)).status).toBe(200);
  });

  it('ends with 0 on a SIGTERM that comes before it is ready, and finishes what the first worker has', async () => {
    const waiting: (() => void)[] = [];
    const { url } = await backend((_request, response) => void waiting.push(() => response.end('slow')));
    const [free] = [await wordBackend('x')];
    await closeServer(free.server);
    // The last worker takes its time.
    const preload = `
      import { isMainThread, workerData } from 'node:worker_threads';
      if (!isMainThread && workerData?.index === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);`;
    const rp = startRp(configFor([url]).replace('port: 0', `port: ${free.port}`), { preload });
    await rp.said('worker ready');
    const slow = ask(`http://127.0.0.1:${free.port}/`);
    await eventually('the request', () => waiting.length === 1);
    expect(rp.log.some(({ msg }) => msg === 'Ready')).toBe(false);
    rp.signal('SIGTERM');
    await rp.said('draining');
    waiting[0]!();
    expect((await slow).body).toBe('slow');
    expect(await rp.exited).toBe(0);
  });
});

describe('draining', () => {
  it('finishes what is under way, also what arrives on connections that were accepted, and refuses none', async () => {
    const waiting: (() => void)[] = [];
    const { url } = await backend((request, response) => {
      if (request.url === '/slow') waiting.push(() => response.end('slow'));
      else response.end('fast');
    });
    const rp = await startRp(configFor([url])).ready();
    const slow = ask(`http://127.0.0.1:${rp.port}/slow`);
    const quiet = await connection(rp.port);
    await eventually('the slow request', () => waiting.length === 1);
    rp.signal('SIGTERM');
    await rp.said('draining');
    quiet.socket.write('GET /fast HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually('the answer on the quiet connection', () => quiet.received().includes('fast'));
    expect(quiet.received()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close/iu);
    expect(rp.ended).toBe(false);
    waiting[0]!();
    expect(await slow).toMatchObject({ status: 200, body: 'slow' });
    expect(await rp.exited).toBe(0);
  });

  it('cuts what is left when its time is over, and says how much', async () => {
    const { url } = await backend(() => undefined);
    const rp = await startRp(configFor([url], 'timeouts: { drain: 200ms }\n')).ready();
    const stuck = ask(`http://127.0.0.1:${rp.port}/`).catch((error: Error) => error.message);
    await eventually('the request', async () => (await rp.stats()).requests.active === 1);
    rp.signal('SIGTERM');
    expect(await rp.exited).toBe(0);
    expect(await stuck).toBe('socket hang up');
    expect(await rp.said('stopped')).toMatchObject({ cut: 1 });
  });

  it('ends at once on a second signal, with 1', async () => {
    const { url } = await backend(() => undefined);
    const rp = await startRp(configFor([url])).ready();
    const stuck = ask(`http://127.0.0.1:${rp.port}/`).catch((error: Error) => error.message);
    await eventually('the request', async () => (await rp.stats()).requests.active === 1);
    rp.signal('SIGINT');
    await rp.said('draining');
    rp.signal('SIGTERM');
    expect(await rp.exited).toBe(1);
    expect(await stuck).toBe('socket hang up');
  });
});
