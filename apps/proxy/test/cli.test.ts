import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { valid, MINIMAL } from './support.ts';

const bin = fileURLToPath(new URL('../bin/rp.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'rp-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

/** The real command in a process of its own, as built. */
const rp = (...args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    encoding: 'utf8',
    env: { TOKEN: 'a-secret-of-the-environment' },
  });
  return { status, stdout, stderr };
};

describe('rp', () => {
  it('--help names every command and the exit codes', () => {
    const { status, stdout, stderr } = rp('--help');
    expect([status, stderr]).toEqual([0, '']);
    for (const word of ['run', 'check', 'demo', 'schema', 'Exit codes: 0']) expect(stdout).toContain(word);
    expect(rp('run', '--help').stdout).toContain('--backend');
  });

  it('--version is that of the package', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(rp('--version')).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  it.each([
    ['no command', [], /Usage: rp/],
    ['an unknown command', ['sevre'], /unknown command 'sevre'[\s\S]*Try "rp --help"/],
    ['an unknown option', ['run', '--cofnig', 'x'], /unknown option '--cofnig'[\s\S]*--config[\s\S]*Try/],
    ['too many arguments', ['check', '-c', 'x', 'y'], /too many arguments/],
    ['run without anything to run', ['run'], /-c proxy.yaml[\s\S]*rp run --help/],
    ['run with a file and flags', ['run', '-c', 'x', '--backend', 'http://a'], /cannot be combined/],
    ['check without file', ['check'], /--config <file>' not specified/],
    ['a bad backend', ['run', '--backend', 'localhost:3000'], /did you mean "http:\/\/localhost:3000"/],
    ['a bad port', ['run', '--listen', 'x', '--backend', 'http://a'], /port[\s\S]*from 0 to 65535/],
    ['a bad port for the demo', ['demo', '--listen', '70000'], /from 0 to 65535/],
    ['a file that is not there', ['run', '-c', '/nowhere.yaml'], /\/nowhere.yaml: there is no such file/],
  ])('usage: %s ends with 2 and a hint', (_name, args, message) => {
    const { status, stdout, stderr } = rp(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});

describe('rp on a Node.js that is too old', () => {
  it('says which one is needed, and ends with 1', () => {
    const pretend = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"22.18.9"}})';
    const old = spawnSync(process.execPath, ['--import', pretend, bin, '--version'], { encoding: 'utf8' });
    expect([old.status, old.stdout]).toEqual([1, '']);
    expect(old.stderr).toMatch(/^rp needs Node\.js 22\.19 or newer; this is 22\.18\.9 \(.*\)\.\n$/u);
  });
});

describe('rp check', () => {
  it('says what would run', () => {
    const path = file(
      'good.yaml',
      `listeners: [{ port: 8080 }, { port: 8081, redirectToHttps: {} }]
upstreams:
  app: { backends: [{ url: http://127.0.0.1:9001 }], healthCheck: { interval: 5s } }
routes: [{ host: app.example.com, upstream: app }]
workers: 2
`,
    );
    expect(rp('check', '-c', path)).toEqual({
      status: 0,
      stderr: '',
      stdout: `${path} is valid. It would run:
  listeners  http://0.0.0.0:8080
             http://0.0.0.0:8081 (redirects to HTTPS on port 443)
  workers    2
  upstreams  app: http://127.0.0.1:9001 (round-robin, checked every 5s)
  routes     app.example.com/ -> app
             everything else -> 404
  cache      off
  access log json to stdout
  admin      off
`,
    });
  });

  it('tells every mistake, plainly, and ends with 2', () => {
    const path = file('bad.yaml', `${MINIMAL}workers: none\nchache: {}\n`);
    const { status, stdout, stderr } = rp('check', '-c', path);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`${path}:3:10: workers: this value is not allowed here; found "none"`);
    expect(stderr).toContain(`${path}:4:1: chache: there is no such option; did you mean "cache"?`);
    expect(stderr).toContain(`2 mistakes in ${path}`);
    expect(stderr).not.toContain('\u001B');
  });

  it('--print gives a file that reads the same, without secrets', () => {
    const path = file(
      'print.yaml',
      `${MINIMAL}admin: { token: "\${TOKEN}" }\ncache: { maxSize: 5MB, maxEntrySize: 1MB }\n`,
    );
    const { status, stdout } = rp('check', '-c', path, '--print');
    expect(status).toBe(0);
    expect(stdout).not.toContain('secret');
    const again = valid(stdout.replace('"***"', 'sixteen-letters-or-more'));
    expect(again.cache.maxSize).toBe(5 * 1024 ** 2);
  });
});

describe('rp schema', () => {
  it('prints the published schema', () => {
    const { status, stdout } = rp('schema');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual(
      JSON.parse(readFileSync(new URL('../proxy.schema.json', import.meta.url), 'utf8')),
    );
  });
});
