import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogFileError, logFileMistake, LogSink } from '../src/log/index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rp-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = (name: string): string => join(folder, name);

describe('a log file', () => {
  it('gets every line in order, and keeps what was there', async () => {
    for (const run of [0, 1]) {
      const sink = new LogSink(path('a.log'));
      for (let index = 0; index < 1000; index++) sink.write(`${run}-${index}\n`);
      await sink.close();
      expect([sink.dropped, sink.errors]).toEqual([0, 0]);
    }
    const lines = readFileSync(path('a.log'), 'utf8').trimEnd().split('\n');
    expect(lines).toEqual(
      [0, 1].flatMap((run) => Array.from({ length: 1000 }, (_, index) => `${run}-${index}`)),
    );
  });

  it('drops, and counts, what is beyond the limit of memory', async () => {
    const sink = new LogSink(path('a.log'), { maxBuffered: 1000 });
    // Nothing is written before the event loop turns: all but what fits must be dropped.
    for (let index = 0; index < 100; index++) sink.write('x'.repeat(99) + '\n', 2);
    expect(sink.dropped).toBe(180);
    await sink.close();
    expect(readFileSync(path('a.log')).length).toBe(1000);
  });

  it('is opened again under its name for rotation; no line is lost', async () => {
    const sink = new LogSink(path('a.log'));
    sink.write('before\n');
    renameSync(path('a.log'), path('a.log.1'));
    sink.reopen();
    sink.write('after\n');
    await sink.close();
    await expect.poll(() => readFileSync(path('a.log.1'), 'utf8')).toBe('before\n');
    expect(readFileSync(path('a.log'), 'utf8')).toBe('after\n');
  });

  it('stays in use when it cannot be opened again', async () => {
    const sink = new LogSink(path('a.log'));
    renameSync(path('a.log'), path('b.log'));
    mkdirSync(path('a.log'));
    expect(() => sink.reopen()).toThrow(LogFileError);
    sink.write('still\n');
    await sink.close();
    expect(readFileSync(path('b.log'), 'utf8')).toBe('still\n');
  });

  it('that cannot be opened is a clear error', () => {
    expect(() => new LogSink('/nowhere/at/all.log')).toThrow(
      /log file "\/nowhere\/at\/all.log" cannot be opened/,
    );
    expect(logFileMistake('/nowhere/at/all.log')).toMatchObject({ code: 'LOG_FILE', retryable: 'no' });
    expect(logFileMistake(path('ok.log'))).toBeNull();
    expect(logFileMistake('stdout')).toBeNull();
  });

  it('gets what waits before flushSync returns', () => {
    const sink = new LogSink(path('a.log'));
    for (let index = 0; index < 3; index++) sink.write(`${index}\n`);
    sink.flushSync();
    // The first write may be on its way in another thread; the others must be there.
    expect(readFileSync(path('a.log'), 'utf8')).toContain('2\n');
  });
});

const program = (rest: string): string => `
  import { LogSink } from ${JSON.stringify(new URL('../src/log/index.ts', import.meta.url).href)};
  const sink = new LogSink('stdout', { maxBuffered: 65536 });
  const say = (...words) => process.stderr.write(words.join(' ') + '\\n');
  ${rest}
`;

/** Runs the program with its standard output on a pipe of the shell, as `rp | reader` would. */
const pipeline = async (source: string, reader: string): Promise<{ said: string; read: string }> => {
  const command = `"$0" --input-type=module -e "$1" | (${reader})`;
  const child = spawn('bash', ['-c', command, process.execPath, program(source)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { said: '', read: '' };
  child.stderr.on('data', (data: Buffer) => void (out.said += data.toString()));
  child.stdout.on('data', (data: Buffer) => void (out.read += data.toString()));
  await once(child, 'close');
  return out;
};

describe('standard output on a pipe', () => {
  const fill = 'for (let index = 0; index < 4000; index++) sink.write("x".repeat(99) + "\\n");';

  it('gets every line, in batches that stay whole among several writers', async () => {
    const { said, read } = await pipeline(
      'say(sink.batchBytes); sink.write("a\\n"); sink.write("b\\n"); await sink.close();',
      'cat',
    );
    expect([said, read]).toEqual(['4096\n', 'a\nb\n']);
  });

  it('hazard: a reader that stalls costs lines, but neither time nor memory, and the process can end', async () => {
    const source = `${fill} await sink.close(100); say("dropped", sink.dropped); process.exit(3);`;
    const { said, read } = await pipeline(source, 'sleep 1; wc -l');
    expect(Number(/dropped (\d+)/u.exec(said)?.[1])).toBeGreaterThan(2000);
    expect(Number(read)).toBeGreaterThan(100);
  });

  it('hazard: a reader that is gone neither stops nor hangs the process', async () => {
    const source = `process.on("SIGPIPE", () => {}); await new Promise((done) => setTimeout(done, 200));
      ${fill} sink.flushSync(); await sink.close(500); say("errors", sink.errors > 0, "dropped", sink.dropped > 2000);`;
    const { said } = await pipeline(source, 'true');
    expect(said).toBe('errors true dropped true\n');
  });
});
