import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { adaptiveWeightDefaults } from '../src/adaptive-weights.ts';
import { circuitBreakerDefaults } from '../src/circuit-breaker.ts';
import { ejectionDefaults } from '../src/ejection.ts';
import { failureDefaults } from '../src/failure-counts.ts';
import { retryDefaults } from '../src/retry.ts';
import { retryBudgetDefaults } from '../src/retry-budget.ts';
import { slowStartDefaults } from '../src/slow-start.ts';

const readme = new URL('../README.md', import.meta.url);
const source = new URL('../src/index.ts', import.meta.url);

test('the example of the README runs', async () => {
  const text = await readFile(readme, 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  const folder = await mkdtemp(join(tmpdir(), 'balancer-'));
  try {
    const file = join(folder, 'example.ts');
    const check = `if (group.statistics()[backend.index].succeeded !== 1) process.exitCode = 1;\n`;
    await writeFile(file, example.replace('@rp/balancer', source.href) + check);
    const ran = await promisify(execFile)(process.execPath, [file]);
    expect(ran.stdout).toBe('');
  } finally {
    await rm(folder, { recursive: true });
  }
});

const groups: Readonly<Record<string, object>> = {
  ejection: ejectionDefaults,
  circuitBreaker: circuitBreakerDefaults,
  slowStart: slowStartDefaults,
  failures: failureDefaults,
  retry: retryDefaults,
  retryBudget: retryBudgetDefaults,
  adaptiveWeights: adaptiveWeightDefaults,
};
const rows = Object.entries(groups).flatMap(([group, defaults]) =>
  Object.entries(defaults).map(([name, value]) => [`${group}.${name}`, String(value)] as const),
);

test.each(rows)('the README states the default of %s: %s', async (name, value) => {
  const text = await readFile(readme, 'utf8');
  const row = text.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
  const stated = row?.split('|')[2]?.replace(/[`,\s]/g, '');
  expect(stated).toBe(value);
});
