import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { resolveOptions } from '@rp/cache';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

it('the example in the README runs', () => {
  const source = fileURLToPath(new URL('../src/index.ts', import.meta.url));
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const program = `${example.replace("'@rp/cache'", JSON.stringify(source))}\nprocess.stdout.write(bytes);`;
  const options = { encoding: 'utf8' } as const;
  const printed = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', program], options);
  expect(printed).toMatch(
    /^HTTP\/1\.1 200 OK\r\nCache-Control: max-age=60\r\nDate: .*\r\nContent-Length: 5\r\n/,
  );
  expect(printed).toMatch(/\r\nAge: 0\r\nCache-Status: rp; hit; ttl=(60|59)\r\n\r\nhello$/);
});

it('every option is in the README', () => {
  for (const option of Object.keys(resolveOptions({}))) expect(readme).toContain(`\`${option}\``);
});
