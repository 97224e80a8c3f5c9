import { LocalPermits } from '@rp/pool';
import { describe, expect, it } from 'vitest';
import { FakeWaiter, World } from './harness.ts';

describe('limits', () => {
  it('maxRequestsPerConnection: closes after the last request, not before', () => {
    const world = new World({ maxRequestsPerConnection: 3 });
    const connection = world.get();
    world.pool.release(connection);
    expect(world.get()).toBe(connection);
    world.pool.release(connection);
    expect(world.get()).toBe(connection);
    world.pool.release(connection);
    expect(connection.destroyed).toBe(1);
    expect(world.get()).not.toBe(connection);
  });

  it('maxLifetime: reused just before, closed at release from then on', () => {
    const world = new World({ maxLifetime: 10_000 });
    const connection = world.get();
    world.now = 9_999;
    world.pool.release(connection);
    expect(world.get()).toBe(connection);
    world.now = 10_000;
    world.pool.release(connection);
    expect(connection.destroyed).toBe(1);
  });

  it('maxLifetime: an idle connection is not used after it, and upkeep closes it', () => {
    const world = new World({ maxLifetime: 10_000 });
    const [used, left] = world.getMany(2);
    if (used === undefined || left === undefined) throw new Error('two');
    world.pool.release(left);
    world.pool.release(used);
    world.now = 10_000;
    expect(world.pool.acquire(new FakeWaiter())).toBeUndefined();
    expect(used.destroyed).toBe(1);
    world.pool.upkeep(world.now);
    expect(left.destroyed).toBe(1);
  });

  it('maxLifetime: up to a tenth is taken off at random, so that connections do not end together', () => {
    const world = new World({ maxLifetime: 10_000, random: () => 0.5 });
    expect(world.get().slot?.expiresAt).toBe(9_500);
  });

  it('idleTimeout: used just before, not at it', () => {
    const world = new World({ idleTimeout: 1_000 });
    const connection = world.get();
    world.pool.release(connection);
    world.now = 999;
    expect(world.get()).toBe(connection);
    world.pool.release(connection);
    world.now = 1_999;
    expect(world.pool.acquire(new FakeWaiter())).toBeUndefined();
    expect(connection.destroyed).toBe(1);
  });

  it('hintIdleTimeout: a second before the backend closes (idle keep-alive race)', () => {
    const world = new World({ idleTimeout: 60_000 });
    const connection = world.get();
    world.pool.hintIdleTimeout(5_000);
    world.pool.release(connection);
    world.now = 3_999;
    expect(world.get()).toBe(connection);
    world.pool.release(connection);
    world.now = 7_999;
    expect(world.pool.acquire(new FakeWaiter())).toBeUndefined();
    expect(connection.destroyed).toBe(1);
  });

  it('hintIdleTimeout: never lengthens the option, survives a reload, and nonsense is ignored', () => {
    const world = new World({ idleTimeout: 2_000 });
    const connection = world.get();
    world.pool.hintIdleTimeout(60_000);
    world.pool.release(connection);
    world.now = 2_000;
    expect(world.pool.acquire(new FakeWaiter())).toBeUndefined();
    world.pool.hintIdleTimeout(3_000);
    world.pool.hintIdleTimeout(Number.NaN);
    world.pool.hintIdleTimeout(-1);
    world.pool.update({ idleTimeout: 60_000 });
    const next = world.succeed();
    world.pool.release(next);
    world.now = 4_000;
    expect(world.pool.acquire(new FakeWaiter())).toBeUndefined();
  });

  it('connectTimeout is the connector’s to keep', () => {
    const world = new World({ connectTimeout: 1_234 });
    world.wait();
    expect(world.attempts[0]?.timeout).toBe(1_234);
  });

  it.each([
    ['maxConnections', { maxConnections: 0 }],
    ['maxConnections', { maxConnections: 1.5 }],
    ['minIdle', { minIdle: -1 }],
    ['maxIdle', { maxIdle: Number.NaN }],
    ['idleTimeout', { idleTimeout: -1 }],
    ['connectTimeout', { connectTimeout: 0 }],
    ['maxLifetime', { maxLifetime: 0 }],
    ['maxRequestsPerConnection', { maxRequestsPerConnection: 0 }],
    ['queueTimeout', { queueTimeout: -1 }],
    ['maxQueue', { maxQueue: -1 }],
    ['maxOverflow', { maxOverflow: -1 }],
    ['backoff', { backoff: { factor: 0.5 } }],
    ['backoff', { backoff: { jitter: 2 } }],
  ])('refuses a senseless %s', (_name, options) => {
    expect(() => new World(options)).toThrow(RangeError);
  });

  it('refuses an unknown policy', () => {
    const options = JSON.parse('{"onExhausted":"wait"}') as { onExhausted: 'queue' };
    expect(() => new World(options)).toThrow('queue, overflow or fail');
  });
});

describe('update', () => {
  it('raises maxConnections: who waits gets a connect', () => {
    const world = new World({ maxConnections: 1 });
    world.get();
    world.wait();
    expect(world.attempts).toHaveLength(0);
    world.pool.update({ maxConnections: 2 });
    expect(world.attempts).toHaveLength(1);
  });

  it('lowers maxConnections without dropping a connection in use: idle ones go first, others at release', () => {
    const world = new World({ maxConnections: 4 });
    const all = world.getMany(4);
    const [a, b, c, d] = all;
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('four');
    world.pool.release(a);
    world.pool.update({ maxConnections: 2 });
    expect(all.map((connection) => connection.destroyed)).toEqual([1, 0, 0, 0]);
    world.wait();
    expect(world.attempts).toHaveLength(0);
    world.pool.release(b);
    expect(b.destroyed).toBe(1);
    world.pool.release(c);
    expect(c.destroyed).toBe(0);
    expect(world.pool.stats().active).toBe(2);
  });

  it('keeps what is absent and changes nothing if a limit is refused', () => {
    const world = new World({ connectTimeout: 1_000, maxQueue: 0, maxConnections: 1 });
    expect(() => world.pool.update({ connectTimeout: 2_000, maxQueue: -1 })).toThrow(RangeError);
    world.wait();
    expect(world.attempts[0]?.timeout).toBe(1_000);
    world.pool.update({ maxIdle: 3 });
    const full = world.wait();
    world.settle();
    expect(full.error?.code).toBe('POOL_QUEUE_FULL');
  });

  it('is heard through the permits too', async () => {
    const permits = new LocalPermits(1);
    const world = new World({ permits });
    world.get();
    world.wait();
    permits.resize(2);
    await Promise.resolve();
    expect(world.attempts).toHaveLength(1);
  });
});
