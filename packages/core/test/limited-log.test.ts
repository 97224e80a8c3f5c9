import { expect, test } from 'vitest';
import { LimitedLog, MAX_LINES_PER_SECOND } from '../src/limited-log.ts';

test('of one message so many lines a second, and how many were left out', () => {
  let now = 5_000;
  const lines: [string, object, string][] = [];
  const keep =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push([level, fields, message]);
  const log = new LimitedLog(
    { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') },
    () => now,
  );
  for (let i = 0; i < MAX_LINES_PER_SECOND + 7; i++) log.warn({ i }, 'one');
  log.error({ b: 1 }, 'other');
  expect(lines).toHaveLength(MAX_LINES_PER_SECOND + 1);
  expect(lines.at(-1)).toEqual(['error', { b: 1 }, 'other']);
  now += 1_000;
  log.warn({ i: 'next' }, 'one');
  log.warn({ i: 'last' }, 'one');
  expect(lines.slice(-2)).toEqual([
    ['warn', { i: 'next', omitted: 7 }, 'one'],
    ['warn', { i: 'last' }, 'one'],
  ]);
});
