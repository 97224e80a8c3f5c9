import { describe, expect, it } from 'vitest';
import type { ConnectAttempt } from '@rp/pool';
import { World, type FakeConnection } from './harness.ts';

describe('drain', () => {
  it('closes idle connections now, those in use at release, and takes nothing new', () => {
    const world = new World();
    const [idle, busy] = world.getMany(2);
    if (idle === undefined || busy === undefined) throw new Error('two');
    world.pool.release(idle);
    world.pool.drain();
    expect([idle.destroyed, busy.destroyed]).toEqual([1, 0]);
    const refused = world.wait();
    world.settle();
    expect(refused.error).toMatchObject({ code: 'POOL_DRAINING', source: 'proxy' });
    world.pool.release(busy);
    expect(busy.destroyed).toBe(1);
    expect(world.pool.size).toBe(0);
  });

  it('still serves who waits already, so that no accepted request is lost', () => {
    const world = new World({ maxConnections: 1 });
    const connection = world.get();
    const [first, second] = [world.wait(), world.wait()];
    world.pool.drain();
    world.pool.release(connection);
    expect(first.connection).toBe(connection);
    world.pool.discard(connection);
    const fresh = world.succeed();
    expect(second.connection).toBe(fresh);
    world.pool.release(fresh);
    expect(world.pool.size).toBe(0);
  });

  it('keeps nothing ready', () => {
    const world = new World({ minIdle: 3 });
    world.pool.start();
    world.pool.drain();
    for (const connection of [world.succeed(), world.succeed(), world.succeed()]) {
      expect(connection.destroyed).toBe(1);
    }
    world.pass(2_000);
    expect(world.attempts).toHaveLength(0);
    expect(world.pool.size).toBe(0);
  });

  it('abandons connects that nobody wants, and does not blame the backend for them', () => {
    const world = new World({ minIdle: 2 });
    const abandoned: ConnectAttempt<FakeConnection>[] = [];
    Object.assign(world, {
      abandon: (attempt: ConnectAttempt<FakeConnection>) => abandoned.push(attempt),
    });
    world.pool.start();
    const waiter = world.wait();
    world.pool.drain();
    expect(abandoned).toEqual([world.attempts[1]]);
    world.pool.cancel(waiter);
    expect(abandoned).toHaveLength(2);
    expect(world.pool.size).toBe(2);
    for (const attempt of abandoned) attempt.failed(new Error('abandoned'));
    expect(world.pool.stats()).toMatchObject({ failed: 0, backingOff: false });
    expect(world.pool.size).toBe(0);
  });
});

describe('an attempt that has ended', () => {
  it('ignores a second failure and closes a late connection', () => {
    const world = new World();
    const waiter = world.wait();
    const attempt = world.attempts[0];
    world.fail();
    attempt?.failed(new Error('again'));
    expect(waiter.told).toBe(1);
    if (attempt !== undefined) world.attempts.push(attempt);
    expect(world.succeed().destroyed).toBe(1);
    expect(world.pool.size).toBe(0);
  });
});
