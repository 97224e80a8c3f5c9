import { AttemptOutcome, BalancerError } from '@rp/balancer';
import { describe, expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

const off = { circuitBreaker: false, slowStart: false } as const;

test.each(['connectFailed', 'reset', 'timedOut'] as const)('three times %s in a row ejects', (outcome) => {
  const fleet = new Fleet({ ...off });
  fleet.attempt(fleet.backend(0), AttemptOutcome[outcome], 2);
  expect(fleet.changes).toEqual([]);
  fleet.attempt(fleet.backend(0), AttemptOutcome[outcome]);
  expect(fleet.changes).toEqual(['0: inService -> ejected (consecutiveFailures)']);
  expect(fleet.shares(10)[0]).toBe(0);
});

test('a success in between, or a client that left, is no step towards ejection', () => {
  const fleet = new Fleet({ ...off });
  for (let i = 0; i < 10; i++) {
    fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 2);
    fleet.attempt(fleet.backend(0), AttemptOutcome.success, 3);
  }
  fleet.attempt(fleet.backend(0), AttemptOutcome.cancelled, 50);
  expect(fleet.changes).toEqual([]);
});

test('5xx count only where that is asked for', () => {
  const relaxed = new Fleet({ ...off });
  relaxed.attempt(relaxed.backend(0), AttemptOutcome.status5xx, 50);
  expect(relaxed.changes).toEqual([]);
  const strict = new Fleet({ ...off, failures: { status5xx: true } });
  strict.attempt(strict.backend(0), AttemptOutcome.status5xx, 3);
  expect(strict.changes).toHaveLength(1);
});

test('a backend that answers, but late, is ejected where that is asked for', () => {
  const answer = (fleet: Fleet, latencyMs: number, times: number): void => {
    for (let i = 0; i < times; i++) {
      fleet.start(fleet.backend(0));
      fleet.finish(fleet.backend(0), AttemptOutcome.success, latencyMs);
    }
  };
  const relaxed = new Fleet({ ...off });
  answer(relaxed, 5_000, 50);
  expect(relaxed.changes).toEqual([]);
  const strict = new Fleet({ ...off, failures: { slowMs: 200 } });
  answer(strict, 200, 50);
  expect(strict.changes).toEqual([]);
  answer(strict, 201, 3);
  expect(strict.changes).toEqual(['0: inService -> ejected (late)']);
});

test('where all backends are late nobody is ejected for it, no circuit opens and no client is refused', () => {
  const fleet = new Fleet({ slowStart: false, failures: { slowMs: 200 } });
  for (let i = 0; i < 300; i++) {
    const backend = fleet.pick();
    expect(backend).toBeDefined();
    fleet.start(backend!);
    fleet.finish(backend!, AttemptOutcome.success, 500);
  }
  expect(fleet.changes).toEqual([]);
});

test('one that trickles is as one that is late: it goes while another is in time, and no circuit opens', () => {
  const fleet = new Fleet({ slowStart: false });
  const trickle = (position: number): void => {
    fleet.start(fleet.backend(position));
    fleet.group.judged(fleet.backend(position), AttemptOutcome.success, fleet.now, 5, true);
    fleet.group.released(fleet.backend(position));
  };
  for (let i = 0; i < 60; i++) trickle(0);
  expect(fleet.changes).toEqual(['0: inService -> ejected (late)']);
  const all = new Fleet({ slowStart: false });
  for (let i = 0; i < 60; i++)
    for (const position of [0, 1, 2]) {
      all.start(all.backend(position));
      all.group.judged(all.backend(position), AttemptOutcome.success, all.now, 5, true);
      all.group.released(all.backend(position));
    }
  // The first to come was late while the others were still thought to be in time.
  expect(all.changes.filter((change) => !change.startsWith('0:'))).toEqual([]);
});

test('one that is late on probation is ejected again; one that is suspected and late serves', () => {
  const fleet = new Fleet({ ...off, failures: { slowMs: 200 }, ejection: { maxEjectionPercent: 50 } });
  const late = (position: number): void => {
    fleet.start(fleet.backend(position));
    fleet.finish(fleet.backend(position), AttemptOutcome.success, 500);
  };
  for (let i = 0; i < 3; i++) late(0);
  fleet.now += 10_000;
  fleet.pick();
  late(0);
  expect(fleet.group.statistics()[0]).toMatchObject({ ejected: true, ejections: 2 });
  // The cap keeps the other two in service, though they fail.
  for (const position of [1, 2]) fleet.attempt(fleet.backend(position), AttemptOutcome.reset, 3);
  late(1);
  for (let i = 0; i < 100; i++) expect(fleet.pick()).toBeDefined();
});

test('a client that leaves a slow backend is no failure of the backend', () => {
  const fleet = new Fleet({ ...off, failures: { slowMs: 200 } });
  for (let i = 0; i < 50; i++) {
    fleet.start(fleet.backend(0));
    fleet.finish(fleet.backend(0), AttemptOutcome.cancelled, 5_000);
  }
  expect(fleet.changes).toEqual([]);
});

test('an attempt that is judged before it ends counts once, and is in flight until it is released', () => {
  const fleet = new Fleet({ ...off, algorithm: 'least-connections' });
  const backend = fleet.backend(0);
  fleet.start(backend);
  fleet.group.judged(backend, AttemptOutcome.success, fleet.now, 5);
  expect(fleet.group.statistics()[0]).toMatchObject({ active: 1, succeeded: 1, picked: 1 });
  // It still weighs: the others are less busy.
  fleet.start(fleet.backend(1));
  fleet.start(fleet.backend(2));
  fleet.finish(fleet.backend(2), AttemptOutcome.success);
  expect(fleet.pick()).toBe(fleet.backend(2));
  fleet.group.released(backend);
  expect(fleet.group.statistics()[0]).toMatchObject({ active: 0, succeeded: 1 });
});

test('whoever waits for a backend can ask whether it is still in service', () => {
  const fleet = new Fleet({ ...off });
  const backend = fleet.backend(0);
  expect(fleet.group.isInService(backend)).toBe(true);
  fleet.attempt(backend, AttemptOutcome.reset, 3);
  expect(fleet.group.isInService(backend)).toBe(false);
  fleet.now += 10_000;
  fleet.pick();
  expect(fleet.group.isInService(backend)).toBe(true);
});

test('half of the requests failing ejects, though never three in a row', () => {
  const fleet = new Fleet({ ...off });
  for (let i = 0; i < 12; i++) {
    fleet.attempt(fleet.backend(0), AttemptOutcome.success);
    fleet.attempt(fleet.backend(0), AttemptOutcome.reset);
  }
  expect(fleet.changes).toEqual(['0: inService -> ejected (errorRate)']);
});

test('failures of an earlier window are forgotten', () => {
  const fleet = new Fleet({ ...off });
  const alternate = (times: number): void => {
    for (let i = 0; i < times; i++) {
      fleet.attempt(fleet.backend(0), AttemptOutcome.success);
      fleet.attempt(fleet.backend(0), AttemptOutcome.reset);
    }
  };
  for (let i = 0; i < 5; i++) {
    alternate(9);
    fleet.now += 10_000;
  }
  expect(fleet.changes).toEqual([]);
  alternate(10);
  expect(fleet.changes).toEqual(['0: inService -> ejected (errorRate)']);
});

test('a backend comes back when its time is over, without a timer', () => {
  const fleet = new Fleet({ ...off });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  fleet.now += 9_999;
  expect(fleet.shares(9)[0]).toBe(0);
  fleet.now += 1;
  expect(fleet.shares(9)).toEqual([3, 3, 3]);
  expect(fleet.changes.at(-1)).toBe('0: ejected -> inService (ejectionTimeOver)');
});

test('flapping backends do not flap: each ejection is twice as long as the one before', () => {
  const fleet = new Fleet({ ...off });
  const times: number[] = [];
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  for (let i = 0; i < 7; i++) {
    const since = fleet.now;
    while (fleet.shares(3)[0] === 0) fleet.now += 500;
    times.push(fleet.now - since);
    fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  }
  expect(times).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
});

test('a backend that comes back is on probation: its first failure ejects it again', () => {
  const fleet = new Fleet({ ...off });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  fleet.now += 10_000;
  fleet.pick();
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset);
  expect(fleet.group.statistics()[0]).toMatchObject({ ejected: true, ejections: 2 });
});

test('linear growth adds the base time', () => {
  const fleet = new Fleet({ ...off, ejection: { growth: 'linear', baseMs: 1_000 } });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  fleet.now += 1_000;
  fleet.pick();
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset);
  fleet.now += 1_999;
  expect(fleet.shares(9)[0]).toBe(0);
  fleet.now += 1;
  expect(fleet.shares(9)[0]).toBe(3);
});

test('time in service makes earlier ejections forgotten', () => {
  const fleet = new Fleet({ ...off });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  fleet.now += 10_000;
  expect(fleet.shares(9)[0]).toBe(3);
  fleet.now += 60_000;
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  fleet.now += 10_000;
  expect(fleet.shares(9)[0]).toBe(3);
});

test.each([
  { size: 10, percent: 50, most: 5 },
  { size: 10, percent: 20, most: 2 },
  { size: 3, percent: 10, most: 1 },
  { size: 2, percent: 50, most: 1 },
  { size: 4, percent: 100, most: 3 },
  { size: 4, percent: 0, most: 0 },
  { size: 1, percent: 100, most: 0 },
])(
  'of $size backends at most $most are ejected with maxEjectionPercent $percent',
  ({ size, percent, most }) => {
    const fleet = new Fleet({ ...off, size, ejection: { maxEjectionPercent: percent } });
    for (const backend of fleet.group.set.backends) fleet.attempt(backend, AttemptOutcome.reset, 10);
    expect(fleet.group.statistics().filter(({ ejected }) => ejected)).toHaveLength(most);
  },
);

test('the last one that can be picked is never ejected', () => {
  const fleet = new Fleet({ ...off });
  fleet.group.setHealth(fleet.backend(0), false, 'test', fleet.now);
  fleet.group.setAdministration(fleet.backend(1), 'draining', 'test', fleet.now);
  fleet.attempt(fleet.backend(2), AttemptOutcome.reset, 20);
  expect(fleet.pick()).toBe(fleet.backend(2));
});

test('requests in flight at an ejected backend finish and are counted', () => {
  const fleet = new Fleet({ ...off });
  const backend = fleet.backend(0);
  fleet.start(backend);
  fleet.attempt(backend, AttemptOutcome.reset, 3);
  expect(fleet.group.statistics()[0]).toMatchObject({ ejected: true, active: 1, state: 'unhealthy' });
  fleet.finish(backend, AttemptOutcome.success);
  expect(fleet.group.statistics()[0]).toMatchObject({ ejected: true, active: 0, succeeded: 1 });
});

test('after weeks without a request nobody is ejected by a clock that came round', () => {
  const fleet = new Fleet({ ...off });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  fleet.pick();
  fleet.now += 2 ** 31 + 60_000;
  fleet.group.refresh(fleet.now);
  expect(fleet.shares(9)[0]).toBe(3);
});

test('switching ejection off releases everybody', () => {
  const fleet = new Fleet({ ...off });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 3);
  fleet.group.update({ ejection: false });
  expect(fleet.shares(9)).toEqual([3, 3, 3]);
});

test('options out of range are refused with their name', () => {
  expect(() => new Fleet({ ejection: { maxEjectionPercent: 101 } })).toThrow(/maxEjectionPercent/);
  expect(() => new Fleet({ ejection: { baseMs: 1_000, maxMs: 10 } })).toThrow(BalancerError);
});

test('a backend that fails while the other one sits out its time changes places with it', () => {
  const fleet = new Fleet({ ...off, backends: ['http://a:80', 'http://b:80'].map((url) => ({ url })) });
  fleet.attempt(fleet.backend(0), AttemptOutcome.connectFailed, 3);
  // Within the first second the cap holds: a dead group does not change places with every request.
  fleet.attempt(fleet.backend(1), AttemptOutcome.connectFailed, 3);
  expect(fleet.changes).toEqual(['0: inService -> ejected (consecutiveFailures)']);
  fleet.now += 1_000;
  fleet.attempt(fleet.backend(1), AttemptOutcome.connectFailed, 1);
  expect(fleet.changes.slice(1)).toEqual([
    '0: ejected -> inService (neededInstead)',
    '1: inService -> ejected (consecutiveFailures)',
  ]);
  // On probation: the next failure brings the first one back out, when it is time to change again.
  fleet.now += 1_000;
  fleet.attempt(fleet.backend(0), AttemptOutcome.connectFailed, 1);
  expect(fleet.changes.slice(3)).toEqual([
    '1: ejected -> inService (neededInstead)',
    '0: inService -> ejected (consecutiveFailures)',
  ]);
});

describe('a request that failed where it was sent, and has no other backend but an ejected one', () => {
  const failed = {
    retryable: 'yes',
    connectionReused: false,
    requestSent: false,
    idempotent: true,
    responseStarted: false,
    bodyReplayable: true,
    attempts: 1,
  } as const;

  /** Backend 0 is ejected, and has come back to life since. */
  function half(): Fleet {
    const fleet = new Fleet({ size: 2, circuitBreaker: false, retryBudget: { minimumPerSecond: 100 } });
    fleet.attempt(fleet.backend(0), AttemptOutcome.connectFailed, 5);
    expect(fleet.group.isInService(fleet.backend(0))).toBe(false);
    return fleet;
  }

  test('is repeated there', () => {
    const fleet = half();
    const other = fleet.backend(1);
    fleet.attempt(other, AttemptOutcome.connectFailed);
    expect(fleet.group.mayRetry(failed, [other], fleet.now).retry).toBe(true);
    expect(fleet.pick([other])).toBe(fleet.backend(0));
  });

  test('is repeated there too if its own failure put the two in each other’s place', () => {
    const fleet = half();
    fleet.now += 2_000;
    const other = fleet.backend(1);
    for (let i = 0; i < 8 && fleet.group.isInService(other); i++) {
      fleet.attempt(other, AttemptOutcome.connectFailed);
      expect(fleet.group.mayRetry(failed, [other], fleet.now).retry).toBe(true);
      fleet.group.retryBudget.release();
    }
    expect(fleet.changes.slice(-2)).toEqual([
      '0: ejected -> inService (neededInstead)',
      '1: inService -> ejected (consecutiveFailures)',
    ]);
  });

  test('is not repeated at one that checks or an operator took out as well', () => {
    for (const takeOut of [
      (fleet: Fleet) => fleet.group.setHealth(fleet.backend(0), false, 'test', fleet.now),
      (fleet: Fleet) => fleet.group.setAdministration(fleet.backend(0), 'draining', 'test', fleet.now),
    ]) {
      const fleet = half();
      takeOut(fleet);
      expect(fleet.group.mayRetry(failed, [fleet.backend(1)], fleet.now)).toMatchObject({ retry: false });
      expect(fleet.pick([fleet.backend(1)])).toBeUndefined();
    }
  });

  test('is not one of many there: ten at a time find out', () => {
    const fleet = half();
    const other = [fleet.backend(1)];
    for (let i = 0; i < 10; i++) fleet.start(fleet.pick(other)!);
    expect(fleet.pick(other)).toBeUndefined();
    expect(fleet.group.mayRetry(failed, other, fleet.now)).toMatchObject({ retry: false });
  });
});
