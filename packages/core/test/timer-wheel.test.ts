import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Timer, TimerWheel } from '../src/timer-wheel.ts';
import { ManualTime } from './support/manual-time.ts';

class Recorded extends Timer {
  readonly #expirations: string[];
  readonly #clock: () => number;
  readonly name: string;

  constructor(name: string, expirations: string[], clock: () => number) {
    super();
    this.name = name;
    this.#expirations = expirations;
    this.#clock = clock;
  }

  override expired(): void {
    this.#expirations.push(`${this.name}@${this.#clock()}`);
  }
}

const RESOLUTION = 50;

function wheel(slots = 16): {
  time: ManualTime;
  wheel: TimerWheel;
  log: string[];
  timer(name: string): Recorded;
} {
  const time = new ManualTime();
  const log: string[] = [];
  const made = new TimerWheel({ clock: time.clock, ticker: time.ticker, resolution: RESOLUTION, slots });
  return { time, wheel: made, log, timer: (name) => new Recorded(name, log, time.clock) };
}

describe('the timer wheel', () => {
  it('agrees with a list of deadlines, whatever is done to it', () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant('arm' as const), timer: fc.nat(7), delay: fc.nat(3000) }),
      fc.record({ do: fc.constant('disarm' as const), timer: fc.nat(7) }),
      fc.record({ do: fc.constant('remove' as const), timer: fc.nat(7) }),
      fc.record({ do: fc.constant('advance' as const), by: fc.nat(1500) }),
      fc.record({ do: fc.constant('stall' as const), by: fc.nat(5000) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const under = wheel();
        const deadlines = new Map<string, number>();
        const timers = Array.from({ length: 8 }, (_, i) => under.timer(String(i)));
        for (const one of actions) {
          const now = under.time.clock();
          under.log.length = 0;
          if (one.do === 'arm') {
            under.wheel.arm(timers[one.timer]!, one.delay, now);
            deadlines.set(String(one.timer), now + one.delay);
          } else if (one.do === 'disarm' || one.do === 'remove') {
            under.wheel[one.do](timers[one.timer]!);
            deadlines.delete(String(one.timer));
          } else if (one.do === 'stall') under.time.stall(one.by);
          else under.time.advance(one.by);
          for (const entry of under.log) {
            const [name, at] = entry.split('@') as [string, string];
            const deadline = deadlines.get(name);
            // Never early, never twice, never after it was disarmed.
            expect(deadline).toBeDefined();
            expect(Number(at)).toBeGreaterThanOrEqual(deadline!);
            deadlines.delete(name);
          }
          if (one.do === 'advance' && one.by >= 2 * RESOLUTION) {
            // At most one tick late (and one step of the test's clock).
            for (const [name, deadline] of deadlines) {
              expect([name, under.time.clock() - deadline]).toSatisfy(
                () => under.time.clock() - deadline < RESOLUTION + 20,
              );
            }
          }
          expect(under.wheel.armed).toBe(deadlines.size);
        }
        under.time.advance(10_000);
        expect(under.wheel.armed).toBe(0);
        expect(under.time.running).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('moves a deadline earlier and later', () => {
    const under = wheel();
    const timer = under.timer('a');
    const start = under.time.clock();
    under.wheel.arm(timer, 1000, start);
    under.wheel.arm(timer, 200, start);
    under.time.advance(300);
    expect(under.log).toHaveLength(1);
    under.wheel.arm(timer, 200, under.time.clock());
    under.wheel.arm(timer, 1000, under.time.clock());
    under.time.advance(900);
    expect(under.log).toHaveLength(1);
    under.time.advance(200);
    expect(under.log).toHaveLength(2);
  });

  it('keeps deadlines further ahead than one turn', () => {
    const under = wheel(4);
    under.wheel.arm(under.timer('a'), 10_000, under.time.clock());
    under.time.advance(9_990);
    expect(under.log).toEqual([]);
    under.time.advance(100);
    expect(under.log).toHaveLength(1);
  });

  it('a timer may arm itself again, also at once', () => {
    const under = wheel();
    let count = 0;
    class Again extends Timer {
      override expired(now: number): void {
        if (++count < 5) under.wheel.arm(this, 0, now);
      }
    }
    under.wheel.arm(new Again(), 0, under.time.clock());
    under.time.advance(1000);
    expect(count).toBe(5);
    expect(under.wheel.armed).toBe(0);
  });

  it('a timer may remove others that are due in the same tick', () => {
    const under = wheel();
    const victim = under.timer('victim');
    class Removes extends Timer {
      override expired(): void {
        under.wheel.remove(victim);
      }
    }
    under.wheel.arm(new Removes(), 100, under.time.clock());
    under.wheel.arm(victim, 100, under.time.clock());
    under.time.advance(500);
    expect(under.log).toEqual([]);
  });

  it('after the event loop stood still everything that is due expires, once', () => {
    const under = wheel(8);
    for (let i = 0; i < 100; i++) under.wheel.arm(under.timer(String(i)), i * 37, under.time.clock());
    under.time.stall(60_000);
    under.time.advance(100);
    expect(under.log).toHaveLength(100);
    expect(new Set(under.log.map((entry) => entry.split('@')[0])).size).toBe(100);
  });

  it('does not drift: a timer that arms itself each second has run an hour later 3,600 times, less its ticks', () => {
    const under = wheel(512);
    let count = 0;
    class Each extends Timer {
      override expired(): void {
        count++;
        under.wheel.arm(this, 1000, under.time.clock());
      }
    }
    under.wheel.arm(new Each(), 1000, under.time.clock());
    under.time.advance(3_600_000);
    expect(count).toBeGreaterThanOrEqual(Math.floor(3_600_000 / (1000 + RESOLUTION)));
    expect(count).toBeLessThanOrEqual(3600);
  });

  it('holds 100,000 timers; a tick looks at those of its slot only', () => {
    const under = wheel(512);
    let looks = 0;
    class Counted extends Timer {
      override expired(): void {
        looks++;
      }
    }
    const timers = Array.from({ length: 100_000 }, () => new Counted());
    for (const timer of timers) under.wheel.arm(timer, 60_000, under.time.clock());
    expect(under.wheel.armed).toBe(100_000);
    // What every request does: a later deadline moves nothing.
    const slots = timers.map(({ slotTick }) => slotTick);
    for (const timer of timers) under.wheel.arm(timer, 70_000, under.time.clock());
    expect(timers.map(({ slotTick }) => slotTick)).toEqual(slots);
    under.time.advance(59_000);
    expect(looks).toBe(0);
    under.time.advance(12_000);
    expect(looks).toBe(100_000);
  });

  it('gives the event loop a turn where thousands are due at once, and forgets none', () => {
    const time = new ManualTime();
    const soon: (() => void)[] = [];
    const ticker = { ...time.ticker, soon: (tick: () => void) => void soon.push(tick) };
    const wheel = new TimerWheel({ clock: time.clock, ticker, resolution: RESOLUTION });
    let expired = 0;
    class Slow extends Timer {
      override expired(): void {
        expired++;
        time.stall(0.1);
      }
    }
    for (let i = 0; i < 5_000; i++) wheel.arm(new Slow(), 1_000, time.clock());
    time.advance(1_060);
    let most = 0;
    while (soon.length > 0) {
      const before = expired;
      soon.shift()!();
      most = Math.max(most, expired - before);
    }
    expect(expired).toBe(5_000);
    expect(wheel.armed).toBe(0);
    // Four milliseconds, and at most 32 timers more.
    expect(most).toBeLessThanOrEqual(40 + 32 + 1);
  });

  it('expires nothing after it was closed in the middle of a tick', () => {
    const time = new ManualTime();
    const soon: (() => void)[] = [];
    const ticker = { ...time.ticker, soon: (tick: () => void) => void soon.push(tick) };
    const wheel = new TimerWheel({ clock: time.clock, ticker, resolution: RESOLUTION });
    let expired = 0;
    class Slow extends Timer {
      override expired(): void {
        expired++;
        time.stall(1);
      }
    }
    for (let i = 0; i < 100; i++) wheel.arm(new Slow(), 100, time.clock());
    time.advance(160);
    expect(expired).toBeLessThan(100);
    const before = expired;
    wheel.close();
    for (const tick of soon) tick();
    expect(expired).toBe(before);
  });

  it('stands still while nothing is armed, and after it was closed', () => {
    const under = wheel();
    expect(under.time.running).toBe(0);
    const timer = under.timer('a');
    under.wheel.arm(timer, 100, under.time.clock());
    expect(under.time.running).toBe(1);
    under.wheel.remove(timer);
    under.time.advance(200);
    expect(under.time.running).toBe(0);
    under.wheel.arm(timer, 100, under.time.clock());
    under.wheel.close();
    expect(under.time.running).toBe(0);
    under.time.advance(1000);
    expect(under.log).toEqual([]);
  });

  it('Infinity disarms', () => {
    const under = wheel();
    const timer = under.timer('a');
    under.wheel.arm(timer, 100, under.time.clock());
    under.wheel.arm(timer, Infinity, under.time.clock());
    expect(under.wheel.armed).toBe(0);
    under.time.advance(1000);
    expect(under.log).toEqual([]);
  });
});
