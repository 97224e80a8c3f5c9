import { SharedPermits, type PermitListener } from '@rp/pool';

/** Notes what it is told. */
export class Ear implements PermitListener {
  available = 0;
  wanted = 0;
  permitAvailable(): void {
    this.available++;
  }
  permitWanted(): void {
    this.wanted++;
  }
}

/** Views of several threads; here they are all of one, which changes nothing for the memory. */
export function views(threads: number, max: number, capacity = 16): SharedPermits[] {
  const buffer = new SharedArrayBuffer(SharedPermits.byteLength(threads, capacity));
  return Array.from(
    { length: threads },
    (_, thread) => new SharedPermits({ buffer, threads, thread, capacity, max }),
  );
}

/** Lets notifications of `Atomics.waitAsync` arrive: they come as tasks of the event loop. */
export async function arrive(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export function two(threads: readonly SharedPermits[]): [SharedPermits, SharedPermits] {
  const [a, b] = threads;
  if (a === undefined || b === undefined) throw new Error('two views');
  return [a, b];
}
