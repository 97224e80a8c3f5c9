import { readdirSync, readFileSync } from 'node:fs';

/** Length of a scheduler tick in `/proc/PID/stat`, microseconds: USER_HZ is 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** The text of a `/proc` file, or undefined when the process has ended meanwhile. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (gone(cause)) return undefined;
    throw cause;
  }
}

function gone(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES';
}

/** The fields of `/proc/PID/stat` after the command name, which may hold spaces and parentheses itself. */
function stat(pid: number): string[] | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** A process and all its descendants that are alive now. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = Number(stat(Number(entry))?.[1]);
    const list = children.get(parent);
    if (list) list.push(Number(entry));
    else children.set(parent, [Number(entry)]);
  }
  const tree: number[] = [];
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    tree.push(next);
    queue.push(...(children.get(next) ?? []));
  }
  return tree;
}

/** User and system time that the processes have used so far, in microseconds, to 10 ms each. */
export function cpuTime(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = stat(pid);
    if (fields) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * TICK_US;
}

/** Resident memory of the processes together, in bytes. Pages they share are counted in each of them. */
export function residentMemory(pids: readonly number[]): number {
  let bytes = 0;
  for (const pid of pids) {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/status`) ?? '');
    if (found) bytes += Number(found[1]) * 1024;
  }
  return bytes;
}

/** Number of descriptors that the processes have open. */
export function openDescriptors(pids: readonly number[]): number {
  let count = 0;
  for (const pid of pids) {
    try {
      count += readdirSync(`/proc/${pid}/fd`).length;
    } catch (cause) {
      if (!gone(cause)) throw cause;
    }
  }
  return count;
}

/** Whether a process runs: not ended, and not a zombie that waits for its parent. */
export function isAlive(pid: number): boolean {
  const state = stat(pid)?.[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}
