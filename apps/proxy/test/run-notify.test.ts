import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configFor, eventually, folder, startRp, wordBackend } from './run-support.ts';

it('tells systemd, where it asks for it, when it is ready and when it ends', async () => {
  const { url } = await wordBackend('a');
  const bin = folder();
  const said = join(bin, 'said');
  writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >>${said}\n`);
  chmodSync(join(bin, 'systemd-notify'), 0o755);
  const env = { NOTIFY_SOCKET: '/run/notify', PATH: `${bin}:${process.env.PATH ?? ''}` };
  const rp = await startRp(configFor([url]), { env }).ready();
  await eventually('ready', () => existsSync(said));
  rp.signal('SIGTERM');
  expect(await rp.exited).toBe(0);
  const lines = await eventually('both', () => {
    const all = readFileSync(said, 'utf8').trim().split('\n');
    return all.length === 2 ? all : undefined;
  });
  expect(lines).toEqual([`--ready --pid=${rp.child.pid}`, `--stopping --pid=${rp.child.pid}`]);
});

it('goes on where systemd cannot be told', async () => {
  const { url } = await wordBackend('a');
  const rp = await startRp(configFor([url]), {
    env: { NOTIFY_SOCKET: '/run/notify', PATH: folder() },
  }).ready();
  await rp.said('systemd-notify cannot be run');
  rp.signal('SIGTERM');
  expect(await rp.exited).toBe(0);
});
