import { AttemptOutcome } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet, urls } from './fleet.ts';

test('random of two is near even', () => {
  const shares = new Fleet({ algorithm: 'random', size: 5 }).shares(5_000);
  for (const share of shares) expect(Math.abs(share - 1_000)).toBeLessThan(120);
});

test('random of two keeps away from a backend that does not finish', () => {
  const fleet = new Fleet({ algorithm: 'random', size: 5 });
  for (let i = 0; i < 50; i++) fleet.start(fleet.backend(0));
  expect(fleet.shares(1_000)[0]).toBe(0);
});

test('random of two follows the weights', () => {
  const backends = urls(2).map((options, i) => ({ ...options, weight: i === 0 ? 1 : 3 }));
  const [light = 0, heavy = 0] = new Fleet({ algorithm: 'random', backends }).shares(4_000);
  expect(heavy / light).toBeGreaterThan(1.2);
});

function serve(fleet: Fleet, count: number, latency: (at: number) => number): number[] {
  const picked = fleet.group.set.backends.map(() => 0);
  for (let i = 0; i < count; i++) {
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

test('peak-EWMA moves away from a backend that became slow, and back when it is fast again', () => {
  const fleet = new Fleet({ algorithm: 'peak-ewma' });
  serve(fleet, 300, () => 10);
  const slow = serve(fleet, 900, (at) => (at === 1 ? 310 : 10));
  expect(slow[1]).toBeLessThan(20);
  fleet.now += 60_000;
  const healed = serve(fleet, 900, () => 10);
  expect(healed[1]).toBeGreaterThan(150);
});

test('peak-EWMA does not run to a backend because it fails fast', () => {
  const fleet = new Fleet({ algorithm: 'peak-ewma', ejection: false, circuitBreaker: false });
  serve(fleet, 100, () => 20);
  fleet.attempt(fleet.backend(0), AttemptOutcome.connectFailed);
  expect(serve(fleet, 300, () => 20)[0]).toBeLessThan(10);
});

test('peak-EWMA does not trust a backend that never answered with more than one request', () => {
  const fleet = new Fleet({ algorithm: 'peak-ewma', size: 2 });
  serve(fleet, 20, (at) => (at === 0 ? 5 : 6));
  fleet.group.update({ backends: urls(3) });
  for (let i = 0; i < 200; i++) {
    const backend = fleet.pick();
    if (backend !== undefined && fleet.position(backend) === 2) fleet.start(backend);
  }
  expect(fleet.group.statistics()[2]?.active).toBe(1);
});
