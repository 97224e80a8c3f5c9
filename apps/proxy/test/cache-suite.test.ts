import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { devNull } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningProxy } from './support/running-proxy.ts';
import { until } from './support/until.ts';

// The public test suite for HTTP caches, with its own server behind the proxy. Its results are compared with the list
// in cache-suite.expected.json: a test that fails though it should pass is a mistake, and so is one that passes though
// the list says otherwise, since the list is what the README's table explains. To write the list anew:
// UPDATE_EXPECTED=1 npx vitest run --project proxy cache-suite

interface SuiteTest {
  readonly id: string;
  /** Left out: required. */
  readonly kind?: 'required' | 'optimal' | 'check';
  readonly browser_only?: boolean;
}

interface Suite {
  readonly id: string;
  readonly tests: readonly SuiteTest[];
}

interface Runner {
  runTests(suites: readonly Suite[], fetch: unknown, browserCache: boolean, base: string): Promise<void>;
  getResults(): Record<string, true | [name: string, message: string]>;
}

type Expected = Record<string, string>;

const own = createRequire(import.meta.url);
const folder = path.dirname(own.resolve('http-cache-tests/package.json'));
const expectedFile = new URL('./cache-suite.expected.json', import.meta.url);

const load = async <T>(file: string): Promise<T> =>
  (await import(/* @vite-ignore */ pathToFileURL(path.join(folder, file)).href)) as T;

let server: ChildProcess;
let proxy: RunningProxy;
let suites: readonly Suite[] = [];
const results: Expected = {};
const messages: Record<string, string> = {};

async function startServer(): Promise<number> {
  server = spawn(process.execPath, ['server/server.mjs'], {
    cwd: folder,
    env: { ...process.env, npm_config_protocol: 'http', npm_config_port: '0', npm_config_pidfile: devNull },
  });
  let output = '';
  for (const stream of [server.stdout!, server.stderr!])
    stream.on('data', (chunk) => (output += String(chunk)));
  return until(
    () => Number(/Listening on .*:(\d+)\//.exec(output)?.[1] ?? 0) || undefined,
    () => `the suite's server: ${output}`,
  );
}

beforeAll(async () => {
  const port = await startServer();
  proxy = await RunningProxy.start(`
listeners: [{ address: 127.0.0.1, port: 0 }]
workers: 1
upstreams: { suite: { backends: [{ url: "http://127.0.0.1:${port}" }], pool: { maxConnections: 200 } } }
cache: { enabled: true }
log: { level: info, access: { enabled: false } }
`);
  suites = (await load<{ default: readonly Suite[] }>('tests/index.mjs')).default;
  const { runTests, getResults } = await load<Runner>('client/runner.mjs');
  const fetch = createRequire(path.join(folder, 'cli.mjs'))('node-fetch') as unknown;
  await runTests(suites, fetch, false, `http://127.0.0.1:${proxy.port}`);
  for (const [id, result] of Object.entries(getResults())) {
    results[id] = result === true ? 'pass' : 'fail';
    if (result !== true) messages[id] = result.join(': ');
  }
  if (process.env['UPDATE_EXPECTED'] === '1') {
    await writeFile(expectedFile, `${JSON.stringify(results, null, 2)}\n`);
  }
}, 120_000);

afterAll(async () => {
  server.kill();
  await proxy.stop();
});

const kindOf = (id: string): string =>
  suites.flatMap(({ tests }) => tests).find((test) => test.id === id)?.kind ?? 'required';

const failing = (kind: string): string[] =>
  Object.keys(results).filter((id) => results[id] === 'fail' && kindOf(id) === kind);

describe('the public HTTP cache test suite', () => {
  test('gives the results that are on the list, no others', async () => {
    const expected = JSON.parse(await readFile(expectedFile, 'utf8')) as Expected;
    const ids = new Set([...Object.keys(expected), ...Object.keys(results)]);
    const deviations = [...ids]
      .filter((id) => expected[id] !== results[id])
      .map((id) => `${id}: expected ${expected[id]}, was ${results[id]} ${messages[id] ?? ''}`);
    expect(deviations).toEqual([]);
  });

  test('ran every test that is not for browsers only', () => {
    const all = suites.flatMap(({ tests }) => tests).filter((test) => test.browser_only !== true);
    expect(Object.keys(results).sort()).toEqual(all.map(({ id }) => id).sort());
  });

  test('leaves no failure unexplained: each one that is required or optimal stands in the README', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const table = readme.slice(readme.indexOf('### Cache conformance'));
    const unexplained = [...failing('required'), ...failing('optimal')].filter(
      (id) => !table.includes(`\`${id}\``),
    );
    expect(unexplained).toEqual([]);
  });

  test('passes nine in ten of the optimal ones', () => {
    const optimal = Object.keys(results).filter((id) => kindOf(id) === 'optimal');
    expect(failing('optimal').length).toBeLessThanOrEqual(optimal.length / 10);
  });
});
