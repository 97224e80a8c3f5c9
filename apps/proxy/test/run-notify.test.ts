import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configFor, eventually, folder, startRp, wordBackend } from './run-support.ts';

it('tells systemd, where it asks for it, when it is ready, reloads, and ends', async () => {
  const { url } = await wordBackend('a');
  const bin = folder();
  const said = join(bin, 'said');
  writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >>${said}\n`);
  chmodSync(join(bin, 'systemd-notify'), 0o755);
  const env = { NOTIFY_SOCKET: '/run/notify', PATH: `${bin}:${process.env.PATH ?? ''}` };
  const rp = await startRp(configFor([url]), { env }).ready();
  await eventually('ready', () => existsSync(said));
  const lines = (count: number) =>
    eventually(`${count} lines`, () => {
      const all = readFileSync(said, 'utf8').trim().split('\n');
      return all.length === count ? all : undefined;
    });
  rp.signal('SIGHUP');
  await lines(3);
  // Also when it is refused: systemd waits for the end, whatever it is.
  rp.write('no: configuration\n');
  rp.signal('SIGHUP');
  await lines(5);
  rp.signal('SIGTERM');
  expect(await rp.exited).toBe(0);
  const pid = `--pid=${rp.child.pid}`;
  const reloading = expect.stringMatching(new RegExp(`^${pid} RELOADING=1 MONOTONIC_USEC=[0-9]+$`, 'u'));
  const ready = `${pid} --ready`;
  expect(await lines(6)).toEqual([ready, reloading, ready, reloading, ready, `${pid} --stopping`]);
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
