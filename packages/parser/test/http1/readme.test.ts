import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { toBackend } from '../../examples/forward.ts';
import { WireFailure, type WireFailureCode } from '../../src/index.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const readme = read('README.md');

test('the example in the README is the one that runs', () => {
  expect(/```ts\n([\s\S]*?)```/.exec(readme)?.[1]).toBe(read('examples/forward.ts'));
  expect(toBackend.split('\r\n')).toEqual([
    'GET /x HTTP/1.1',
    'Host: a.example',
    'X-Forwarded-For: 192.0.2.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: a.example',
    'X-Forwarded-Port: 80',
    'Via: 1.1 rp',
    'X-Request-Id: 1',
    '',
    '',
  ]);
});

test('the table of failures in the README is the one in the code', () => {
  const documented = [...readme.matchAll(/^\| (`ERR_[^|]*)\| ([\d, ]+) \|/gm)].flatMap(
    ([, codes, statuses]) => {
      const status = (statuses as string).split(', ').map(Number);
      return [...(codes as string).matchAll(/`(ERR_\w+)`/g)].map(([, code], index) => [
        code,
        status[index] ?? status[0],
      ]);
    },
  );
  const codes = [...read('src/http1/failure.ts').matchAll(/^ {2}(ERR_\w+): \[/gm)].map(
    ([, code]) => code as WireFailureCode,
  );
  expect(codes.length).toBeGreaterThan(10);
  expect(new Map(documented as [string, number][])).toEqual(
    new Map(codes.map((code) => [code, new WireFailure(code, 'client').status])),
  );
  for (const code of codes) expect(new WireFailure(code, 'backend').status).toBe(502);
});
