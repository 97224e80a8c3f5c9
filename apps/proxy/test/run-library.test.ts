import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createProxy, parseConfig, startProxy, type RunningProxy } from '../src/index.ts';
import { ask, eventually, onCleanup, wordBackend } from './run-support.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

describe('a proxy in a program of your own', () => {
  it('is the example of the README', async () => {
    const { url } = await wordBackend('hello');
    const code = /### In your own program[\s\S]*?```ts\n([\s\S]*?)```/u.exec(readme)?.[1] ?? '';
    const statements = code
      .split('\n')
      .filter((line) => line.trim() !== '' && !/^(?:\/\/|import |$)/u.test(line));
    expect(statements.length).toBeLessThan(12);
    const folder = mkdtempSync(join(tmpdir(), 'rp-library-'));
    onCleanup(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'example.ts');
    const own = JSON.stringify(new URL('../src/index.ts', import.meta.url).href);
    writeFileSync(
      path,
      code.replace("'@rp/proxy'", own).replace('http://127.0.0.1:3000', url).replace('8080', '0'),
    );
    const { proxy } = (await import(path)) as { proxy: RunningProxy };
    onCleanup(() => proxy.close(0));
    expect(await ask(`${proxy.url}/`)).toMatchObject({ status: 200, body: 'hello' });
    expect(await ask(`${proxy.url}/private`)).toMatchObject({ status: 403, body: 'no\n' });
    expect(proxy.counters.requests).toBe(2);
  });

  it('takes everything that the file takes, reloads, and closes without a loss', async () => {
    const [a, b] = [await wordBackend('a'), await wordBackend('b')];
    const config = (url: string) => ({
      upstreams: { app: { backends: [{ url }] } },
      limits: { headers: '16KB' },
    });
    const proxy = await createProxy({ listen: '[::1]:0', config: config(a.url) });
    expect(proxy.url).toMatch(/^http:\/\/\[::1\]:[0-9]+$/u);
    expect((await ask(proxy.url)).body).toBe('a');
    const file = {
      listeners: [{ address: '::1', port: 0 }],
      log: { level: 'warn', access: { enabled: false } },
      ...config(b.url),
    };
    const next = parseConfig(JSON.stringify(file), { env: {} }).config!;
    expect(proxy.reload(next).added).toEqual([`upstreams.app.backends[${new URL(b.url).host}]`]);
    expect((await ask(proxy.url)).body).toBe('b');
    expect(await proxy.close()).toBe(0);
    await expect(ask(proxy.url)).rejects.toThrow('ECONNREFUSED');
  });

  it('tells mistakes of its options by their names', async () => {
    await expect(createProxy({ listen: 'x', backends: ['http://127.0.0.1:1'] })).rejects.toMatchObject({
      code: 'CONFIG',
      problems: [{ path: 'listeners[0].port' }],
    });
    await expect(createProxy({ backends: ['localhost:3000'] })).rejects.toThrow(
      'upstreams.app.backends[0].url',
    );
  });

  it('runs by a whole configuration, with health checks, and fails where it cannot listen', async () => {
    const { url, port, server } = await wordBackend('a');
    const text = (listen: number): string =>
      JSON.stringify({
        listeners: [{ address: '127.0.0.1', port: listen }],
        upstreams: {
          app: {
            backends: [{ url }],
            healthCheck: { interval: '100ms', timeout: '50ms', failureThreshold: 1 },
          },
        },
        log: { level: 'error', access: { enabled: false } },
      });
    await expect(startProxy(parseConfig(text(port), { env: {} }).config!)).rejects.toThrow('EADDRINUSE');
    const proxy = await startProxy(parseConfig(text(0), { env: {} }).config!);
    onCleanup(() => proxy.close(0));
    expect((await ask(proxy.url)).status).toBe(200);
    server.close();
    server.closeAllConnections();
    await eventually('an answer of its own', async () => (await ask(proxy.url)).status >= 502);
  });
});
