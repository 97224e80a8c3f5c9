import { type Algorithm, AttemptOutcome, type Backend } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet, urls } from './fleet.ts';

const algorithms: readonly Algorithm[] = [
  'round-robin',
  'weighted-round-robin',
  'least-connections',
  'ip-hash',
  'random',
  'peak-ewma',
];

/** A fleet whose first backend has just come back from an ejection; slow start is over at once. */
function returned(options: ConstructorParameters<typeof Fleet>[0] = {}): Fleet {
  const fleet = new Fleet({ circuitBreaker: false, slowStart: false, ...options });
  fleet.attempt(fleet.backend(0), AttemptOutcome.timedOut, 3);
  fleet.now += 10_000;
  fleet.group.refresh(fleet.now);
  return fleet;
}

/** Attempts that begin at the backend among `count` picks, none of which ends. */
function begun(fleet: Fleet, backend: Backend, count: number): number {
  let begins = 0;
  for (let i = 0; i < count; i++) {
    fleet.context.clientAddress = `192.0.2.${i % 250}`;
    const picked = fleet.pick();
    if (picked === undefined) continue;
    fleet.start(picked);
    if (picked === backend) begins++;
  }
  return begins;
}

test.each(algorithms)('one that still hangs gets two requests, not a third of all: %s', (algorithm) => {
  const fleet = returned({ algorithm });
  expect(begun(fleet, fleet.backend(0), 300)).toBeLessThanOrEqual(2);
  // Their failure ejects it again.
  fleet.finish(fleet.backend(0), AttemptOutcome.timedOut);
  expect(fleet.group.statistics()[0]).toMatchObject({ ejected: true, ejections: 2 });
});

test('the first success ends it', () => {
  const fleet = returned();
  expect(begun(fleet, fleet.backend(0), 9)).toBe(2);
  fleet.finish(fleet.backend(0), AttemptOutcome.success);
  expect(begun(fleet, fleet.backend(0), 9)).toBe(3);
});

test('slow start begins with the first success', () => {
  const fleet = returned({ slowStart: { windowMs: 10_000, minimumShare: 0.5 } });
  fleet.now += 10_000;
  fleet.group.refresh(fleet.now);
  fleet.attempt(fleet.backend(0), AttemptOutcome.success);
  expect(fleet.shares(300)[0]).toBeLessThan(70);
  fleet.now += 10_000;
  expect(fleet.shares(300)[0]).toBe(100);
});

test('a client that leaves gives its trial back', () => {
  const fleet = returned();
  for (let i = 0; i < 50; i++) fleet.attempt(fleet.backend(0), AttemptOutcome.cancelled);
  expect(begun(fleet, fleet.backend(0), 9)).toBe(2);
});

test('trials that never end are followed by others after the ejection time', () => {
  const fleet = returned();
  expect(begun(fleet, fleet.backend(0), 30)).toBe(2);
  fleet.now += 9_999;
  expect(begun(fleet, fleet.backend(0), 30)).toBe(0);
  fleet.now += 1;
  expect(begun(fleet, fleet.backend(0), 30)).toBe(2);
});

test('what hung before the ejection takes no trial', () => {
  const fleet = new Fleet({ circuitBreaker: false, slowStart: false });
  for (let i = 0; i < 20; i++) fleet.start(fleet.backend(0));
  for (let i = 0; i < 3; i++) fleet.finish(fleet.backend(0), AttemptOutcome.timedOut);
  fleet.now += 10_000;
  fleet.group.refresh(fleet.now);
  expect(begun(fleet, fleet.backend(0), 30)).toBe(2);
});

test('with nobody else to ask, ten at a time ask the one on probation, and all after its first success', () => {
  const fleet = returned({ backends: urls(2) });
  for (let i = 0; i < 250; i++) fleet.pick();
  fleet.group.setAdministration(fleet.backend(1), 'draining', 'test', fleet.now);
  expect(begun(fleet, fleet.backend(0), 40)).toBe(10);
  const failed = {
    retryable: 'yes',
    connectionReused: false,
    requestSent: false,
    idempotent: true,
    responseStarted: false,
    bodyReplayable: true,
    attempts: 1,
  } as const;
  for (let i = 0; i < 250; i++) fleet.group.retryBudget.requestArrived();
  fleet.finish(fleet.backend(0), AttemptOutcome.cancelled);
  expect(fleet.group.mayRetry(failed, [fleet.backend(1)], fleet.now)).toMatchObject({ retry: true });
  fleet.finish(fleet.backend(0), AttemptOutcome.success);
  expect(begun(fleet, fleet.backend(0), 40)).toBe(40);
});

test('switching ejection off ends it', () => {
  const fleet = returned();
  fleet.group.update({ ejection: false });
  expect(begun(fleet, fleet.backend(0), 30)).toBe(10);
});
