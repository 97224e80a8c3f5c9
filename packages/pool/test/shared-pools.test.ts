import { describe, expect, it } from 'vitest';
import { World } from './harness.ts';
import { Ear, arrive, two, views } from './threads.ts';

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

  it('a thread that needs many gets them one after the other, without waiting for the next upkeep', async () => {
    const [a, b] = worlds(5);
    for (const connection of a.getMany(4)) a.pool.release(connection);
    b.get();
    for (let i = 0; i < 3; i++) b.wait();
    b.pass(100);
    await arrive();
    await arrive();
    expect(a.pool.stats().idle).toBe(1);
    expect(b.attempts).toHaveLength(3);
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

  it('a thread in back-off asks nobody for permits, until it may try again', () => {
    const [a, b] = two(views(2, 2));
    const world = new World({ permits: a });
    world.get();
    world.wait();
    world.wait();
    expect(b.othersWait()).toBe(true);
    world.fail();
    expect(world.pool.stats()).toMatchObject({ waiting: 1, backingOff: true });
    expect(b.othersWait()).toBe(false);
    world.pass(100);
    expect(world.attempts).toHaveLength(1);
  });
});
