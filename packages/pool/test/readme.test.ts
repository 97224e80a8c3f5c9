import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ask } from './fixtures/example.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const readme = read('../README.md');

describe('README', () => {
  it('has an example that works', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.on('data', (data) => socket.write(`${data.toString()} yourself`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    process.env.BACKEND_PORT = String((server.address() as AddressInfo).port);
    expect([await ask('hello'), await ask('bye')]).toEqual(['hello yourself', 'bye yourself']);
    expect(connections).toBe(1);
    server.close();
  });

  it('shows the example that was run', () => {
    expect(/```ts\n([\s\S]*?)```/.exec(readme)?.[1]).toBe(read('fixtures/example.ts'));
  });

  it('names every option', () => {
    const options = read('../src/pool-options.ts');
    const limits = /interface PoolLimits \{([\s\S]*?)\n\}/.exec(options)?.[1] ?? '';
    const own = /interface PoolOptions<[\s\S]*?\{([\s\S]*?)\n\}/.exec(options)?.[1] ?? '';
    const names = [...`${limits}${own}`.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1]);
    expect(names.length).toBeGreaterThan(15);
    for (const name of names)
      expect(readme).toContain(`| \`${name}${name === 'backoff' ? '.initial' : ''}\``);
  });
});
