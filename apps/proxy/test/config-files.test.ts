import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config/index.ts';
import { fileSystem } from '../src/config/files.ts';

const folder = mkdtempSync(join(tmpdir(), 'rp-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('files that a configuration names', () => {
  it('are looked for from the folder of the configuration', () => {
    const path = join(folder, 'proxy.yaml');
    writeFileSync(join(folder, 'a.pem'), '');
    const file = `listeners: [{ port: 1, tls: { certificates: [{ cert: a.pem, key: b.pem }] } }]
upstreams: { a: { backends: [{ url: http://a }] } }
log: { file: rp.log, access: { file: logs/access.log } }
`;
    writeFileSync(path, file);
    const { problems } = loadConfig(path, { env: {} });
    expect(problems.map(({ path: at, message, found }) => [at, message, found])).toEqual([
      [
        'listeners[0].tls.certificates[0].key',
        'there is no such file',
        JSON.stringify(join(folder, 'b.pem')),
      ],
      [
        'log.access.file',
        'the folder of this file does not exist',
        JSON.stringify(join(folder, 'logs/access.log')),
      ],
    ]);
  });

  it('must be files', () => {
    expect(fileSystem.unreadable(folder)).toBe('this is a folder, not a file');
    expect(fileSystem.unwritable(folder)).toBe('this is a folder, not a file');
    expect(fileSystem.unreadable(join(folder, 'a.pem', 'x'))).toBe('there is no such file');
    expect(fileSystem.unwritable(join(folder, 'new.log'))).toBeNull();
  });
});

describe('a configuration that is no regular file', () => {
  const problem = (path: string, regular: boolean) => loadConfig(path, { env: {}, regular }).problems[0];

  it('is read at the start, which may come from a pipe, but not again: a pipe might never end', () => {
    expect(problem('/dev/null', false)?.code).not.toBe('CONFIG_UNREADABLE');
    expect(problem('/dev/null', true)).toMatchObject({
      code: 'CONFIG_UNREADABLE',
      line: 0,
      message: 'this is no regular file, and cannot be read again',
    });
  });

  it('is named where it is a folder, or not there', () => {
    expect(problem('/', false)?.message).toBe('this is a folder, not a file');
    expect(problem('/no/such/file', true)?.message).toBe('there is no such file');
  });
});
