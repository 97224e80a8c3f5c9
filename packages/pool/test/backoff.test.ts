import { describe, expect, it } from 'vitest';
import { World, type FakeWaiter } from './harness.ts';

/** Lets a waiter try, and says what became of it at once. */
function attempt(world: World): FakeWaiter {
  const waiter = world.wait();
  world.settle();
  return waiter;
}

/** Fails one connect, for a backend that is down. */
function failOnce(world: World): void {
  const waiter = attempt(world);
  world.fail();
  if (waiter.error?.code !== 'POOL_CONNECT_FAILED') throw new Error('no connect was tried');
}

describe('back-off after connect failures', () => {
  it('fails the waiter with the cause', () => {
    const world = new World();
    const waiter = world.wait();
    const cause = new Error('ECONNREFUSED');
    world.fail(cause);
    expect(waiter.error).toMatchObject({
      code: 'POOL_CONNECT_FAILED',
      source: 'backend',
      retryable: 'yes',
      cause,
    });
    expect(world.pool.stats()).toMatchObject({ failed: 1, created: 0, active: 0, connecting: 0 });
  });

  it('fails fast during the delay, then allows a single trial', () => {
    const world = new World();
    failOnce(world);
    world.now = 99;
    expect(attempt(world).error).toMatchObject({ code: 'POOL_BACKOFF', source: 'backend', retryable: 'yes' });
    expect(world.pool.stats().backingOff).toBe(true);
    world.now = 100;
    expect(attempt(world).error).toBeUndefined();
    expect(attempt(world).error?.code).toBe('POOL_BACKOFF');
    expect(world.attempts).toHaveLength(1);
  });

  it('doubles from 100 ms to 5 s', () => {
    const world = new World();
    for (const delay of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      failOnce(world);
      world.now += delay - 1;
      expect(attempt(world).error?.code).toBe('POOL_BACKOFF');
      world.now += 1;
    }
    expect(attempt(world).error).toBeUndefined();
  });

  it('takes jitter off the delay', () => {
    const world = new World({ random: () => 0.5 });
    failOnce(world);
    world.now = 89;
    expect(attempt(world).error?.code).toBe('POOL_BACKOFF');
    world.now = 90;
    expect(attempt(world).error).toBeUndefined();
  });

  it('ends with a success, and starts from the beginning after the next failure', () => {
    const world = new World();
    failOnce(world);
    world.now = 100;
    failOnce(world);
    world.now = 300;
    const connection = world.get();
    expect(world.pool.stats().backingOff).toBe(false);
    world.pool.discard(connection);
    failOnce(world);
    world.now = 400;
    expect(attempt(world).error).toBeUndefined();
  });

  it('takes connects that failed together for one failure', () => {
    const world = new World();
    const waiters = Array.from({ length: 10 }, () => world.wait());
    while (world.attempts.length > 0) world.fail();
    expect(waiters.every((waiter) => waiter.error?.code === 'POOL_CONNECT_FAILED')).toBe(true);
    world.now = 100;
    expect(attempt(world).error).toBeUndefined();
  });

  it('one failed connect fails one waiter, the others go on', () => {
    const world = new World();
    const waiters = [world.wait(), world.wait(), world.wait()];
    world.fail();
    expect(waiters.map((waiter) => waiter.told)).toEqual([1, 0, 0]);
    world.succeedAll();
    expect(waiters.map((waiter) => waiter.connection !== undefined)).toEqual([false, true, true]);
  });

  it('a success ends the delay for those who wait, at once', () => {
    const world = new World({ maxConnections: 3 });
    const [, second] = [world.wait(), world.wait(), world.wait(), world.wait()];
    world.fail();
    expect(world.attempts).toHaveLength(2);
    expect(world.succeed()).toBe(second?.connection);
    expect(world.attempts).toHaveLength(2);
  });

  it('nobody is sent away while a connect is under way', () => {
    const world = new World({ maxConnections: 2 });
    const [, second, third] = [world.wait(), world.wait(), world.wait()];
    world.fail();
    expect(third?.told).toBe(0);
    expect(world.succeed()).toBe(second?.connection);
    expect(world.succeed()).toBe(third?.connection);
  });

  it('sends those who wait to another backend when nothing can come back to them', () => {
    const world = new World({ maxConnections: 1 });
    const first = world.wait();
    const second = world.wait();
    world.fail();
    expect(first.error?.code).toBe('POOL_CONNECT_FAILED');
    expect(second.error?.code).toBe('POOL_BACKOFF');
    expect(world.pool.waiting).toBe(0);
  });

  it('lets those wait who can get a connection that is in use, and tries again for them', () => {
    const world = new World({ maxConnections: 2 });
    const connection = world.get();
    const first = world.wait();
    const second = world.wait();
    const third = world.wait();
    world.fail();
    expect(first.error?.code).toBe('POOL_CONNECT_FAILED');
    expect(second.told).toBe(0);
    expect(world.attempts).toHaveLength(0);
    world.pass(100);
    expect(world.attempts).toHaveLength(1);
    world.pool.release(connection);
    expect(second.connection).toBe(connection);
    expect(third.connection).toBeUndefined();
    expect(world.succeed()).toBe(third.connection);
  });

  it('tells those who wait when the last connection goes during the delay', () => {
    const world = new World({ maxConnections: 2 });
    const connection = world.get();
    world.wait();
    const second = world.wait();
    world.fail();
    expect(second.told).toBe(0);
    world.pool.discard(connection);
    world.settle();
    expect(second.error?.code).toBe('POOL_BACKOFF');
  });

  it('still gives out idle connections during the delay', () => {
    const world = new World();
    const connection = world.get();
    const waiter = world.wait();
    world.pool.release(connection);
    expect(waiter.connection).toBe(connection);
    world.pool.release(connection);
    world.fail();
    expect(world.get()).toBe(connection);
  });

  it('a failed connect that nobody needed fails nobody', () => {
    const world = new World({ maxConnections: 2 });
    const connection = world.get();
    const waiter = world.wait();
    world.pool.release(connection);
    expect(waiter.connection).toBe(connection);
    world.fail();
    expect(waiter.error).toBeUndefined();
  });

  it('a failed connect fails nobody while there is another for each who waits', () => {
    const world = new World({ maxConnections: 3 });
    const connection = world.get();
    const [first, second] = [world.wait(), world.wait()];
    world.pool.release(connection);
    expect(first.connection).toBe(connection);
    world.fail();
    expect(second.error).toBeUndefined();
    expect(world.succeed()).toBe(second.connection);
  });

  it('can be switched off, and then still does not try for ever', () => {
    const world = new World({ backoff: { initial: 0 }, maxConnections: 1 });
    const waiters = [world.wait(), world.wait(), world.wait()];
    let connects = 0;
    while (world.attempts.length > 0) {
      connects++;
      world.fail();
    }
    expect(connects).toBe(3);
    expect(waiters.every((waiter) => waiter.error?.code === 'POOL_CONNECT_FAILED')).toBe(true);
  });

  it('survives many waiters and a connector that fails at once', () => {
    const world = new World({ backoff: { initial: 0 }, maxConnections: 1, minIdle: 4, maxQueue: 20_000 });
    const connection = world.get();
    const waiters = Array.from({ length: 20_000 }, () => world.wait());
    world.connect = (attempt) => attempt.failed(new Error('EADDRNOTAVAIL'));
    world.pool.discard(connection);
    world.settle();
    expect(waiters.every((waiter) => waiter.told === 1)).toBe(true);
    world.pass(2_000);
    expect(world.pool.size).toBe(0);
  });

  it('changes with update', () => {
    const world = new World();
    world.pool.update({ backoff: { initial: 500, jitter: 0 } });
    failOnce(world);
    world.now = 499;
    expect(attempt(world).error?.code).toBe('POOL_BACKOFF');
    world.now = 500;
    expect(attempt(world).error).toBeUndefined();
  });
});
