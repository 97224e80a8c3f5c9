import { BalancerError } from './error.ts';
import { hashString } from './hash.ts';
import { type BackendTable, Cell, Header, StateBit } from './shared-state.ts';

/**
 * Gives backends their places in the table. Threads find the place of a backend by the hash of its key, so
 * that they agree without a message, and a worker that starts later finds what the others know.
 *
 * @param initialBits state of a backend that nobody knew yet
 * @returns the slot of each key, in order
 * @throws {BalancerError} `tableFull` when there is no free slot; nothing was changed then
 */
export function claimSlots(table: BackendTable, keys: readonly string[], initialBits: number): number[] {
  lock(table);
  try {
    const known = ownedSlots(table);
    const names = new Set(keys.map(keyName));
    const fresh = [...names].filter((name) => !known.has(name));
    const kept = new Set([...known].filter(([name]) => names.has(name)).map(([, index]) => index));
    const free = freeSlots(table, fresh.length, kept);
    return keys.map((key) => {
      const owned = known.get(keyName(key));
      const index = owned ?? free.shift();
      if (index === undefined) throw new BalancerError('tableFull', 'no free slot in the backend table');
      if (owned === undefined) initialise(table, index, key, initialBits);
      rejoin(table, index);
      return index;
    });
  } finally {
    Atomics.store(table.cells, Header.lock, 0);
  }
}

/** A backend left this thread's set: nobody picks it any more, and its slot is free once it is idle. */
export function leaveSlot(table: BackendTable, index: number): void {
  Atomics.or(table.cells, table.slotCell(index) + Cell.state, StateBit.removed);
  Atomics.store(table.cells, table.workerMemberCell(table.worker, index), 0);
}

function rejoin(table: BackendTable, index: number): void {
  const member = table.workerMemberCell(table.worker, index);
  if (Atomics.exchange(table.cells, member, 1) === 0) {
    Atomics.and(table.cells, table.slotCell(index) + Cell.state, ~StateBit.removed);
  }
}

function initialise(table: BackendTable, index: number, key: string, initialBits: number): void {
  const { cells } = table;
  const base = table.slotCell(index);
  const end = table.slotCell(index + 1);
  for (let cell = base; cell < end; cell++) Atomics.store(cells, cell, 0);
  for (let worker = 0; worker < table.workers; worker++) {
    const from = table.counterIndex(worker, index);
    table.counters.fill(0, from, table.counterIndex(worker, index + 1));
  }
  Atomics.store(cells, base + Cell.state, initialBits);
  Atomics.store(cells, base + Cell.keyHigh, keyHigh(key));
  Atomics.store(cells, base + Cell.keyLow, keyLow(key));
}

function ownedSlots(table: BackendTable): Map<string, number> {
  const owned = new Map<string, number>();
  for (let index = 0; index < table.capacity; index++) {
    const base = table.slotCell(index);
    const high = Atomics.load(table.cells, base + Cell.keyHigh);
    const low = Atomics.load(table.cells, base + Cell.keyLow);
    // A key that is no longer in any set keeps its slot until another needs it: a backend that comes back
    // meanwhile finds its counters.
    if (high !== 0 || low !== 0) owned.set(`${high}:${low}`, index);
  }
  return owned;
}

function freeSlots(table: BackendTable, wanted: number, kept: ReadonlySet<number>): number[] {
  const never: number[] = [];
  const left: number[] = [];
  for (let index = 0; index < table.capacity && never.length < wanted; index++) {
    const base = table.slotCell(index);
    const unused =
      Atomics.load(table.cells, base + Cell.keyHigh) === 0 &&
      Atomics.load(table.cells, base + Cell.keyLow) === 0;
    if (unused) never.push(index);
    else if (!kept.has(index) && isIdle(table, index)) left.push(index);
  }
  const free = never.concat(left).slice(0, wanted);
  if (free.length === wanted) return free;
  throw new BalancerError(
    'tableFull',
    `the backend table has room for ${table.capacity} backends, those still draining included`,
  );
}

function isIdle(table: BackendTable, index: number): boolean {
  for (let worker = 0; worker < table.workers; worker++) {
    if (Atomics.load(table.cells, table.workerMemberCell(worker, index)) !== 0) return false;
  }
  return Atomics.load(table.cells, table.slotCell(index) + Cell.active) === 0;
}

/** Updates are rare and take microseconds; a thread that dies inside is unlocked by `reclaim`. */
function lock(table: BackendTable): void {
  const { cells, worker } = table;
  for (;;) {
    const holder = Atomics.compareExchange(cells, Header.lock, 0, worker + 1);
    if (holder === 0) return;
    Atomics.wait(cells, Header.lock, holder, 1);
  }
}

function keyHigh(key: string): number {
  return hashString(key, 0x9e3779b9) | 0;
}

/** Never 0, so that an owned slot differs from a free one whatever the other half is. */
function keyLow(key: string): number {
  return hashString(key, 0x7f4a7c15) | 1;
}

function keyName(key: string): string {
  return `${keyHigh(key)}:${keyLow(key)}`;
}
