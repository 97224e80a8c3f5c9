import { SharedPermits } from '@rp/pool';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { layoutOf } from '../src/shared-permits-layout.ts';
import { Ear, arrive, two, views } from './threads.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

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

  it('a permit that another thread took between the look and the take is not taken twice', () => {
    const [a, b] = two(views(2, 1));
    const { owners } = layoutOf(2, 16);
    const load = Atomics.load;
    let taken = false;
    vi.spyOn(Atomics, 'load').mockImplementation(((cells: Int32Array, index: number) => {
      const value = load(cells, index);
      if (index === owners && !taken) {
        taken = true;
        b.tryTake();
      }
      return value;
    }) as typeof Atomics.load);
    expect(a.tryTake()).toBe(false);
    expect([a.held, b.held, taken]).toEqual([0, 1, true]);
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

  it('sees a permit that was given after it had been refused and left', () => {
    const [a, b] = two(views(2, 1));
    b.listen(new Ear());
    a.tryTake();
    b.wait();
    expect(b.tryTake()).toBe(false);
    b.stopWaiting();
    a.give();
    expect(b.tryTake()).toBe(true);
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
