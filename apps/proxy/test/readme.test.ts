import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Plan } from '../src/config/index.ts';
import { formatProblems } from '../src/config/index.ts';
import { accessFormatter, AccessRecord } from '../src/log/index.ts';
import { mistakes } from './support.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'rp-readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the README', () => {
  it('has an example that runs', async () => {
    const code = /```ts\n([\s\S]*?)```/u.exec(readme)?.[1] ?? '';
    const path = join(folder, 'example.ts');
    writeFileSync(
      path,
      code.replace("'@rp/proxy'", JSON.stringify(new URL('../src/index.ts', import.meta.url).href)),
    );
    const { plan } = (await import(path)) as { plan: Plan };
    expect(plan.added).toEqual(['listeners[0.0.0.0:8081]']);
    expect(plan.removed).toEqual(['listeners[0.0.0.0:8080]']);
    expect(plan.needsRestart).toEqual([]);
  });

  it('shows a message as it really is', () => {
    const example = (/```yaml\n([\s\S]*?)```/u.exec(readme)?.[1] ?? '')
      .replace(/^#.*\n/u, '')
      .replace('algorithm', 'algoritm');
    const shown = formatProblems(mistakes(example));
    const printed = /```text\n([\s\S]*?)allowed: .*\n```/u.exec(readme)?.[1] ?? 'nothing printed';
    expect(shown).toContain(printed.trimEnd());
  });

  it('shows access log lines as they really are', () => {
    const record = Object.assign(new AccessRecord(), {
      time: Date.UTC(2026, 8, 21, 14, 13, 20, 123),
      client: '203.0.113.7',
      method: 'GET',
      target: '/',
      version: 'HTTP/1.1',
      status: 200,
      bytesOut: 5,
      duration: 1.25,
    });
    expect(readme).toContain(`\`${accessFormatter('common').format(record).trimEnd()}\``);
    expect(readme).toContain(accessFormatter('json').format(record).trimEnd().slice(0, -1));
  });

  it('says why each dependency is there', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      dependencies: object;
    };
    const own = Object.keys(manifest.dependencies).filter((name) => !name.startsWith('@rp/'));
    const listed = [...readme.slice(readme.indexOf('## Dependencies')).matchAll(/^\| `([^`@]+)` \|/gmu)].map(
      ([, name]) => name,
    );
    expect(listed.toSorted()).toEqual(own.toSorted());
  });
});
