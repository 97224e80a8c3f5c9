import { describe, expect, it } from 'vitest';
import { formatProblems } from '../src/config/index.ts';
import { mistakes, MINIMAL, valid } from './support.ts';

const env = {
  PORT: '8081',
  HOST: 'backend',
  ON: 'true',
  EMPTY: '',
  EVIL: 'x }\nadmin: { port: 1 }',
  DOLLAR: '${PORT}',
};
const withEnv = (text: string) => valid(text, { env });

describe('environment variables in a file', () => {
  it('are filled in, as a whole or as a part, in the type of the option', () => {
    const config = withEnv(`listeners:
  - port: \${PORT}
upstreams:
  app: { backends: [{ url: "http://\${HOST}:\${PORT}" }] }
workers: "\${WORKERS:-3}"
cache: { enabled: "\${ON}", maxSize: "\${SIZE:-5MB}", maxEntrySize: 1MB }
`);
    expect(config.listeners[0]?.port).toBe(8081);
    expect(config.upstreams[0]?.backends[0]?.url.href).toBe('http://backend:8081');
    expect(config.workers).toBe(3);
    expect(config.cache).toMatchObject({ enabled: true, maxSize: 5 * 1024 ** 2 });
  });

  it('take the default where they are unset or empty', () => {
    expect(withEnv(`${MINIMAL}workers: \${EMPTY:-2}`).workers).toBe(2);
    expect(withEnv(`${MINIMAL}workers: \${UNSET:-2}`).workers).toBe(2);
  });

  it('are a mistake where they are unset or empty and have no default', () => {
    for (const name of ['UNSET', 'EMPTY']) {
      const [problem] = mistakes(`${MINIMAL}workers: \${${name}}`, { env });
      expect(problem).toMatchObject({ code: 'CONFIG_ENV', line: 3, column: 10 });
    }
  });

  it('cannot change the structure of the file', () => {
    expect(mistakes(`${MINIMAL}log: { file: "\${EVIL}" }`, { env })).toEqual([]);
    expect(withEnv(`${MINIMAL}log: { file: "\${EVIL}" }`).admin).toBeNull();
  });

  it('are not filled in twice, nor in keys, nor when escaped', () => {
    expect(withEnv(`${MINIMAL}log: { file: "/\${DOLLAR}" }`).log.file).toBe('/${PORT}');
    expect(withEnv(`${MINIMAL}log: { file: "/$\${PORT}" }`).log.file).toBe('/${PORT}');
    expect(mistakes(`${MINIMAL}"\${PORT}": 1`, { env })[0]?.code).toBe('CONFIG_UNKNOWN_OPTION');
  });

  it('are never looked up on the prototype', () => {
    expect(mistakes(`${MINIMAL}log: { file: "\${constructor}" }`, { env })[0]?.message).toContain(
      'constructor is not set',
    );
  });

  it('that are malformed are mistakes', () => {
    for (const bad of ['${}', '${A B}', '${A', '${A-b}']) {
      expect(mistakes(`${MINIMAL}log: { file: "${bad}" }`, { env })[0]?.message).toContain('not of the form');
    }
  });

  it('leave text of text options alone, whatever it looks like', () => {
    expect(withEnv(`${MINIMAL}log: { file: "\${PORT}" }`).log.file).toBe('/etc/rp/8081');
  });

  it('are all told at once, beside other mistakes', () => {
    const problems = mistakes(`${MINIMAL}workers: \${A}\nlog: { file: "\${B}", level: loud }`, { env });
    expect(problems.map(({ line, column }) => `${line}:${column}`)).toEqual(['3:10', '4:14', '4:29']);
    expect(formatProblems(problems)).toContain('environment variable B is not set');
  });
});
