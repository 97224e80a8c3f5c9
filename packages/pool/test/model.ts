import assert from 'node:assert/strict';
import { LocalPermits } from '@rp/pool';
import fc from 'fast-check';
import { FakeWaiter, World, type FakeConnection } from './harness.ts';

type Step =
  | { readonly do: 'acquire' | 'acquireFresh' | 'succeed' | 'fail' | 'settle' }
  | { readonly do: 'release' | 'discard' | 'cancel' | 'close' | 'spoil'; readonly at: number }
  | { readonly do: 'pass' | 'hint'; readonly ms: number }
  | { readonly do: 'resize'; readonly max: number };

export interface Scenario {
  readonly max: number;
  readonly onExhausted: 'queue' | 'overflow' | 'fail';
  readonly maxQueue: number;
  readonly minIdle: number;
  readonly maxIdle: number;
  readonly maxLifetime: number;
  readonly maxRequestsPerConnection: number;
  readonly backoff: { readonly initial: number };
  readonly closesAtOnce: boolean;
  readonly connectsAtOnce: boolean;
  /** Waiters acquire anew inside their errors, and release inside `connectionReady`. */
  readonly restless: boolean;
  /** After which step the pool drains, if at all. */
  readonly drainAfter: number | null;
  readonly steps: readonly Step[];
}

const at = fc.nat(50);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Step>({ do: 'acquire' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'acquireFresh' }) },
  { weight: 6, arbitrary: fc.constant<Step>({ do: 'succeed' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'fail' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'settle' }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('release' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('discard', 'cancel', 'close', 'spoil'), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(3_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hint' as const), ms: fc.nat(5_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('resize' as const), max: fc.integer({ min: 1, max: 5 }) }),
  },
);

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  max: fc.integer({ min: 1, max: 5 }),
  onExhausted: fc.constantFrom('queue' as const, 'overflow' as const, 'fail' as const),
  maxQueue: fc.nat(6),
  minIdle: fc.nat(2),
  maxIdle: fc.nat(3),
  maxLifetime: fc.constantFrom(2_000, Infinity),
  maxRequestsPerConnection: fc.constantFrom(1, 3, Infinity),
  backoff: fc.constantFrom({ initial: 0 }, { initial: 100 }, { initial: 1_500 }),
  closesAtOnce: fc.boolean(),
  connectsAtOnce: fc.boolean(),
  restless: fc.boolean(),
  drainAfter: fc.option(fc.nat(100), { freq: 4 }),
  steps: fc.array(step, { maxLength: 120, size: 'max' }),
});

/** What the test believes about the pool, from what it was told alone. */
export class Model {
  readonly world: World;
  readonly permits: LocalPermits;
  readonly waiting: FakeWaiter[] = [];
  readonly used: FakeConnection[] = [];
  /** Permits that may be held: the limit, or what was held when it was lowered. */
  ceiling: number;
  told = 0;
  asked = 0;
  cancelled = 0;
  readonly #restless: boolean;

  constructor(options: Scenario) {
    this.#restless = options.restless;
    this.permits = new LocalPermits(options.max);
    this.ceiling = options.max;
    this.world = new World({ ...options, permits: this.permits, queueTimeout: 2_000, idleTimeout: 2_500 });
    this.world.closesAtOnce = options.closesAtOnce;
    if (options.connectsAtOnce) {
      this.world.connect = (attempt) => {
        this.world.attempts.push(attempt);
        this.world.succeed();
      };
    }
  }

  acquire(fresh: boolean): void {
    const waiter = new FakeWaiter();
    this.asked++;
    let inside = true;
    const leave = (): void => {
      assert.equal(inside, false, 'told inside acquire');
      const index = this.waiting.indexOf(waiter);
      assert.ok(index >= 0, 'told twice, or after cancel');
      this.waiting.splice(index, 1);
      this.told++;
    };
    waiter.onReady = (connection) => {
      leave();
      assert.ok(!(fresh && waiter.reused), 'a used connection for one who wants a fresh one');
      this.#use(connection);
      if (this.#restless && this.told % 3 === 0) this.#giveBack(connection);
    };
    waiter.onFailed = () => {
      leave();
      if (this.#restless && this.told % 3 === 0) this.acquire(fresh);
    };
    this.waiting.push(waiter);
    const idle = fresh ? this.world.pool.acquireFresh(waiter) : this.world.pool.acquire(waiter);
    inside = false;
    if (idle === undefined) return;
    this.waiting.splice(this.waiting.indexOf(waiter), 1);
    this.told++;
    this.#use(idle);
  }

  run(one: Step): void {
    const { world } = this;
    if (one.do === 'acquire' || one.do === 'acquireFresh') this.acquire(one.do === 'acquireFresh');
    else if (one.do === 'succeed') world.succeed();
    else if (one.do === 'fail') world.fail();
    else if (one.do === 'settle') world.settle();
    else if (one.do === 'pass') world.pass(one.ms);
    else if (one.do === 'hint') world.pool.hintIdleTimeout(one.ms);
    else if (one.do === 'resize') this.#resize(one.max);
    else if ('at' in one) this.#runAt(one.do, one.at);
  }

  #resize(max: number): void {
    this.ceiling = Math.max(max, this.permits.held);
    this.world.pool.update({ maxConnections: max });
  }

  #runAt(what: 'release' | 'discard' | 'cancel' | 'close' | 'spoil', index: number): void {
    const { world } = this;
    if (what === 'cancel') {
      const waiter = this.waiting[index % this.waiting.length];
      if (waiter === undefined) return;
      this.waiting.splice(this.waiting.indexOf(waiter), 1);
      this.cancelled++;
      world.pool.cancel(waiter);
    } else if (what === 'close') world.connections[index % world.connections.length]?.end();
    else if (what === 'spoil') {
      const connection = world.connections[index % world.connections.length];
      if (connection !== undefined) connection.stale = true;
    } else {
      const connection = this.used[index % this.used.length];
      if (connection === undefined) return;
      if (what === 'release') this.#giveBack(connection);
      else {
        this.used.splice(this.used.indexOf(connection), 1);
        world.pool.discard(connection);
      }
    }
  }

  /** As a user does: it knows whether the connection is still good. */
  #giveBack(connection: FakeConnection): void {
    this.used.splice(this.used.indexOf(connection), 1);
    if (connection.isReusable()) this.world.pool.release(connection);
    else this.world.pool.discard(connection);
  }

  /** A connection has one user at a time. */
  #use(connection: FakeConnection): void {
    assert.ok(!this.used.includes(connection), 'two users');
    assert.equal(connection.destroyed, 0);
    this.used.push(connection);
  }

  check(): void {
    const stats = this.world.pool.stats();
    const held = this.permits.held;
    this.ceiling = Math.max(this.permits.max, Math.min(this.ceiling, held));
    assert.ok(held <= this.ceiling);
    // Permits are held by connections that exist or are being made, and by nothing else.
    const alive = this.world.connections.filter(
      (one) => one.slot !== undefined && one.slot.state !== 'closed',
    );
    const permitted = alive.filter((one) => one.slot?.overflow === false).length;
    const temporary = alive.length - permitted;
    const closing = alive.filter((one) => one.slot?.state === 'closing').length;
    assert.equal(stats.active + stats.idle + closing, alive.length);
    assert.equal(permitted + temporary + stats.connecting, held + stats.overflow);
    assert.ok(stats.overflow >= temporary);
    assert.equal(this.told + this.cancelled + this.waiting.length, this.asked);
    assert.ok(stats.waiting <= this.waiting.length);
    // Nobody is forgotten: who waits though a permit is free waits for a connect, or for the back-off to end.
    if (stats.waiting > stats.connecting && !stats.backingOff) {
      assert.ok(held >= this.permits.max);
    }
    // No idle connection while somebody waits who would take it.
    const takers = this.waiting.filter((waiter) => waiter.poolNode?.state === 'queued').length;
    assert.equal(takers, stats.waiting);
  }

  /** With connects that succeed and users that end, whoever waits is told, without the help of a timeout. */
  serveAll(): void {
    const { world } = this;
    for (let round = 0; round < 60 && this.waiting.length > 0; round++) {
      world.succeedAll();
      for (const connection of world.connections) if (connection.destroyed > 0) connection.end();
      for (const connection of this.used.splice(0)) world.pool.release(connection);
      // The back-off may last for 5 s.
      if (world.pool.stats().backingOff) world.pass(100);
      world.settle();
    }
    assert.equal(this.waiting.length, 0, 'somebody is forgotten');
  }

  /** All is given back in the end. */
  finish(): void {
    const { world } = this;
    world.pool.drain();
    for (let round = 0; round < 10 && world.pool.size > 0; round++) {
      world.succeedAll();
      for (const connection of world.connections) if (connection.destroyed > 0) connection.end();
      for (const connection of this.used.splice(0)) world.pool.discard(connection);
    }
    const { active, idle, overflow, waiting, connecting } = world.pool.stats();
    assert.deepEqual([active, idle, overflow, waiting, connecting], [0, 0, 0, 0, 0]);
    assert.equal(world.pool.size, 0);
    assert.equal(this.permits.held, 0);
    assert.equal(this.told + this.cancelled, this.asked);
  }
}
