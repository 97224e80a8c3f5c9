import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import * as api from '@rp/tls';
import { Authority } from './support/authority.ts';
import { close, connect } from './support/wire.ts';

const authority = new Authority();
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const file = fileURLToPath(new URL(`readme-example-${process.pid}.ts`, import.meta.url));
afterAll(() => {
  authority.close();
  rmSync(file, { force: true });
});

it('the example of the README serves', async () => {
  const source = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  writeFileSync(file, source);
  const example = (await import(file)) as {
    start(cert: string, key: string, log: (line: string) => void): tls.Server;
  };
  const { cert, key } = authority.issue('readme.example');
  const server = example.start(cert, key, (line) => expect(line).toBe(''));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { text, commonName } = await connect((server.address() as AddressInfo).port);
  expect([text, commonName]).toEqual(['hello\n', 'readme.example']);
  await close(server);
});

it('the README names every class and function that is exported', () => {
  const internal = new Set([
    'normalizeServerName',
    'fieldText',
    'identityOf',
    'clientAuthOptions',
    'sessionIdContext',
    'watchDirectory',
    'realTimers',
  ]);
  const missing = Object.entries(api)
    .filter(([name, value]) => typeof value === 'function' && !internal.has(name) && !readme.includes(name))
    .map(([name]) => name);
  expect(missing).toEqual([]);
});
