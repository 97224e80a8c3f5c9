import { SharedPermits, type PermitListener } from '@rp/pool';
import { describe, expect, it } from 'vitest';
import { FakeWaiter, World } from './harness.ts';

/** Notes what it is told. */
class Ear implements PermitListener {
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
function views(threads: number, max: number, capacity = 16): SharedPermits[] {
  const buffer = new SharedArrayBuffer(SharedPermits.byteLength(threads, capacity));
  return Array.from(
    { length: threads },
    (_, thread) => new SharedPermits({ buffer, threads, thread, capacity, max }),
  );
}

/** Lets notifications of `Atomics.waitAsync` arrive: they come as tasks of the event loop. */
async function arrive(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function two(threads: readonly SharedPermits[]): [SharedPermits, SharedPermits] {
  const [a, b] = threads;
  if (a === undefined || b === undefined) throw new Error('two views');
  return [a, b];
}

describe('SharedPermits', () => {
  it('holds the limit over all threads together', () => {
    const [a, b] = two(views(2, 3));
    expect([a.tryTake(), b.tryTake(), a.tryTake(), b.tryTake(), a.tryTake()]).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect([a.held, b.held, a.inUse]).toEqual([2, 1, 3]);
    b.give();
    expect(a.tryTake()).toBe(true);
    expect(() => b.give()).toThrow('does not hold');
  });

  it('keeps blocks of several backends in one buffer apart', () => {
    const bytes = SharedPermits.byteLength(2, 4);
    const buffer = new SharedArrayBuffer(bytes * 2);
    const options = { buffer, threads: 2, thread: 0, capacity: 4 };
    const first = new SharedPermits({ ...options, max: 1 });
    const second = new SharedPermits({ ...options, index: bytes / 4, max: 4 });
    for (let i = 0; i < 4; i++) expect(second.tryTake()).toBe(true);
    expect(first.tryTake()).toBe(true);
    expect(first.tryTake()).toBe(false);
    expect([first.max, second.max]).toEqual([1, 4]);
  });

  it.each([
    ['limit', { max: 0 }],
    ['limit', { max: 17 }],
    ['limit', { max: 1.5 }],
    ['thread', { thread: 2 }],
    ['thread', { thread: -1 }],
    ['size', { capacity: 1_000 }],
  ])('refuses a senseless %s', (_name, wrong) => {
    const buffer = new SharedArrayBuffer(SharedPermits.byteLength(2, 16));
    expect(() => new SharedPermits({ buffer, threads: 2, thread: 0, capacity: 16, ...wrong })).toThrow(
      RangeError,
    );
  });

  it('wakes who waits in another thread when a permit is given', async () => {
    const [a, b] = two(views(2, 1));
    const ear = new Ear();
    b.listen(ear);
    a.tryTake();
    b.wait();
    await arrive();
    const before = ear.available;
    a.give();
    await arrive();
    expect(ear.available).toBeGreaterThan(before);
    expect(b.tryTake()).toBe(true);
  });

  it('no lost wake-up: a permit given between the failed attempt and the wait is offered', async () => {
    const [a, b] = two(views(2, 1));
    const ear = new Ear();
    b.listen(ear);
    a.tryTake();
    expect(b.tryTake()).toBe(false);
    a.give();
    b.wait();
    expect(ear.available).toBe(0);
    await arrive();
    expect(ear.available).toBeGreaterThan(0);
  });

  it('says nothing to who no longer waits', async () => {
    const [a, b] = two(views(2, 1));
    const ear = new Ear();
    b.listen(ear);
    a.tryTake();
    b.wait();
    b.stopWaiting();
    a.give();
    await arrive();
    expect(ear.available).toBe(0);
    b.wait();
    await arrive();
    expect(ear.available).toBe(1);
  });

  it('tells others that somebody waits: at once who starves, at a reminder who does not', async () => {
    const [a, b] = two(views(2, 2));
    const ear = new Ear();
    a.listen(ear);
    b.listen(new Ear());
    a.tryTake();
    b.tryTake();
    b.wait();
    await arrive();
    expect([a.othersWait(), a.othersStarve(), a.othersLack(), ear.wanted]).toEqual([true, false, true, 0]);
    b.remind();
    await arrive();
    expect(ear.wanted).toBe(1);
    b.give();
    expect([a.othersStarve(), a.othersLack()]).toEqual([true, false]);
    await arrive();
    expect(ear.wanted).toBe(2);
    b.stopWaiting();
    expect([a.othersWait(), a.othersStarve()]).toEqual([false, false]);
  });

  it('no starvation: the free permit is left to the thread that has none', async () => {
    const [a, b] = two(views(2, 2));
    const ear = new Ear();
    a.listen(ear);
    b.listen(new Ear());
    a.tryTake();
    a.tryTake();
    b.wait();
    a.wait();
    a.give();
    expect(a.tryTake()).toBe(false);
    await arrive();
    const before = ear.available;
    b.stopWaiting();
    await arrive();
    expect(ear.available).toBeGreaterThan(before);
    expect(a.tryTake()).toBe(true);
  });

  it('a raised limit wakes who waits; a lowered one is kept by giving back', async () => {
    const [a, b] = two(views(2, 2));
    const ear = new Ear();
    b.listen(ear);
    a.tryTake();
    a.tryTake();
    b.wait();
    await arrive();
    const before = ear.available;
    a.resize(4);
    await arrive();
    expect(ear.available).toBeGreaterThan(before);
    expect([b.tryTake(), b.tryTake()]).toEqual([true, true]);

    b.resize(1);
    expect(a.max).toBe(1);
    expect(a.excess() + b.excess()).toBe(3);
    a.give();
    // Room below the limit is for those that are above it, not for new ones.
    a.give();
    expect(a.tryTake()).toBe(false);
    expect(b.excess()).toBe(1);
    b.give();
    expect([b.excess(), b.held, b.inUse]).toEqual([0, 1, 1]);
    b.give();
    expect([a.tryTake(), b.tryTake()]).toEqual([true, false]);
  });

  it('no lost wake-up: who looked while a permit moved below a lowered limit looks again', async () => {
    const [a, b] = two(views(2, 3));
    const ear = new Ear();
    b.listen(ear);
    expect([b.tryTake(), a.tryTake(), a.tryTake()]).toEqual([true, true, true]);
    a.resize(2);
    b.give();
    b.wait();
    expect(b.tryTake()).toBe(false);
    await arrive();
    const before = ear.available;
    expect(a.excess()).toBe(0);
    await arrive();
    expect(ear.available).toBeGreaterThan(before);
    expect(b.tryTake()).toBe(false);
    a.give();
    expect(b.tryTake()).toBe(true);
  });

  it('returns the permits of a thread that died, and forgets that it waited', async () => {
    const [a, b] = two(views(2, 2));
    const ear = new Ear();
    a.listen(ear);
    b.listen(new Ear());
    b.tryTake();
    b.tryTake();
    a.wait();
    b.wait();
    await arrive();
    const before = ear.available;
    expect(a.reclaim(1)).toBe(2);
    await arrive();
    expect(ear.available).toBeGreaterThan(before);
    expect([a.othersWait(), a.inUse]).toEqual([false, 0]);
    expect(a.reclaim(1)).toBe(0);
  });

  it('works with more threads than a word has bits', () => {
    const threads = views(70, 3);
    const [first, last] = [threads[0], threads[69]];
    if (first === undefined || last === undefined) throw new Error('seventy');
    last.listen(new Ear());
    last.wait();
    expect([first.othersWait(), first.othersStarve(), last.othersWait()]).toEqual([true, true, false]);
    expect(first.reclaim(69)).toBe(0);
    expect(first.othersWait()).toBe(false);
  });

  it('after close the listener hears nothing', async () => {
    const [a, b] = two(views(2, 1));
    const ear = new Ear();
    b.listen(ear);
    a.tryTake();
    b.wait();
    b.close();
    a.give();
    a.listen(new Ear());
    a.wait();
    await arrive();
    expect([ear.available, ear.wanted]).toEqual([0, 0]);
    expect(() => b.wait()).toThrow('listen');
  });
});

describe('pools of several threads', () => {
  function worlds(max: number): [World, World] {
    const [a, b] = two(views(2, max));
    return [new World({ permits: a }), new World({ permits: b })];
  }

  it('an idle connection is given up for a thread that waits', async () => {
    const [a, b] = worlds(2);
    for (const connection of a.getMany(2)) a.pool.release(connection);
    const waiter = b.wait();
    expect(b.attempts).toHaveLength(0);
    await arrive();
    expect(a.pool.stats()).toMatchObject({ idle: 1, evicted: 1 });
    expect(b.attempts).toHaveLength(1);
    b.succeed();
    expect(waiter.told).toBe(1);
  });

  it('gives up one idle connection per waiting thread, not all', async () => {
    const [a, b] = worlds(4);
    for (const connection of a.getMany(4)) a.pool.release(connection);
    b.wait();
    await arrive();
    b.succeed();
    a.pass(5_000);
    await arrive();
    expect(a.pool.stats().idle).toBe(3);
  });

  it('a released connection is given up at once for a thread that waits', () => {
    const [a, b] = worlds(2);
    const mine = a.get();
    b.get();
    b.wait();
    a.pool.release(mine);
    expect(mine.destroyed).toBe(1);
  });

  it('a thread that only keeps idle connections is reminded by the upkeep of who waits', async () => {
    const [a, b] = worlds(2);
    const mine = a.get();
    a.pool.release(mine);
    b.get();
    b.wait();
    await arrive();
    expect(mine.destroyed).toBe(0);
    b.pass(100);
    await arrive();
    expect(mine.destroyed).toBe(1);
    expect(b.attempts).toHaveLength(1);
  });

  it('a busy thread gives one up at release to a thread that has none, before its own waiters', async () => {
    const [a, b] = worlds(2);
    const [used] = a.getMany(2);
    if (used === undefined) throw new Error('two');
    const own = a.wait();
    b.wait();
    a.pool.release(used);
    expect(used.destroyed).toBe(1);
    expect(own.told).toBe(0);
    await arrive();
    expect(b.attempts).toHaveLength(1);
    expect(a.attempts).toHaveLength(0);
  });

  it('a thread keeps its only connection for 100 ms while its own waiters want it', () => {
    const [a, b] = worlds(1);
    const only = a.get();
    b.wait();
    const own = a.wait();
    a.now = 99;
    a.pool.release(only);
    expect(own.connection).toBe(only);
    a.wait();
    a.now = 100;
    a.pool.release(only);
    expect(only.destroyed).toBe(1);
  });

  it('does not keep connections ready that others wait for', () => {
    const [a, b] = two(views(2, 3));
    const world = new World({ permits: a, minIdle: 2 });
    world.get();
    b.listen(new Ear());
    b.tryTake();
    b.wait();
    world.pass(1_000);
    expect(world.attempts).toHaveLength(0);
    b.stopWaiting();
    world.pass(1_000);
    expect(world.attempts).toHaveLength(1);
  });

  it('a thread in back-off does not keep permits from others', () => {
    const [a, b] = worlds(2);
    a.getMany(1);
    a.wait();
    a.wait();
    b.wait();
    a.fail();
    expect(a.pool.stats().waiting).toBe(1);
    b.succeedAll();
    b.pool.acquireFresh(new FakeWaiter());
    expect(b.attempts.length + b.pool.stats().active).toBeGreaterThan(0);
  });
});
