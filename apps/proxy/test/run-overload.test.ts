import { describe, expect, it } from 'vitest';
import { OverloadMonitor } from '../src/run/overload.ts';

const limits = { enabled: true, maxEventLoopDelay: 100, maxHeap: 0.9 };
const calm = { delay: 1, heap: 0.3 };
const feed = (monitor: OverloadMonitor, count: number, sample = calm): readonly boolean[] =>
  Array.from({ length: count }, () => monitor.sample(sample));

describe('overload', () => {
  it('begins with the second late sample in a row, not with one long turn', () => {
    const monitor = new OverloadMonitor(limits);
    expect(feed(monitor, 3)).toEqual([false, false, false]);
    expect(monitor.sample({ delay: 500, heap: 0.3 })).toBe(false);
    expect(monitor.sample(calm)).toBe(false);
    expect(feed(monitor, 2, { delay: 101, heap: 0.3 })).toEqual([false, true]);
  });

  it('begins at once where the heap is nearly full', () => {
    expect(new OverloadMonitor(limits).sample({ delay: 0, heap: 0.91 })).toBe(true);
  });

  it('ends only after a second well below the limits', () => {
    const monitor = new OverloadMonitor(limits);
    feed(monitor, 2, { delay: 200, heap: 0.3 });
    expect(feed(monitor, 19).every(Boolean)).toBe(true);
    // Below the limit, but not well below it: the second begins anew.
    expect(monitor.sample({ delay: 60, heap: 0.3 })).toBe(true);
    expect(feed(monitor, 19).every(Boolean)).toBe(true);
    expect(monitor.sample({ delay: 1, heap: 0.85 })).toBe(true);
    expect(feed(monitor, 20)).toEqual([...Array.from({ length: 19 }, () => true), false]);
  });

  it('ends when it is switched off, and follows other limits', () => {
    const monitor = new OverloadMonitor(limits);
    feed(monitor, 2, { delay: 200, heap: 0.3 });
    monitor.limits = { ...limits, enabled: false };
    expect(monitor.sample({ delay: 200, heap: 0.95 })).toBe(false);
    monitor.limits = { ...limits, maxEventLoopDelay: 1000 };
    expect(feed(monitor, 5, { delay: 200, heap: 0.3 })).not.toContain(true);
  });

  it('tells the worst delay of the last second', () => {
    const monitor = new OverloadMonitor(limits);
    monitor.sample({ delay: 42, heap: 0 });
    feed(monitor, 19);
    expect(monitor.worstDelay).toBe(42);
    feed(monitor, 1);
    expect(monitor.worstDelay).toBe(1);
  });
});
