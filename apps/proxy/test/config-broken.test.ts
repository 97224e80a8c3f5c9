import { describe, expect, it } from 'vitest';
import { formatProblems } from '../src/config/index.ts';
import { MINIMAL, mistakes } from './support.ts';

const listeners = (inner: string): string =>
  `listeners:\n  - ${inner}\nupstreams: { a: { backends: [{ url: http://a:1 }] } }\n`;
const upstream = (inner: string): string =>
  `listeners: [{ port: 1 }]\nupstreams:\n  a:\n    backends: [{ url: http://a:1 }]\n    ${inner}\n`;
const backend = (inner: string): string =>
  `listeners: [{ port: 1 }]\nupstreams:\n  a:\n    backends:\n      - ${inner}\n`;
const root = (inner: string): string => `${MINIMAL}${inner}\n`;

/** What is written, and for each mistake `line:column path: what must be in the message (found, allowed, suggestion)`. */
const table: readonly (readonly [
  name: string,
  text: string,
  ...expected: readonly (readonly [string, ...RegExp[]])[],
])[] = [
  ['an empty file', '', ['1:1 ', /not allowed/, /nothing/]],
  ['a list', '- a\n', ['1:1 ', /found a list/]],
  ['broken YAML', 'listeners: [\n  { port: 1 }\nupstreams: {}\n', ['3:1 ', /Flow|flow/]],
  ['two documents', `${MINIMAL}---\n${MINIMAL}`, ['3:1 ', /document/i]],
  ['an alias to nothing', root('log: *x'), ['3:6 ', /alias/i]],
  ['a tag', root('workers: !!js/function 4'), ['3:10 ', /tag/i]],
  ['a variable without quotes in braces', 'listeners: [{ port: ${PORT} }]\n', ['1:22 ', /in quotes/]],
  [
    'no listeners',
    'upstreams: { a: { backends: [{ url: http://a }] } }\n',
    ['1:1 listeners', /"listeners" is missing/],
  ],
  [
    'an empty list of listeners',
    `listeners: []\nupstreams: { a: { backends: [{ url: http://a }] } }`,
    ['1:12 listeners', /at least one/],
  ],
  ['an unknown option', root('chache: {}'), ['3:1 chache', /no such option/, /did you mean "cache"/]],
  [
    'an option written with underscores',
    upstream('pool: { max_connections: 3 }'),
    ['5:13 upstreams.a.pool.max_connections', /"maxConnections"/],
  ],
  ['an unknown option unlike any other', root('zzz: 1'), ['3:1 zzz', /no such option[^?]*$/]],
  [
    'a key that stands twice',
    root('workers: 1\nworkers: 2'),
    ['4:1 workers', /twice; the first one is on line 3/],
  ],
  [
    'a key that stands twice in an item of a list',
    listeners('{ port: 1, port: 2 }'),
    ['2:16 listeners[0].port', /twice/],
  ],
  [
    'a nested key that stands twice',
    upstream('retry: { attempts: 1, attempts: 1 }'),
    ['5:27 upstreams.a.retry.attempts', /twice/],
  ],
  ['an empty section', root('cache:'), ['3:7 cache', /nothing \(an empty value\)/]],
  ['text for a section', root('cache: on'), ['3:8 cache', /"on"/, /mapping/]],
  [
    'a duration without unit',
    root('timeouts: { header: 10 }'),
    ['3:21 timeouts.header', /found 10/, /250ms, 10s/],
  ],
  [
    'a duration of another unit',
    root('timeouts: { header: 2 days }'),
    ['3:21 timeouts.header', /did you mean "48h"/],
  ],
  [
    'a duration out of range',
    root('timeouts: { header: 0s }'),
    ['3:21 timeouts.header', /out of range/, /from 1ms to 24h/],
  ],
  [
    'a size in lower case',
    root('limits: { body: 8kb }'),
    ['3:17 limits.body', /found "8kb"/, /did you mean "8KB"/],
  ],
  ['a size without unit', root('limits: { body: 8192 }'), ['3:17 limits.body', /a size with its unit/]],
  ['a size too small', root('cache: { maxSize: 10B }'), ['3:19 cache.maxSize', /out of range/]],
  [
    'a share as a fraction',
    upstream('retry: { budget: 0.2 }'),
    ['5:22 upstreams.a.retry.budget', /percentage/],
  ],
  [
    'a share above 100 %',
    upstream('retry: { budget: 120% }'),
    ['5:22 upstreams.a.retry.budget', /out of range/],
  ],
  [
    'a word that is none of the choices',
    upstream('algorithm: leastconn'),
    ['5:16 upstreams.a.algorithm', /ip-hash/],
  ],
  [
    'a word close to a choice',
    upstream('algorithm: roundrobin'),
    ['5:16 upstreams.a.algorithm', /did you mean "round-robin"/],
  ],
  ['yes for true', root('cache: { enabled: yes }'), ['3:19 cache.enabled', /true or false/]],
  [
    'a fraction for a whole number',
    root('limits: { headerCount: 1.5 }'),
    ['3:24 limits.headerCount', /whole number/],
  ],
  ['a port out of range', listeners('port: 65536'), ['2:11 listeners[0].port', /from 0 to 65535/]],
  ['workers', root('workers: 0'), ['3:10 workers', /auto, or a whole number/]],
  ['a listener without port', listeners('address: 0.0.0.0'), ['2:5 listeners[0].port', /"port" is missing/]],
  [
    'an address with port',
    listeners('{ address: "127.0.0.1:80", port: 80 }'),
    ['2:16 listeners[0].address', /option of its own/],
  ],
  [
    'an address in brackets',
    listeners('{ address: "[::1]", port: 80 }'),
    ['2:16 listeners[0].address', /without brackets/],
  ],
  [
    'a backend without scheme',
    backend('url: 127.0.0.1:3000'),
    ['5:14 upstreams.a.backends[0].url', /did you mean "http:\/\/127.0.0.1:3000"/],
  ],
  [
    'a backend of another scheme',
    backend('url: ftp://a'),
    ['5:14 upstreams.a.backends[0].url', /"ftp" is not supported/, /h2c/],
  ],
  [
    'a backend with a path',
    backend('url: http://a/b'),
    ['5:14 upstreams.a.backends[0].url', /only scheme, host and port/],
  ],
  [
    'a backend with a query',
    backend('url: "http://a?b"'),
    ['5:14 upstreams.a.backends[0].url', /only scheme/],
  ],
  [
    'a backend with a password',
    backend('url: http://u:p@a'),
    ['5:14 upstreams.a.backends[0].url', /user or password/],
  ],
  [
    'a backend with a bad port',
    backend('url: http://a:99999'),
    ['5:14 upstreams.a.backends[0].url', /1 to 65535/],
  ],
  [
    'a backend without host',
    backend('url: "http://:80"'),
    ['5:14 upstreams.a.backends[0].url', /host is missing/],
  ],
  [
    'a backend with a bad IPv4 address',
    backend('url: http://1.2.3:80'),
    ['5:14 upstreams.a.backends[0].url', /no IPv4/],
  ],
  [
    'a backend with a bare IPv6 address',
    backend('url: http://::1:80'),
    ['5:14 upstreams.a.backends[0].url', /brackets/],
  ],
  [
    'a backend with a bad name',
    backend('url: http://a_b..c'),
    ['5:14 upstreams.a.backends[0].url', /no host name/],
  ],
  ['a backend without url', backend('weight: 1'), ['5:9 upstreams.a.backends[0].url', /"url" is missing/]],
  [
    'an address block too long',
    root('trustedProxies: [10.0.0.0/8, 10.0.0.0/33]'),
    ['3:30 trustedProxies[1]', /from 0 to 32/],
  ],
  [
    'an address block of names',
    root('trustedProxies: [localhost]'),
    ['3:18 trustedProxies[0]', /no IP address/],
  ],
  [
    'a name that cannot be one',
    'listeners: [{ port: 1 }]\nupstreams: { "a b": { backends: [{ url: http://a }] } }',
    ['2:14 upstreams["a b"]', /cannot be a name/],
  ],
  ['a short token', root('admin: { token: hunter2 }'), ['3:17 admin.token', /at least 16/]],
  [
    'a bad status',
    upstream('healthCheck: { expectStatus: [200, 700] }'),
    ['5:40 upstreams.a.healthCheck.expectStatus[1]', /statuses/],
  ],
  [
    'a range of statuses that runs backwards',
    upstream('healthCheck: { expectStatus: [300-200] }'),
    ['5:35 upstreams.a.healthCheck.expectStatus[0]', /backwards/],
  ],
  [
    'several mistakes at once',
    root('workers: x\nlimits: { bdy: 1GB, headerCount: 0 }'),
    ['3:10 workers'],
    ['4:11 limits.bdy'],
    ['4:34 limits.headerCount'],
  ],
];

const cases = table.map(([name, text, ...expected]) => ({ name, text, expected }));

describe('a broken file', () => {
  it.each(cases)('$name', ({ text, expected }) => {
    const problems = mistakes(text);
    const seen = problems.map(({ line, column, path }) => `${line}:${column} ${path}`);
    expect(seen).toEqual(expected.map(([position]) => position));
    for (const [index, [, ...patterns]] of expected.entries()) {
      const problem = problems[index];
      const message = problem === undefined ? '' : formatProblems([problem]);
      for (const pattern of patterns) expect(message).toMatch(pattern);
    }
  });

  it('says which environment variable is missing, and where', () => {
    const [problem, ...rest] = mistakes(root('workers: ${WORKERS}'));
    expect(rest).toEqual([]);
    expect(problem).toMatchObject({ code: 'CONFIG_ENV', line: 3, column: 10, path: 'workers' });
    expect(problem?.message).toBe('the environment variable WORKERS is not set');
  });

  it('names the file that could not be read', async () => {
    const { loadConfig } = await import('../src/config/index.ts');
    expect(formatProblems(loadConfig('/nowhere/proxy.yaml').problems)).toBe(
      '/nowhere/proxy.yaml: there is no such file\n',
    );
  });
});

describe('hazard: a file made to hurt', () => {
  const messages = (text: string) => mistakes(text).map(({ message }) => message);

  it('cannot multiply aliases without end', () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const items =
        level === 0
          ? 'x,x,x,x,x,x,x,x,x,x'
          : Array(10)
              .fill(`*a${level - 1}`)
              .join(',');
      return `a${level}: &a${level} [${items}]`;
    });
    expect(messages(levels.join('\n'))).toEqual([expect.stringContaining('Excessive alias count')]);
  });

  it('cannot contain itself', () => {
    expect(messages('listeners: &l [*l]\nupstreams: &u { a: *u }\n').length).toBeGreaterThan(0);
  });

  it('cannot exhaust the stack', () => {
    expect(messages('['.repeat(50_000))).toEqual(['values are nested too deeply']);
  });

  it('cannot reach prototypes', () => {
    const text = `${MINIMAL}__proto__: { workers: 3 }\nconstructor: 1\n`;
    expect(mistakes(text).map(({ path, code }) => `${code} ${path}`)).toEqual([
      'CONFIG_UNKNOWN_OPTION __proto__',
      'CONFIG_UNKNOWN_OPTION constructor',
    ]);
    expect(
      mistakes('listeners: [{ port: 1 }]\nupstreams: { __proto__: { backends: [{ url: http://a }] } }')[0]
        ?.code,
    ).toBe('CONFIG_BAD_VALUE');
  });
});

describe('how mistakes are shown', () => {
  it('shows the line with a caret under what is meant', () => {
    expect(formatProblems(mistakes(root('log: { level: verbose }')))).toBe(
      `proxy.yaml:3:15: log.level: this value is not allowed here; found "verbose"
    3 | log: { level: verbose }
      |               ^^^^^^^
        allowed: debug, info, warn, error
`,
    );
  });

  it('uses no colours unless asked to', () => {
    const problems = mistakes(root('workers: x'));
    expect(formatProblems(problems)).not.toContain('\u001B');
    expect(formatProblems(problems, { color: true })).toContain('\u001B[31m^');
  });

  it('shows only part of a very long line', () => {
    const shown = formatProblems(mistakes(root(`trustedProxies: [${'10.0.0.0/8, '.repeat(200)}x]`)));
    expect(Math.max(...shown.split('\n').map((line) => line.length))).toBeLessThan(200);
    const [, source = '', caret = ''] = shown.split('\n');
    expect(source[caret.indexOf('^')]).toBe('x');
  });

  it('never lets a file send control characters to the terminal', () => {
    const shown = formatProblems(
      mistakes(root('log: { level: "\\e[2J", "\\u009bx": 1 } # \u001B]0;x\u0007')),
    );
    expect(
      [...shown].filter(
        (letter) => (letter < ' ' && letter !== '\n') || (letter >= '\u007f' && letter <= '\u009f'),
      ),
    ).toEqual([]);
  });

  it('never shows a secret, not even beside another mistake', () => {
    const shown = formatProblems(mistakes(root('admin: { address: 1.2.3.4, token: hunter2, prot: 1 }')));
    expect(shown).toContain('admin.token');
    expect(shown).not.toContain('hunter2');
  });

  it('says that a bad value came from the environment', () => {
    const shown = formatProblems(mistakes(root('workers: ${N}'), { env: { N: 'many' } }));
    expect(shown).toContain('found "many" (from the environment)');
  });
});
