// Checks one package as npm would publish it: what the tarball holds (publint) and how its types resolve (attw).
// Run from the package's folder, after a build.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'pack-'));
const run = (command, ...args) =>
  execFileSync(command, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });

try {
  run('npm', 'pack', '--silent', '--pack-destination', folder);
  const tarball = join(folder, readdirSync(folder)[0]);
  for (const [command, ...args] of [
    ['publint', tarball, '--strict'],
    ['attw', tarball, '--profile', 'esm-only', '--no-emoji'],
  ]) {
    try {
      run(command, ...args);
    } catch (error) {
      console.error(error.stdout);
      throw new Error(`${command} found something in ${process.cwd()}`, { cause: error });
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
