// Installs the workspace when something about it changed; says nothing and costs milliseconds otherwise.
// Runs on whatever Node the machine has (20 or newer): the project's own Node comes with the install.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const { packageManager } = JSON.parse(readFileSync('package.json', 'utf8'));
const manifests = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'];
for (const folder of ['packages', 'apps']) manifests.push(...(await manifestsBelow(folder)));

const wanted = createHash('sha256');
for (const file of manifests) wanted.update(file).update(readFileSync(file));
const digest = wanted.digest('hex');
const stamp = 'node_modules/.setup';

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== digest) {
  console.log('Installing dependencies …');
  // The default reporter draws progress bars: fine on a terminal, noise in a log.
  const reporter = process.stdout.isTTY ? 'default' : 'append-only';
  const install = ['install', '--frozen-lockfile', '--prefer-offline', `--reporter=${reporter}`];
  const { status, error } = spawnSync('npx', ['--yes', packageManager, ...install], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error !== undefined) throw error;
  if (status === 0) writeFileSync(stamp, digest);
  else process.exitCode = 1;
}

async function manifestsBelow(folder) {
  const { readdir } = await import('node:fs/promises');
  const names = (await readdir(folder)).sort();
  return names.map((name) => `${folder}/${name}/package.json`).filter((file) => existsSync(file));
}
