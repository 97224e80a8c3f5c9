import type { PoolSlot } from './connection.ts';

/**
 * Idle connections as a stack (the one used last is the warmest and the least likely to have been closed by the
 * backend) that is linked both ways, since a backend may close any of them at any time. From `newest` to `oldest`
 * the values of `idleSince` never grow, so eviction looks at the oldest end only.
 */
export class IdleList {
  /** Top of the stack. */
  newest: PoolSlot | undefined = undefined;
  /** Bottom of the stack: the first to be evicted. */
  oldest: PoolSlot | undefined = undefined;
  /** Number of slots in the list. */
  size: number = 0;

  /** Puts a slot on top. */
  push(slot: PoolSlot): void {
    const below = this.newest;
    slot.older = below;
    slot.newer = undefined;
    if (below === undefined) this.oldest = slot;
    else below.newer = slot;
    this.newest = slot;
    this.size++;
  }

  /** Takes a slot out, wherever it is. It must be in this list. */
  remove(slot: PoolSlot): void {
    const { older, newer } = slot;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    slot.older = undefined;
    slot.newer = undefined;
    this.size--;
  }
}
