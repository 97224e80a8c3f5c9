import { describe, expect, it } from 'vitest';
import { createLogger, isLogLevel, setLevel } from '../src/log/index.ts';

const collect = () => {
  const lines: string[] = [];
  return { lines, sink: { write: (line: string) => void lines.push(line) } };
};
const read = (line: string | undefined) => JSON.parse(line ?? '') as Record<string, unknown>;

describe('the process log', () => {
  it('writes one JSON object a line, with level, time and message', () => {
    const { lines, sink } = collect();
    createLogger({ level: 'info', sink, base: { worker: 1 } }).info({ upstream: 'app' }, 'backend is down');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\{.*\}\n$/u);
    const { time, ...rest } = read(lines[0]);
    expect(rest).toEqual({ level: 'info', worker: 1, upstream: 'app', msg: 'backend is down' });
    expect(new Date(String(time)).toISOString()).toBe(time);
  });

  it('changes its level at run time', () => {
    const { lines, sink } = collect();
    const log = createLogger({ level: 'warn', sink });
    log.info('1');
    setLevel(log, 'debug');
    log.debug('2');
    setLevel(log, 'error');
    log.warn('3');
    expect(lines.map((line) => read(line).msg)).toEqual(['2']);
    expect(['debug', 'info', 'warn', 'error', 'trace', 'loud'].map(isLogLevel)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('never writes secrets', () => {
    const { lines, sink } = collect();
    const log = createLogger({ level: 'info', sink });
    const headers = {
      authorization: 'hush',
      'set-cookie': 'hush',
      Cookie: 'hush',
      'Proxy-Authorization': 'hush',
      host: 'a',
    };
    log.info({ token: 'hush', password: 'hush', headers, admin: { token: 'hush', passphrase: 'hush' } }, 'x');
    expect(lines[0]).not.toContain('hush');
    expect(read(lines[0]).headers).toMatchObject({ host: 'a', authorization: '***' });
  });

  it('keeps text of clients on its line', () => {
    const { lines, sink } = collect();
    createLogger({ level: 'info', sink }).info({ target: '/\r\n{"level":"error"}' }, 'a\nb');
    expect(lines[0]?.trimEnd()).not.toContain('\n');
    expect(read(lines[0]).target).toBe('/\r\n{"level":"error"}');
  });

  it('says what an error was and what caused it', () => {
    const { lines, sink } = collect();
    const error = new Error('outer', { cause: new Error('inner') });
    createLogger({ level: 'info', sink }).error({ err: error }, 'failed');
    expect(lines[0]).toContain('outer');
    expect(lines[0]).toContain('inner');
  });
});
