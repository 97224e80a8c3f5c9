import { describe, expect, it } from 'vitest';
import { FakeWaiter, World } from './harness.ts';

describe('queue', () => {
  it('serves waiters in the order they came', () => {
    const world = new World({ maxConnections: 1 });
    const connection = world.get();
    const order: number[] = [];
    for (let i = 0; i < 5; i++) {
      const waiter = world.wait();
      waiter.onReady = () => order.push(i);
    }
    for (let i = 0; i < 5; i++) world.pool.release(connection);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(connection.slot?.requests).toBe(5);
    expect(world.pool.stats()).toMatchObject({ reused: 5, acquired: 6, active: 1 });
  });

  it('gives a new connection to who waited longest, not to whom it was made for', () => {
    const world = new World({ maxConnections: 2 });
    const connection = world.get();
    const first = world.wait();
    const second = world.wait();
    world.pool.release(connection);
    expect(first.connection).toBe(connection);
    const fresh = world.succeed();
    expect(second.connection).toBe(fresh);
  });

  it('a waiter that left is removed, and hears nothing', () => {
    const world = new World({ maxConnections: 1 });
    const connection = world.get();
    const [a, b, c] = [world.wait(), world.wait(), world.wait()];
    world.pool.cancel(b);
    world.pool.cancel(b);
    world.pool.release(connection);
    world.pool.release(connection);
    expect([a.told, b.told, c.told]).toEqual([1, 0, 1]);
    expect(world.pool.stats()).toMatchObject({ cancelled: 1, waiting: 0 });
  });

  it('a waiter that left before it heard its error hears nothing', () => {
    const world = new World({ maxConnections: 1, onExhausted: 'fail' });
    world.get();
    const waiter = world.wait();
    world.pool.cancel(waiter);
    world.settle();
    expect(waiter.told).toBe(0);
  });

  it('a waiter that waits at another pool is not this pool’s to cancel', () => {
    const here = new World({ maxConnections: 1 });
    const there = new World({ maxConnections: 1 });
    const waiter = here.wait();
    there.pool.cancel(waiter);
    expect(here.pool.waiting).toBe(1);
    here.succeed();
    expect(waiter.told).toBe(1);
  });

  it('a connect whose waiter left goes to the next waiter', () => {
    const world = new World({ maxConnections: 1 });
    const first = world.wait();
    const second = world.wait();
    world.pool.cancel(first);
    const connection = world.succeed();
    expect(second.connection).toBe(connection);
  });

  it('a connect whose waiter left becomes idle if nobody waits, and counts as possibly stale', () => {
    const world = new World();
    world.pool.cancel(world.wait());
    const connection = world.succeed();
    expect(world.pool.stats()).toMatchObject({ idle: 1, active: 0 });
    expect(connection.slot).toMatchObject({ requests: 0, reused: true });
    expect(world.get()).toBe(connection);
  });

  it('a connect whose waiter left serves a new one without another connect', () => {
    const world = new World();
    world.pool.cancel(world.wait());
    const waiter = world.wait();
    expect(world.attempts).toHaveLength(1);
    world.succeed();
    expect(waiter.told).toBe(1);
  });

  it('takes maxQueue waiters and refuses the next', () => {
    const world = new World({ maxConnections: 1, maxQueue: 2 });
    world.get();
    const waiters = [world.wait(), world.wait(), world.wait()];
    world.settle();
    expect(waiters.map((waiter) => waiter.error?.code)).toEqual([undefined, undefined, 'POOL_QUEUE_FULL']);
    expect(world.pool.stats()).toMatchObject({ waiting: 2, refused: 1, exhausted: 3 });
    expect(waiters[2]?.error).toMatchObject({ source: 'proxy', retryable: 'yes' });
  });

  it('does not count those whose connect is under way against maxQueue', () => {
    const world = new World({ maxConnections: 3, maxQueue: 0 });
    const waiters = [world.wait(), world.wait(), world.wait()];
    world.settle();
    expect(waiters.map((waiter) => waiter.told)).toEqual([0, 0, 0]);
  });

  it('times waiters out at queueTimeout, not before', () => {
    const world = new World({ maxConnections: 1, queueTimeout: 5_000 });
    const connection = world.get();
    const early = world.wait();
    world.now = 1;
    const late = world.wait();
    world.now = 4_999;
    world.pool.upkeep(world.now);
    world.settle();
    expect(early.told).toBe(0);
    world.now = 5_000;
    world.pool.upkeep(world.now);
    world.settle();
    expect(early.error?.code).toBe('POOL_QUEUE_TIMEOUT');
    expect(late.told).toBe(0);
    world.pool.release(connection);
    expect(late.connection).toBe(connection);
    expect(world.pool.stats().timedOut).toBe(1);
  });

  it('leaves who has a connect under way to the connect timeout', () => {
    const world = new World({ maxConnections: 1, queueTimeout: 1_000 });
    const connecting = world.wait();
    const queued = world.wait();
    world.pass(2_000);
    expect(queued.error?.code).toBe('POOL_QUEUE_TIMEOUT');
    expect(connecting.told).toBe(0);
    world.fail();
    expect(connecting.error?.code).toBe('POOL_CONNECT_FAILED');
  });

  it('a waiter may acquire again inside its own error', () => {
    const world = new World({ maxConnections: 1, queueTimeout: 1_000 });
    world.get();
    const waiter = world.wait();
    waiter.onFailed = () => {
      waiter.onFailed = undefined;
      world.pool.acquire(waiter);
    };
    world.pass(1_000);
    expect(world.pool.waiting).toBe(1);
  });
});

describe('fail', () => {
  it('refuses when all are busy, and only then', () => {
    const world = new World({ maxConnections: 2, onExhausted: 'fail' });
    const connection = world.get();
    const connecting = world.wait();
    const refused = world.wait();
    world.settle();
    expect(connecting.told).toBe(0);
    expect(refused.error?.code).toBe('POOL_EXHAUSTED');
    world.pool.release(connection);
    expect(connecting.connection).toBe(connection);
    expect(world.pool.waiting).toBe(0);
  });
});

describe('overflow', () => {
  it('makes temporary connections, counts them apart, and closes them after their use', () => {
    const world = new World({ maxConnections: 1, onExhausted: 'overflow' });
    world.get();
    const waiter = world.wait();
    expect(world.attempts[0]?.overflow).toBe(true);
    const temporary = world.succeed();
    expect(waiter.connection).toBe(temporary);
    expect(world.pool.stats()).toMatchObject({ active: 2, overflow: 1 });
    world.pool.release(temporary);
    expect(temporary.destroyed).toBe(1);
    expect(world.pool.stats()).toMatchObject({ active: 1, overflow: 0, idle: 0 });
  });

  it('has a limit of its own', () => {
    const world = new World({ maxConnections: 1, onExhausted: 'overflow', maxOverflow: 1 });
    world.get();
    world.wait();
    const refused = world.wait();
    world.settle();
    expect(refused.error?.code).toBe('POOL_EXHAUSTED');
  });

  it('closes a temporary connection that nobody waits for any more', () => {
    const world = new World({ maxConnections: 1, onExhausted: 'overflow' });
    world.get();
    world.pool.cancel(world.wait());
    expect(world.succeed().destroyed).toBe(1);
    expect(world.pool.stats()).toMatchObject({ active: 1, overflow: 0, idle: 0 });
  });

  it('gives the room back when a temporary connect fails', () => {
    const world = new World({ maxConnections: 1, onExhausted: 'overflow', backoff: { initial: 0 } });
    world.get();
    const waiter = world.wait();
    world.fail();
    expect(waiter.error?.code).toBe('POOL_CONNECT_FAILED');
    expect(world.pool.stats().overflow).toBe(0);
  });
});

describe('acquireFresh', () => {
  it('never takes an idle connection (safe replay after a stale one)', () => {
    const world = new World({ maxConnections: 2 });
    world.pool.release(world.get());
    const waiter = new FakeWaiter();
    world.pool.acquireFresh(waiter);
    expect(world.attempts).toHaveLength(1);
    const fresh = world.succeed();
    expect(waiter.connection).toBe(fresh);
    expect(waiter.reused).toBe(false);
    expect(world.pool.stats().idle).toBe(1);
  });

  it.each(['queue', 'fail', 'overflow'] as const)(
    'closes an idle one if that is what it takes (%s)',
    (onExhausted) => {
      for (const closesAtOnce of [true, false]) {
        const world = new World({ maxConnections: 1, onExhausted });
        world.closesAtOnce = closesAtOnce;
        const idle = world.get();
        world.pool.release(idle);
        const waiter = new FakeWaiter();
        world.pool.acquireFresh(waiter);
        expect(idle.destroyed).toBe(1);
        idle.end();
        world.settle();
        const fresh = world.succeed();
        expect(waiter.connection).toBe(fresh);
        expect(fresh.slot?.overflow).toBe(false);
      }
    },
  );

  it('is passed over by a used connection, without losing its turn', () => {
    const world = new World({ maxConnections: 1 });
    const used = world.get();
    const fresh = new FakeWaiter();
    world.pool.acquireFresh(fresh);
    const other = world.wait();
    world.pool.release(used);
    // The one that wants a fresh connection was first: the used one is closed for its sake.
    expect(used.destroyed).toBe(1);
    const made = world.succeed();
    expect(fresh.connection).toBe(made);
    expect(other.told).toBe(0);
    world.pool.release(made);
    expect(other.connection).toBe(made);
  });

  it('waits for its connect while used connections serve those behind it', () => {
    const world = new World({ maxConnections: 2 });
    const used = world.get();
    const fresh = new FakeWaiter();
    world.pool.acquireFresh(fresh);
    const other = world.wait();
    world.pool.release(used);
    expect(other.connection).toBe(used);
    expect(fresh.told).toBe(0);
    world.succeed();
    expect(fresh.reused).toBe(false);
  });
});
