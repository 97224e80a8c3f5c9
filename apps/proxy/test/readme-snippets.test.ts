import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '@rp/core';
import { formatProblems } from '../src/config/index.ts';
import { parse } from './support.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const blocks = (file: string, language: string): readonly string[] =>
  [...read(file).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gmu'))].map(
    ([, text = '']) => text,
  );

const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'apps/proxy/README.md'] as const;
/** Written by the benchmark, and there only after its first full run. */
const generated = ['apps/bench/RESULTS.md'];

const folder = mkdtempSync(join(tmpdir(), 'rp-readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('configuration in the documents', () => {
  const snippets = pages.flatMap((file) =>
    blocks(file, 'yaml').map((text, index) => [`${file}, block ${index + 1}`, text] as const),
  );

  it('is there', () => {
    expect(snippets.length).toBeGreaterThan(8);
  });

  it.each(snippets)('is valid: %s', (_, text) => {
    expect(formatProblems(parse(text).problems)).toBe('');
  });
});

/** As GitHub makes them of headings. */
const anchors = (text: string): readonly string[] =>
  [...text.matchAll(/^#+ (.+)$/gmu)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('links in the documents', () => {
  const links = pages.flatMap((file) =>
    [...read(file).matchAll(/\]\(([^)\s]+)\)/gu)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/u.test(target) && !generated.includes(target))
      .map((target) => [file, target] as const),
  );

  it.each(links)('of %s lead somewhere: %s', (file, target) => {
    const [path = '', anchor] = target.split('#');
    const found = path === '' ? join(root, file) : join(root, dirname(file), path);
    expect(existsSync(found)).toBe(true);
    expect(anchor === undefined ? [anchor] : anchors(readFileSync(found, 'utf8'))).toContain(anchor);
  });
});

const startBackend = async (): Promise<number> => {
  const server: Server = createServer((request, response) => response.end(`${request.url} from the backend`));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
};

describe('the library example of the README', () => {
  it('forwards, and answers by its hook', async () => {
    const [code = ''] = blocks('README.md', 'js');
    const source = (name: string): string =>
      JSON.stringify(new URL(`../../../packages/${name}/src/index.ts`, import.meta.url).href);
    const path = join(folder, 'library.mjs');
    const runnable = code
      .replaceAll(/'@rp\/(\w+)'/gu, (_, name: string) => source(name))
      .replace('127.0.0.1:3000', `127.0.0.1:${await startBackend()}`)
      .replace('port: 8080', 'port: 0');
    writeFileSync(path, runnable);
    const { engine, port } = (await import(path)) as { engine: Engine; port: number };
    onTestFinished(() => engine.close());

    const forwarded = await fetch(`http://127.0.0.1:${port}/x`);
    expect(await forwarded.text()).toBe('/x from the backend');
    const refused = await fetch(`http://127.0.0.1:${port}/internal/x`);
    expect([refused.status, await refused.text()]).toEqual([404, 'Not here.\n']);
  });
});
