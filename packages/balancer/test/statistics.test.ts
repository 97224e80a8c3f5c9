import { AttemptOutcome, attemptOutcomeNames } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

test('every way to end an attempt has its counter', () => {
  const fleet = new Fleet({ ejection: false, circuitBreaker: false });
  attemptOutcomeNames.forEach((name, i) => fleet.attempt(fleet.backend(0), AttemptOutcome[name], i + 1));
  expect(fleet.group.statistics()[0]).toMatchObject({
    picked: 21,
    succeeded: 1,
    status5xx: 2,
    connectFailed: 3,
    reset: 4,
    timedOut: 5,
    cancelled: 6,
    active: 0,
    weight: 1,
    effectiveWeight: 1,
  });
});

test('latencies of responses fall into their buckets, others are not counted', () => {
  const fleet = new Fleet();
  const backend = fleet.backend(0);
  for (const latency of [0.5, 1, 1.5, 40, 99_999, -1]) {
    fleet.start(backend);
    fleet.finish(backend, AttemptOutcome.success, latency);
  }
  fleet.start(backend);
  fleet.finish(backend, AttemptOutcome.timedOut, 60_000);
  const { bounds = [], counts = [], count, sumMs } = fleet.group.statistics()[0]?.latency ?? {};
  expect(count).toBe(5);
  expect(sumMs).toBe(0.5 + 1 + 1.5 + 40 + 99_999);
  expect(counts).toHaveLength(bounds.length + 1);
  expect([counts[0], counts[1], counts[bounds.indexOf(50)], counts.at(-1)]).toEqual([2, 1, 1, 1]);
});

test('states, ejections and their changes are counted', () => {
  const fleet = new Fleet();
  fleet.attempt(fleet.backend(1), AttemptOutcome.reset, 5);
  fleet.group.setAdministration(fleet.backend(2), 'disabled', 'test', fleet.now);
  fleet.group.setAdministration(fleet.backend(2), 'disabled', 'test', fleet.now);
  const [zero, one, two] = fleet.group.statistics();
  expect(zero).toMatchObject({ state: 'healthy', stateChanges: 0 });
  expect(one).toMatchObject({
    state: 'unhealthy',
    ejected: true,
    circuit: 'open',
    ejections: 1,
    stateChanges: 2,
  });
  expect(two).toMatchObject({ state: 'disabled', stateChanges: 1 });
});

test('from draining to disabled and back to enabled, each step reported', () => {
  const fleet = new Fleet();
  for (const to of ['draining', 'disabled', 'enabled'] as const) {
    fleet.group.setAdministration(fleet.backend(0), to, 'operator', fleet.now);
  }
  expect(fleet.changes).toEqual([
    '0: enabled -> draining (operator)',
    '0: draining -> disabled (operator)',
    '0: disabled -> enabled (operator)',
  ]);
});
