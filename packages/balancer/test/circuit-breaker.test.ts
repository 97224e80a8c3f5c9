import { AttemptOutcome } from '@rp/balancer';
import { describe, expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

const { success, reset, cancelled } = AttemptOutcome;

function breaker(options = {}): Fleet {
  return new Fleet({ ejection: false, slowStart: false, allDown: 'reject', circuitBreaker: options });
}

type Circuit = 'closed' | 'open' | 'halfOpen';

/** Brings backend 0 into a state of the circuit. */
function bring(to: Circuit): Fleet {
  const fleet = breaker();
  if (to !== 'closed') fleet.attempt(fleet.backend(0), reset, 5);
  if (to === 'halfOpen') {
    fleet.now += 5_000;
    fleet.group.refresh(fleet.now);
  }
  expect(circuit(fleet)).toBe(to);
  return fleet;
}

function circuit(fleet: Fleet): Circuit | undefined {
  return fleet.group.statistics()[0]?.circuit;
}

interface Row {
  readonly from: Circuit;
  readonly event: string;
  readonly act: (fleet: Fleet) => void;
  readonly to: Circuit;
}

const table: readonly Row[] = [
  { from: 'closed', event: 'success', act: (f) => f.attempt(f.backend(0), success), to: 'closed' },
  { from: 'closed', event: '4 failures', act: (f) => f.attempt(f.backend(0), reset, 4), to: 'closed' },
  { from: 'closed', event: '5 failures', act: (f) => f.attempt(f.backend(0), reset, 5), to: 'open' },
  { from: 'closed', event: 'time', act: (f) => pass(f, 60_000), to: 'closed' },
  { from: 'open', event: 'late success', act: (f) => f.attempt(f.backend(0), success), to: 'open' },
  { from: 'open', event: 'late failure', act: (f) => f.attempt(f.backend(0), reset), to: 'open' },
  { from: 'open', event: '4,999 ms', act: (f) => pass(f, 4_999), to: 'open' },
  { from: 'open', event: '5,000 ms', act: (f) => pass(f, 5_000), to: 'halfOpen' },
  { from: 'open', event: 'health check recovers', act: recover, to: 'halfOpen' },
  { from: 'halfOpen', event: '1 success', act: (f) => f.attempt(f.backend(0), success), to: 'halfOpen' },
  { from: 'halfOpen', event: '2 successes', act: (f) => f.attempt(f.backend(0), success, 2), to: 'closed' },
  { from: 'halfOpen', event: '1 failure', act: (f) => f.attempt(f.backend(0), reset), to: 'open' },
  { from: 'halfOpen', event: 'cancelled', act: (f) => f.attempt(f.backend(0), cancelled, 9), to: 'halfOpen' },
  { from: 'halfOpen', event: 'time', act: (f) => pass(f, 60_000), to: 'halfOpen' },
];

function pass(fleet: Fleet, ms: number): void {
  fleet.now += ms;
  fleet.group.refresh(fleet.now);
}

function recover(fleet: Fleet): void {
  fleet.group.setHealth(fleet.backend(0), false, 'test', fleet.now);
  fleet.group.setHealth(fleet.backend(0), true, 'test', fleet.now);
}

describe('transitions', () => {
  test.each(table)('$from, $event: $to', ({ from, act, to }) => {
    const fleet = bring(from);
    act(fleet);
    expect(circuit(fleet)).toBe(to);
  });
});

test('an open circuit gets no traffic', () => {
  expect(bring('open').shares(100)[0]).toBe(0);
});

test('state changes are reported with their reason and counted', () => {
  const fleet = bring('halfOpen');
  fleet.attempt(fleet.backend(0), success, 2);
  expect(fleet.changes).toEqual([
    '0: closed -> open (consecutiveFailures)',
    '0: open -> halfOpen (openTimeOver)',
    '0: halfOpen -> closed (trialsSucceeded)',
  ]);
  expect(fleet.group.statistics()[0]).toMatchObject({ circuitOpenings: 1, stateChanges: 3 });
});

test('half-open lets a limited number of trials in at once', () => {
  const fleet = bring('halfOpen');
  let trials = 0;
  for (let i = 0; i < 30; i++) {
    const backend = fleet.pick();
    if (backend === undefined) continue;
    fleet.start(backend);
    if (backend === fleet.backend(0)) trials++;
  }
  expect(trials).toBe(2);
  fleet.finish(fleet.backend(0), cancelled);
  expect(fleet.shares(3)[0]).toBeGreaterThan(0);
});

test('attempts from before the opening that end in the half-open phase free no more trials', () => {
  const fleet = breaker();
  for (let i = 0; i < 5; i++) fleet.start(fleet.backend(0));
  fleet.attempt(fleet.backend(0), reset, 5);
  pass(fleet, 5_000);
  for (let i = 0; i < 5; i++) fleet.finish(fleet.backend(0), cancelled);
  let trials = 0;
  for (let backend = fleet.pick(); trials < 9 && backend !== undefined; backend = fleet.pick()) {
    if (backend === fleet.backend(0)) trials++;
    fleet.start(backend);
    if (fleet.group.statistics()[1]?.active === 50) break;
  }
  expect(trials).toBe(2);
});

test('trials that never end give their places back', () => {
  const fleet = bring('halfOpen');
  fleet.start(fleet.backend(0));
  fleet.start(fleet.backend(0));
  expect(fleet.shares(30)[0]).toBe(0);
  fleet.now += 5_000;
  expect(fleet.shares(3)[0]).toBeGreaterThan(0);
});

test('failures that come in while it is open do not prolong it', () => {
  const fleet = bring('open');
  fleet.now += 4_000;
  fleet.attempt(fleet.backend(0), reset, 5);
  pass(fleet, 1_000);
  expect(circuit(fleet)).toBe('halfOpen');
});

test('each failed half-open phase doubles the time open, up to its limit', () => {
  const fleet = breaker({ maxOpenMs: 20_000 });
  const times: number[] = [];
  fleet.attempt(fleet.backend(0), reset, 5);
  for (let i = 0; i < 4; i++) {
    const since = fleet.now;
    while (circuit(fleet) === 'open') pass(fleet, 500);
    times.push(fleet.now - since);
    fleet.attempt(fleet.backend(0), reset);
  }
  expect(times).toEqual([5_000, 10_000, 20_000, 20_000]);
});

test('when every circuit is open the group rejects, and trials find the recovery', () => {
  const fleet = breaker();
  for (const backend of fleet.group.set.backends) fleet.attempt(backend, reset, 5);
  expect(fleet.pick()).toBeUndefined();
  expect(fleet.group.retryAfterSeconds(fleet.now)).toBe(5);
  fleet.now += 5_000;
  expect(fleet.pick()).toBeDefined();
});

test('half of the requests failing opens it', () => {
  const fleet = breaker();
  for (let i = 0; i < 12; i++) {
    fleet.attempt(fleet.backend(0), success);
    fleet.attempt(fleet.backend(0), reset);
  }
  expect(fleet.changes).toEqual(['0: closed -> open (errorRate)']);
});

test('switched off, nothing opens', () => {
  const fleet = new Fleet({ ejection: false, circuitBreaker: false });
  fleet.attempt(fleet.backend(0), reset, 500);
  expect(fleet.changes).toEqual([]);
});
