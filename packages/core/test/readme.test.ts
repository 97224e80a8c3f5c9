import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as core from '../src/index.ts';
import { defaultForwarding, defaultLimits, defaultTimeouts, Hooks, type Engine } from '../src/index.ts';
import { ask, status } from './support/client.ts';
import { startBackend } from './support/proxy.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

describe('the README', () => {
  it('has an example that works as it stands', async () => {
    const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
    const folder = mkdtempSync(fileURLToPath(new URL('readme-', import.meta.url)));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(`${folder}/example.ts`, code);
    const { createProxy } = (await import(`${folder}/example.ts`)) as {
      createProxy: (backends: readonly string[]) => Engine;
    };
    const backend = await startBackend();
    const engine = createProxy([`http://127.0.0.1:${backend.port}`]);
    onTestFinished(() => engine.close());
    const { port } = await engine.listen({ address: '127.0.0.1' });
    expect(status(await ask(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'))).toBe(200);
    expect(backend.requests).toHaveLength(1);
  });

  it('tells every timeout and limit with its default', () => {
    const told = (name: string): string | undefined =>
      new RegExp(`^\\| \`${name}\` \\| ([^|]+) \\|`, 'm').exec(readme)?.[1]?.trim();
    for (const [name, value] of Object.entries(defaultTimeouts))
      expect(told(`timeouts.${name}`)).toBe(value.toLocaleString('en'));
    for (const [name, value] of Object.entries(defaultLimits)) {
      const shown = { perAddress: 'none', body: '1 GiB' }[name] ?? (value as number).toLocaleString('en');
      expect(told(`limits.${name}`)).toBe(shown);
    }
    for (const [name, value] of Object.entries(defaultForwarding))
      expect(told(`forwarding.${name}`)?.replaceAll('`', '')).toBe(String(value));
  });

  it('names every hook', () => {
    for (const name of Object.keys(new Hooks(() => {}))) expect(readme).toContain(`| \`${name}\` |`);
  });

  it('names nothing that is not there', () => {
    for (const name of ['Engine', 'BackendConnector', 'Upstream', 'Counters', 'ProxyFailure'] as const)
      expect(core[name]).toBeTypeOf('function');
  });
});
