import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AcceptBalance, balanceByteLength } from '../src/run/accept-balance.ts';

const WAITING = 3;

/** Workers on one clock; the test says what happens to whom. */
class Workers {
  readonly memory: SharedArrayBuffer;
  readonly loads: number[];
  readonly may: boolean[];
  readonly woken: number[];
  #parts: AcceptBalance[];
  #now = 1_000;

  constructor(count: number) {
    this.memory = new SharedArrayBuffer(balanceByteLength(count));
    this.loads = Array.from({ length: count }, () => 0);
    this.may = this.loads.map(() => true);
    this.woken = this.loads.map(() => 0);
    this.#parts = this.loads.map((_, at) => this.#part(at));
    this.tick();
  }

  tick(ms = 50, busy: readonly number[] = [], alive: (worker: number) => boolean = () => true): void {
    this.#now += ms;
    for (const [at, part] of this.#parts.entries()) if (alive(at)) part.tick(this.#now, busy[at] ?? 0);
    for (const at of this.loads.keys()) if (alive(at)) this.look(at);
  }

  change(worker: number, by: number): void {
    this.loads[worker]! += by;
    this.look(worker);
  }

  look(worker: number): void {
    this.may[worker] = this.#parts[worker]!.mayAccept(this.loads[worker]!);
  }

  /** Whether it stands back, and nobody has told it to look again. */
  waits(worker: number): boolean {
    return new Int32Array(this.memory)[worker * 4 + WAITING] === 1;
  }

  die(worker: number): void {
    AcceptBalance.reclaim(this.memory, worker);
    this.loads[worker] = 0;
    this.#parts[worker] = this.#part(worker);
  }

  leave(worker: number): void {
    this.#parts[worker]!.leave();
  }

  #part(at: number): AcceptBalance {
    return new AcceptBalance(this.memory, at, () => this.woken[at]!++);
  }
}

describe('the balance of accepting', () => {
  it('gives each worker its share, whoever is quicker', () => {
    const one = fc.record({
      count: fc.integer({ min: 2, max: 6 }),
      order: fc.array(fc.nat(99), { maxLength: 600 }),
    });
    fc.assert(
      fc.property(one, ({ count, order }) => {
        const workers = new Workers(count);
        for (const pick of order) {
          // Those who stand back look again only when they are told to.
          for (const at of workers.loads.keys()) if (!workers.may[at] && !workers.waits(at)) workers.look(at);
          const free = [...workers.may.keys()].filter((at) => workers.may[at]);
          expect(free).not.toEqual([]);
          // The first ones are picked far more often.
          workers.change(free[Math.floor((pick / 100) ** 3 * free.length)]!, 1);
          const most = Math.max(...workers.loads);
          expect(most - Math.min(...workers.loads)).toBeLessThanOrEqual(3 + (most >> 5));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('never has the least loaded worker wait, whatever opens, closes and dies', () => {
    const step = fc.record({
      worker: fc.nat(3),
      what: fc.constantFrom('open', 'open', 'close', 'tick', 'die'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const workers = new Workers(4);
        for (const { worker, what } of steps) {
          if (what === 'open') workers.change(worker, 1);
          else if (what === 'close' && workers.loads[worker]! > 0) workers.change(worker, -1);
          else if (what === 'die') workers.die(worker);
          // The dead are replaced, and look within 50 ms.
          if (what === 'die' || what === 'tick') workers.tick();
          const least = Math.min(...workers.loads);
          for (const [at, load] of workers.loads.entries())
            if (load === least) expect(workers.waits(at)).toBe(false);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('wakes a worker that waits when another has caught up', async () => {
    const workers = new Workers(2);
    for (let i = 0; i < 10; i++) workers.change(0, 1);
    expect(workers.may).toEqual([false, true]);
    for (let i = 0; i < 7; i++) workers.change(1, 1);
    expect(workers.woken[0]).toBe(0);
    workers.change(1, 1);
    await expect.poll(() => workers.woken[0]).toBe(1);
    workers.look(0);
    expect(workers.may).toEqual([true, true]);
  });

  it('does not wait for a worker that gives no sign of life, is gone, or leaves', () => {
    for (const end of ['silence', 'death', 'drain'] as const) {
      const workers = new Workers(2);
      for (let i = 0; i < 10; i++) workers.change(0, 1);
      expect(workers.may[0]).toBe(false);
      if (end === 'death') workers.die(1);
      if (end === 'drain') workers.leave(1);
      const alive = (worker: number): boolean => worker === 0;
      for (let i = 0; i < 10; i++) workers.tick(50, [], alive);
      expect(workers.may[0]).toBe(true);
    }
  });

  it('does not add to the work of a worker that is busy with few connections', () => {
    const workers = new Workers(2);
    for (let i = 0; i < 10; i++) workers.change(0, 1);
    for (let i = 0; i < 20; i++) workers.tick(50, [0.1, 0.9]);
    expect(workers.may).toEqual([true, true]);
    for (let i = 0; i < 40; i++) workers.tick(50, [0.9, 0.9]);
    expect(workers.may).toEqual([false, true]);
  });

  it('is left to chance where connections live shortly', () => {
    const workers = new Workers(2);
    for (let i = 0; i < 40; i++) workers.change(0, 1);
    workers.tick();
    expect(workers.may[0]).toBe(false);
    // Many that leave at once, and nobody who comes, say nothing.
    for (let i = 0; i < 10; i++) workers.change(0, -1);
    workers.tick();
    expect(workers.may[0]).toBe(false);
    for (let i = 0; i < 16; i++) workers.change(0, i % 2 === 0 ? 1 : -1);
    workers.tick();
    expect(workers.may[0]).toBe(true);
    workers.tick();
    expect(workers.may[0]).toBe(false);
  });

  it('is kept where somebody only looked whether anybody is there', () => {
    const workers = new Workers(2);
    for (let i = 0; i < 6; i++) workers.change(0, i % 2 === 0 ? 1 : -1);
    workers.tick();
    for (let i = 0; i < 10; i++) workers.change(0, 1);
    expect(workers.may).toEqual([false, true]);
  });
});
