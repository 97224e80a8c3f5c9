import { ConnectionPool, PoolError } from '@rp/pool';
import { describe, expect, it } from 'vitest';
import { FakeWaiter, World } from './harness.ts';

describe('acquire and release', () => {
  it('opens nothing at construction', () => {
    const world = new World({ minIdle: 4 });
    world.pass(5_000);
    expect(world.attempts).toHaveLength(0);
  });

  it('calls the waiter with a fresh connection, never inside acquire', () => {
    const world = new World();
    const waiter = world.wait();
    expect(waiter.told).toBe(0);
    const connection = world.succeed();
    expect(waiter.connection).toBe(connection);
    expect(waiter.reused).toBe(false);
    expect(connection.slot?.requests).toBe(0);
    expect(connection.slot?.reused).toBe(false);
  });

  it('never calls the waiter inside acquire, even if the connector succeeds or throws at once', () => {
    const world = new World();
    world.connect = (attempt) => {
      world.attempts.push(attempt);
      world.succeed();
    };
    const waiter = world.wait();
    expect(waiter.told).toBe(0);
    world.settle();
    expect(waiter.connection).toBe(world.connections[0]);

    world.connect = () => {
      throw new Error('EMFILE');
    };
    const unlucky = world.wait();
    expect(unlucky.told).toBe(0);
    world.settle();
    expect(unlucky.error?.code).toBe('POOL_CONNECT_FAILED');
    expect(unlucky.error?.cause).toEqual(new Error('EMFILE'));
  });

  it('drops a connection that closed between a connect that succeeded at once and the telling of it', () => {
    const world = new World({ maxConnections: 1 });
    world.connect = (attempt) => {
      world.attempts.push(attempt);
      world.succeed().end();
    };
    const waiter = world.wait();
    world.settle();
    expect(waiter.error?.code).toBe('POOL_CONNECT_FAILED');
    expect(world.pool.size).toBe(0);
  });

  it('reuses the connection that was released last (LIFO)', () => {
    const world = new World();
    const [a, b, c] = world.getMany(3);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three');
    world.pool.release(b);
    world.pool.release(c);
    world.pool.release(a);
    expect(world.get()).toBe(a);
    expect(world.get()).toBe(c);
    expect(world.get()).toBe(b);
    expect(b.slot?.requests).toBe(1);
    expect(b.slot?.reused).toBe(true);
  });

  it('opens at most 5 connections for 50 sequential requests in a pool of 5, and reuses more than 80 %', () => {
    const world = new World({ maxConnections: 5, minIdle: 4 });
    for (let request = 0; request < 50; request++) {
      world.pool.release(world.get());
      world.pass(100);
      world.succeedAll();
    }
    const stats = world.pool.stats();
    expect(stats.created).toBeLessThanOrEqual(5);
    expect(stats.acquired).toBe(50);
    expect(stats.reused / stats.acquired).toBeGreaterThan(0.8);
  });

  it('takes maxConnections at the limit and makes the next one wait', () => {
    const world = new World({ maxConnections: 3 });
    world.getMany(3);
    const waiter = world.wait();
    expect(world.attempts).toHaveLength(0);
    expect(waiter.told).toBe(0);
    expect(world.pool.stats()).toMatchObject({ active: 3, waiting: 1, exhausted: 1 });
  });

  it('destroys a discarded connection and frees its permit when it has closed, not before', () => {
    const world = new World({ maxConnections: 1 });
    world.closesAtOnce = false;
    const connection = world.get();
    const waiter = world.wait();
    world.pool.discard(connection);
    expect(connection.destroyed).toBe(1);
    expect(world.attempts).toHaveLength(0);
    connection.end();
    expect(world.attempts).toHaveLength(1);
    world.succeed();
    expect(waiter.reused).toBe(false);
  });

  it('is told of closes in any state, more than once', () => {
    const world = new World({ maxConnections: 2 });
    const [active, idle] = world.getMany(2);
    if (active === undefined || idle === undefined) throw new Error('two');
    world.pool.release(idle);
    for (const connection of [active, idle]) {
      connection.gone = true;
      world.pool.closed(connection);
      world.pool.closed(connection);
    }
    expect(world.pool.size).toBe(0);
    world.pool.release(active);
    world.pool.discard(active);
    expect(world.pool.size).toBe(0);
    expect(active.destroyed).toBe(0);
    expect(world.getMany(2)).toHaveLength(2);
  });

  it('refuses a second release, since two users would have the connection', () => {
    const world = new World();
    const connection = world.get();
    world.pool.release(connection);
    expect(() => world.pool.release(connection)).toThrow('released already');
  });

  it('refuses to let a waiter wait twice', () => {
    const world = new World();
    const waiter = world.wait();
    expect(() => world.pool.acquire(waiter)).toThrow('waits already');
    world.pool.cancel(waiter);
    world.pool.acquire(waiter);
    expect(world.pool.waiting).toBe(1);
  });

  it('hands over state that is whole when a waiter throws', () => {
    const world = new World({ maxConnections: 1 });
    const connection = world.get();
    const waiter = world.wait();
    waiter.onReady = () => {
      throw new Error('mistake in the user');
    };
    expect(() => world.pool.release(connection)).toThrow('mistake');
    expect(world.pool.stats()).toMatchObject({ active: 1, waiting: 0 });
    world.pool.release(connection);
    expect(world.pool.stats()).toMatchObject({ active: 0, idle: 1 });
  });

  it('tells the others when a waiter throws at its error', () => {
    const world = new World({ maxConnections: 1, onExhausted: 'fail' });
    world.get();
    const first = world.wait();
    const second = world.wait();
    first.onFailed = () => {
      throw new Error('mistake in the user');
    };
    expect(() => world.settle()).toThrow('mistake');
    world.settle();
    expect(second.error?.code).toBe('POOL_EXHAUSTED');
  });

  it('works with the defaults, on microtasks', async () => {
    const world = new World();
    const pool = new ConnectionPool({
      connector: world,
      clock: () => 0,
      maxConnections: 1,
      onExhausted: 'fail',
    });
    pool.acquire(new FakeWaiter());
    const waiter = new FakeWaiter();
    pool.acquire(waiter);
    expect(waiter.told).toBe(0);
    await Promise.resolve();
    expect(waiter.error).toBeInstanceOf(PoolError);
  });
});
