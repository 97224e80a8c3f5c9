import { describe, expect, it } from 'vitest';
import { World } from './harness.ts';

describe('idle eviction', () => {
  it('closes connections at idleTimeout, the oldest first', () => {
    const world = new World({ idleTimeout: 10_000 });
    const [a, b] = world.getMany(2);
    if (a === undefined || b === undefined) throw new Error('two');
    world.pool.release(a);
    world.pass(5_000);
    world.pool.release(b);
    world.pass(4_900);
    expect([a.destroyed, b.destroyed]).toEqual([0, 0]);
    world.pass(1_100);
    expect([a.destroyed, b.destroyed]).toEqual([1, 0]);
    world.pass(5_000);
    expect([a.destroyed, b.destroyed]).toEqual([1, 1]);
    expect(world.pool.stats()).toMatchObject({ evicted: 2, idle: 0 });
  });
});

describe('eviction of connections that belong together', () => {
  it('goes on when the end of one is the end of the next', () => {
    const world = new World({ idleTimeout: 500 });
    const [a, b] = world.getMany(2);
    if (a === undefined || b === undefined) throw new Error('two');
    world.pool.release(a);
    world.pool.release(b);
    a.destroy = () => {
      b.end();
      a.end();
    };
    world.pass(2_000);
    expect(world.pool.stats()).toMatchObject({ active: 0, idle: 0 });
    expect(world.pool.size).toBe(0);
  });
});

describe('minIdle', () => {
  it('is kept from the first use on', () => {
    const world = new World({ minIdle: 3 });
    world.pass(3_000);
    expect(world.attempts).toHaveLength(0);
    const connection = world.get();
    world.pass(1_000);
    expect(world.attempts).toHaveLength(3);
    world.succeedAll();
    expect(world.pool.stats()).toMatchObject({ active: 1, idle: 3 });
    world.pool.release(connection);
    world.pass(1_000);
    expect(world.attempts).toHaveLength(0);
  });

  it('is kept from start on, if that is called', () => {
    const world = new World({ minIdle: 3 });
    world.pool.start();
    expect(world.attempts).toHaveLength(3);
    world.succeedAll();
    world.pass(1_000);
    expect(world.pool.stats()).toMatchObject({ idle: 3, connecting: 0 });
  });

  it('never passes maxConnections', () => {
    const world = new World({ minIdle: 4, maxConnections: 2 });
    world.get();
    world.pass(1_000);
    expect(world.attempts).toHaveLength(1);
  });

  it('replaces what idleTimeout closed, until the pool has not been used for as long', () => {
    const world = new World({ minIdle: 2, idleTimeout: 10_000 });
    world.pool.release(world.get());
    world.pass(1_000);
    world.succeedAll();
    expect(world.pool.stats().idle).toBe(2);
    world.pool.hintIdleTimeout(4_000);
    world.pass(5_000);
    world.succeedAll();
    expect(world.pool.stats()).toMatchObject({ idle: 2, evicted: 2 });
    world.pass(5_000);
    world.succeedAll();
    world.pass(20_000);
    expect(world.attempts).toHaveLength(0);
    expect(world.pool.size).toBe(0);
  });

  it('is the trial after a back-off, so that no request has to be', () => {
    const world = new World({ minIdle: 1 });
    const waiter = world.wait();
    world.fail();
    expect(waiter.error?.code).toBe('POOL_CONNECT_FAILED');
    world.pass(1_000);
    expect(world.attempts).toHaveLength(1);
    world.succeed();
    expect(world.pool.stats()).toMatchObject({ backingOff: false, idle: 1 });
  });
});

describe('sizing', () => {
  it('64 busy connections with maxIdle 16 are not churned', () => {
    const world = new World({ maxConnections: 256, maxIdle: 16 });
    for (let turn = 0; turn < 600; turn++) {
      const busy = world.getMany(64);
      for (const connection of busy) world.pool.release(connection);
      world.pass(100);
    }
    expect(world.pool.stats()).toMatchObject({ created: 64, evicted: 0, idle: 64 });
  });

  it('goes up at once and down slowly: nothing for 10 s, then a tenth per second to maxIdle', () => {
    const world = new World({ maxConnections: 256, maxIdle: 16 });
    for (const connection of world.getMany(100)) world.pool.release(connection);
    expect(world.pool.stats().idle).toBe(100);
    world.pass(10_000);
    expect(world.pool.stats().idle).toBe(100);
    const sizes: number[] = [];
    for (let second = 0; second < 40; second++) {
      world.pass(1_000);
      sizes.push(world.pool.stats().idle);
    }
    let before = 100;
    for (const size of sizes) {
      // Two sizings may fall into one second.
      expect(before - size).toBeLessThanOrEqual(before * 0.2);
      before = size;
    }
    expect(sizes.at(-1)).toBe(16);
    expect(sizes[4]).toBeGreaterThan(50);
  });

  it('a new peak stops the way down', () => {
    const world = new World({ maxConnections: 256, maxIdle: 4 });
    for (const connection of world.getMany(100)) world.pool.release(connection);
    world.pass(15_000);
    const idle = world.pool.stats().idle;
    expect(idle).toBeLessThan(100);
    for (let turn = 0; turn < 30; turn++) {
      for (const connection of world.getMany(60)) world.pool.release(connection);
      world.pass(1_000);
    }
    expect(world.pool.stats()).toMatchObject({ idle: 60, created: 100 });
  });

  it('counts connections in use against the demand', () => {
    const world = new World({ maxConnections: 100, maxIdle: 2, shrinkDelay: 0, shrinkRate: 1 });
    const all = world.getMany(20);
    for (const connection of all.slice(0, 10)) world.pool.release(connection);
    world.pass(1_000);
    expect(world.pool.stats()).toMatchObject({ active: 10, idle: 10 });
    world.pass(1_000);
    expect(world.pool.stats()).toMatchObject({ active: 10, idle: 2 });
  });

  it('takes a timer that is a little early for a second', () => {
    const world = new World({ idleTimeout: 500 });
    const connection = world.get();
    world.pool.release(connection);
    world.now = 995;
    world.pool.upkeep(world.now);
    expect(connection.destroyed).toBe(1);
  });
});

describe('statistics', () => {
  it('connect times: average, maximum and histogram', () => {
    const world = new World();
    for (const ms of [1, 3, 400]) {
      world.wait();
      world.now += ms;
      const connection = world.succeed();
      expect(connection.slot?.connectMs).toBe(ms);
    }
    const { connectMs } = world.pool.stats();
    expect(connectMs).toMatchObject({ count: 3, sum: 404, max: 400 });
    expect(connectMs.average).toBeCloseTo(1.4 + (400 - 1.4) * 0.2);
    expect(connectMs.buckets[connectMs.bounds.indexOf(1)]).toBe(1);
    expect(connectMs.buckets[connectMs.bounds.indexOf(5)]).toBe(1);
    expect(connectMs.buckets[connectMs.bounds.indexOf(500)]).toBe(1);
    expect(connectMs.buckets).toHaveLength(connectMs.bounds.length + 1);
  });

  it('a connect slower than all bounds is in the last bucket', () => {
    const world = new World();
    world.wait();
    world.now += 6_000;
    world.succeed();
    expect(world.pool.stats().connectMs.buckets.at(-1)).toBe(1);
  });
});
