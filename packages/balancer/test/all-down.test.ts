import { AttemptOutcome } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

/** All backends unhealthy; 1 failed last. */
function dead(options = {}): Fleet {
  const fleet = new Fleet({ retryBudget: { burst: 10, ratio: 0.2, minimumPerSecond: 0 }, ...options });
  [0, 2, 1].forEach((position) => {
    fleet.now += 100;
    fleet.group.setHealth(fleet.backend(position), false, 'test', fleet.now);
  });
  return fleet;
}

test('reject: nobody is picked', () => {
  const fleet = dead({ allDown: 'reject' });
  expect(fleet.shares(100)).toEqual([0, 0, 0]);
});

test('best effort: the one that failed most recently is tried first', () => {
  const fleet = dead({ retryBudget: { minimumPerSecond: 1_000 } });
  const first = fleet.pick();
  expect(first).toBe(fleet.backend(1));
  const second = fleet.pick([fleet.backend(1)]);
  expect(second).toBe(fleet.backend(2));
  expect(fleet.pick([fleet.backend(1), fleet.backend(2)])).toBe(fleet.backend(0));
});

test('best effort on a dead fleet sends budget x load, the rest is refused at once', () => {
  const fleet = dead();
  let sent = 0;
  for (let i = 0; i < 10_000; i++) {
    fleet.now += 1;
    const backend = fleet.pick();
    if (backend === undefined) continue;
    sent++;
    fleet.attempt(backend, AttemptOutcome.connectFailed);
  }
  expect(sent).toBeGreaterThan(1_500);
  expect(sent).toBeLessThanOrEqual(2_000 + 10);
});

test('best effort: when it is the checks that are wrong, successes open the way for all traffic', () => {
  const fleet = dead({ ejection: false, circuitBreaker: false });
  let refused = 0;
  for (let i = 0; i < 1_000; i++) {
    const backend = fleet.pick();
    if (backend === undefined) refused++;
    else fleet.attempt(backend, AttemptOutcome.success);
  }
  expect(refused).toBeLessThan(10);
});

test('best effort never goes to a backend that an operator took out', () => {
  const fleet = dead();
  fleet.group.setAdministration(fleet.backend(1), 'disabled', 'test', fleet.now);
  fleet.group.setAdministration(fleet.backend(2), 'draining', 'test', fleet.now);
  for (let i = 0; i < 50; i++) expect([undefined, fleet.backend(0)]).toContain(fleet.pick());
});

test('a retry does not use best effort while others serve', () => {
  const fleet = new Fleet();
  fleet.group.setHealth(fleet.backend(0), false, 'test', fleet.now);
  expect(fleet.pick([fleet.backend(1), fleet.backend(2)])).toBeUndefined();
});

test('Retry-After tells when the next backend comes back by itself', () => {
  const fleet = new Fleet({ size: 1, circuitBreaker: { openMs: 12_300 }, allDown: 'reject' });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 5);
  expect(fleet.pick()).toBeUndefined();
  expect(fleet.group.retryAfterSeconds(fleet.now)).toBe(13);
  expect(fleet.group.retryAfterSeconds(fleet.now + 12_000)).toBe(1);
  expect(dead().group.retryAfterSeconds(0)).toBe(5);
});
