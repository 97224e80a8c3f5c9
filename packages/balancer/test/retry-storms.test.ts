import { AttemptOutcome, type Backend, type FailedAttempt } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

const failed: FailedAttempt = {
  retryable: 'yes',
  connectionReused: false,
  requestSent: false,
  idempotent: true,
  responseStarted: false,
  bodyReplayable: true,
  attempts: 1,
};

interface Load {
  readonly requests: number;
  readonly retries: number;
}

/**
 * `perSecond` requests for ten seconds at a fleet that fails every attempt after `failAfterMs`. Ejection and
 * circuits are off, so that the budget alone stands between retries and the backends.
 */
function deadFleet(perSecond: number, failAfterMs: number, options = {}): Load {
  const fleet = new Fleet({ ejection: false, circuitBreaker: false, size: 5, ...options });
  const flight: { at: number; backend: Backend; tried: Backend[]; isRetry: boolean }[] = [];
  let requests = 0;
  let retries = 0;
  const send = (tried: Backend[], isRetry: boolean): void => {
    const backend = fleet.pick(tried);
    if (backend === undefined) throw new Error('nobody');
    fleet.start(backend);
    flight.push({ at: fleet.now + failAfterMs, backend, tried: [...tried, backend], isRetry });
  };
  for (let ms = 0; ms < 10_000; ms++) {
    fleet.now++;
    while ((flight[0]?.at ?? Infinity) <= fleet.now) {
      const ended = flight.shift();
      if (ended === undefined) break;
      fleet.finish(ended.backend, AttemptOutcome.connectFailed, failAfterMs);
      if (ended.isRetry) fleet.group.retryBudget.release();
      const attempts = ended.tried.length;
      if (fleet.group.mayRetry({ ...failed, attempts }, ended.tried, fleet.now).retry) {
        retries++;
        send(ended.tried, true);
      }
    }
    for (; requests < (perSecond * ms) / 1_000; requests++) send([], false);
  }
  return { requests, retries };
}

test.each([
  { perSecond: 1_000, failAfterMs: 1 },
  { perSecond: 1_000, failAfterMs: 200 },
  { perSecond: 5_000, failAfterMs: 20 },
])(
  'retry storms: a dead fleet at $perSecond/s, failing after $failAfterMs ms, sees 1.2 x load at most',
  (given) => {
    const { requests, retries } = deadFleet(given.perSecond, given.failAfterMs);
    // 20 % of the requests, 5 a second besides, and 50 saved up.
    expect(retries).toBeLessThanOrEqual(0.2 * requests + 5 * 10 + 50);
    expect(retries).toBeGreaterThan(0);
  },
);

test('a quiet group can retry all the same', () => {
  const { requests, retries } = deadFleet(2, 10);
  expect(retries).toBeGreaterThanOrEqual(requests * 1.5);
});

test('slow retries do not pile up: no more in flight than half of all', () => {
  const fleet = new Fleet();
  fleet.shares(20_000);
  for (let i = 0; i < 1_000; i++) {
    const backend = fleet.pick();
    if (backend !== undefined) fleet.start(backend);
  }
  let retries = 0;
  while (fleet.group.mayRetry(failed, [], fleet.now).retry) retries++;
  expect(retries).toBe(500);
  for (let i = 0; i < 5_000; i++) fleet.pick();
  expect(fleet.group.mayRetry(failed, [], fleet.now).retry).toBe(false);
});

test.each([
  { size: 3, connections: 64 },
  { size: 2, connections: 64 },
  { size: 3, connections: 3_000 },
])('one of $size backends dies with $connections requests in flight: no client sees an error', (given) => {
  const { size, connections } = given;
  const fleet = new Fleet({ size });
  fleet.shares(connections * 10);
  let errors = 0;
  const isDead = (backend: Backend): boolean => fleet.position(backend) === 1;
  /** Ends an attempt: the dead backend resets it, and it goes on elsewhere if it may. */
  const end = (backend: Backend, tried: Backend[]): void => {
    fleet.finish(backend, isDead(backend) ? AttemptOutcome.reset : AttemptOutcome.success);
    if (!isDead(backend)) return;
    const all = [...tried, backend];
    const attempt = { ...failed, requestSent: true, attempts: all.length };
    const decision = fleet.group.mayRetry(attempt, all, fleet.now);
    const other = decision.retry ? fleet.pick(all) : undefined;
    if (other === undefined) {
      errors++;
      return;
    }
    fleet.start(other);
    end(other, all);
    fleet.group.retryBudget.release();
  };
  let flight: Backend[] = [];
  for (let second = 0; second < 60; second++) {
    fleet.now += 1_000;
    for (const backend of flight) end(backend, []);
    flight = [];
    for (let i = 0; i < connections; i++) {
      const backend = fleet.pick();
      if (backend === undefined) continue;
      fleet.start(backend);
      flight.push(backend);
    }
  }
  expect(errors).toBe(0);
});

test('what is saved up is bounded', () => {
  const fleet = new Fleet({ retryBudget: { burst: 10, minimumPerSecond: 1_000 } });
  for (let i = 0; i < 10_000; i++) fleet.pick();
  fleet.now += 60_000;
  let retries = 0;
  for (; fleet.group.mayRetry(failed, [], fleet.now).retry; retries++) fleet.group.retryBudget.release();
  expect(retries).toBe(10);
});

test('ratio 0 and no floor: never', () => {
  const { retries } = deadFleet(1_000, 1, { retryBudget: { ratio: 0, minimumPerSecond: 0 } });
  expect(retries).toBe(0);
});
