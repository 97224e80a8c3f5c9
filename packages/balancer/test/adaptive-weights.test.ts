import { AttemptOutcome } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

/** Serves for `ms` with a request per ms; latency by position. */
function serve(fleet: Fleet, ms: number, latency: (at: number) => number): number[] {
  const picked = fleet.group.set.backends.map(() => 0);
  for (let i = 0; i < ms; i++) {
    fleet.now += 1;
    const backend = fleet.pick();
    if (backend === undefined) continue;
    const at = fleet.position(backend);
    picked[at] = (picked[at] ?? 0) + 1;
    fleet.start(backend);
    fleet.finish(backend, AttemptOutcome.success, latency(at));
  }
  return picked;
}

function adaptive(options: object | boolean = true): Fleet {
  return new Fleet({ algorithm: 'weighted-round-robin', adaptiveWeights: options });
}

test('a slow backend gets less, down to the least share, and comes back', () => {
  const fleet = adaptive();
  serve(fleet, 40_000, (at) => (at === 0 ? 300 : 10));
  const [slow = 0, fast = 0] = serve(fleet, 4_000, (at) => (at === 0 ? 300 : 10));
  expect(slow / fast).toBeGreaterThan(0.1);
  expect(slow / fast).toBeLessThan(0.2);
  serve(fleet, 60_000, () => 10);
  const healed = serve(fleet, 3_000, () => 10);
  for (const share of healed) expect(Math.abs(share - 1_000)).toBeLessThan(120);
});

test('equal backends keep their weights', () => {
  const fleet = adaptive();
  serve(fleet, 30_000, () => 10);
  expect(fleet.group.statistics().map(({ effectiveWeight }) => effectiveWeight)).toEqual([1, 1, 1]);
});

test('backends without enough answers go back to the configured weight', () => {
  const fleet = adaptive();
  serve(fleet, 40_000, (at) => (at === 0 ? 300 : 10));
  expect(fleet.group.statistics()[0]?.effectiveWeight).toBeLessThan(0.5);
  // Three requests in each interval: alive, but nothing to judge by.
  for (let i = 0; i < 60; i++) {
    fleet.now += 1_700;
    serve(fleet, 1, () => 10);
  }
  expect(fleet.group.statistics()[0]?.effectiveWeight).toBeGreaterThan(0.9);
});

test('off by default; values out of range are refused', () => {
  const fleet = new Fleet({ algorithm: 'weighted-round-robin' });
  serve(fleet, 30_000, (at) => (at === 0 ? 300 : 10));
  expect(fleet.group.statistics()[0]?.effectiveWeight).toBe(1);
  expect(() => adaptive({ minimum: 0 })).toThrow(/minimum/);
});
