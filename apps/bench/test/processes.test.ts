import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { cpuTime, isAlive, openDescriptors, processTree, residentMemory } from '../src/proc.ts';
import { ProcessGroup, freePort, waitForPort } from '../src/process.ts';
import { holdSocket } from '../src/socket-holder.ts';
import { ask } from '../src/verify.ts';

const groups: ProcessGroup[] = [];
afterEach(async () => {
  for (const group of groups.splice(0)) await group.close();
});

function newGroup(): ProcessGroup {
  const group = new ProcessGroup();
  groups.push(group);
  return group;
}

async function gone(pid: number): Promise<void> {
  await expect.poll(() => isAlive(pid), { interval: 5 }).toBe(false);
}

test('closing the group ends every child with its descendants and removes the folders', async () => {
  const group = newGroup();
  const folder = group.folder('test');
  const child = group.start('sh', ['-c', 'sleep 1000 & sleep 1000'], {});
  await expect.poll(() => processTree(child.pid).length, { interval: 5 }).toBe(3);
  const tree = processTree(child.pid);
  await group.close();
  for (const pid of tree) await gone(pid);
  expect(existsSync(folder)).toBe(false);
});

test('a child that is stopped by a signal, or ignores SIGTERM, ends as well', async () => {
  const group = newGroup();
  const frozen = group.start('sleep', ['1000']);
  process.kill(frozen.pid, 'SIGSTOP');
  await group.stop(frozen);
  // By the signal it was sent: it was woken to take it, not killed after the time of grace.
  expect(await frozen.exited).toBe('SIGTERM');
  const deaf = group.start('sh', ['-c', 'trap "" TERM; echo >&2 ready; while :; do sleep 1000; done']);
  await expect.poll(() => deaf.errors(), { interval: 5 }).toBe('ready\n');
  await group.stop(deaf, 'SIGTERM', 50);
  expect(await deaf.exited).toBe('SIGKILL');
});

test('waiting for a port fails at once, with the child’s words, when the child ends', async () => {
  const group = newGroup();
  const child = group.start('sh', ['-c', 'echo no such option >&2; exit 3']);
  await expect(waitForPort(await freePort(), child)).rejects.toThrow(/sh ended \(3\)[^]*no such option/);
});

test('processor time, memory and descriptors of a process can be read; of one that is gone they are 0', async () => {
  const before = openDescriptors([process.pid]);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  expect((server.address() as AddressInfo).port).toBeGreaterThan(0);
  expect(openDescriptors([process.pid])).toBeGreaterThan(before);
  await new Promise((resolve) => server.close(resolve));
  expect(residentMemory([process.pid])).toBeGreaterThan(2 ** 20);
  expect(cpuTime([process.pid])).toBeGreaterThan(0);
  const group = newGroup();
  const child = group.start('true', []);
  await child.exited;
  expect([cpuTime([child.pid]), residentMemory([child.pid]), openDescriptors([child.pid])]).toEqual([
    0, 0, 0,
  ]);
});

test('a held socket is handed to one process after another by LISTEN_FDS, and connections in between wait', async () => {
  const group = newGroup();
  const port = await freePort();
  const program = `require('node:http').createServer((request, response) => {
    response.end(process.env.LISTEN_FDS === '1' && process.env.LISTEN_PID === String(process.pid) ? String(process.pid) : 'wrong');
  }).listen({ fd: 3 });`;
  const holder = await holdSocket(group, port, [process.execPath, '-e', program]);
  const first = await holder.next();
  expect((await ask({ port }, '/')).body.toString()).toBe(String(first));
  process.kill(first, 'SIGKILL');
  await gone(first);
  // Nobody accepts now, and still nothing is refused: the shell keeps the socket.
  const waiting = ask({ port }, '/');
  const second = await holder.next();
  expect((await waiting).body.toString()).toBe(String(second));
});
