import { describe, expect, it } from 'vitest';
import { FakeWaiter, World } from './harness.ts';

describe('validation before reuse', () => {
  it('drops an idle connection that closed, errored or has unread bytes (response queue poisoning)', () => {
    const world = new World();
    const [good, bad] = world.getMany(2);
    if (good === undefined || bad === undefined) throw new Error('two');
    world.pool.release(good);
    world.pool.release(bad);
    bad.stale = true;
    expect(world.get()).toBe(good);
    expect(bad.destroyed).toBe(1);
    expect(world.pool.stats()).toMatchObject({ stale: 1, evicted: 1, reused: 1 });
  });

  it('connects anew if all idle ones are stale (backend restart)', () => {
    const world = new World({ maxConnections: 3 });
    const all = world.getMany(3);
    for (const connection of all) world.pool.release(connection);
    for (const connection of all) connection.stale = true;
    const waiter = new FakeWaiter();
    expect(world.pool.acquire(waiter)).toBeUndefined();
    expect(all.map((connection) => connection.destroyed)).toEqual([1, 1, 1]);
    world.succeed();
    expect(waiter.reused).toBe(false);
  });

  it('forgets an idle connection that the backend closed', () => {
    const world = new World();
    const [a, b, c] = world.getMany(3);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three');
    for (const connection of [a, b, c]) world.pool.release(connection);
    b.end();
    expect(world.get()).toBe(c);
    expect(world.get()).toBe(a);
    expect(world.pool.stats()).toMatchObject({ stale: 1, evicted: 0, idle: 0 });
  });

  it('does not hand a stale connection from one user to the next', () => {
    const world = new World({ maxConnections: 1 });
    const connection = world.get();
    const waiter = world.wait();
    connection.stale = true;
    world.pool.release(connection);
    expect(connection.destroyed).toBe(1);
    const fresh = world.succeed();
    expect(waiter.connection).toBe(fresh);
  });

  it('upkeep closes idle connections that went bad', () => {
    const world = new World();
    const connection = world.get();
    world.pool.release(connection);
    connection.stale = true;
    world.pass(1_000);
    expect(connection.destroyed).toBe(1);
  });
});
