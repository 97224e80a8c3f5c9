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

test('slow retries do not pile up: no more in flight than their share', () => {
  const fleet = new Fleet({ retryBudget: { burst: 10_000 } });
  for (let i = 0; i < 1_000; i++) {
    const backend = fleet.pick();
    if (backend !== undefined) fleet.start(backend);
  }
  let retries = 0;
  while (fleet.group.mayRetry(failed, [], fleet.now).retry) retries++;
  expect(retries).toBe(200);
});

test('what is saved up is bounded', () => {
  const fleet = new Fleet({ retryBudget: { burst: 10, minimumPerSecond: 1_000 } });
  for (let i = 0; i < 10_000; i++) fleet.pick();
  fleet.now += 60_000;
  let retries = 0;
  while (fleet.group.mayRetry(failed, [], fleet.now).retry) retries++;
  expect(retries).toBe(10);
});

test('ratio 0 and no floor: never', () => {
  const { retries } = deadFleet(1_000, 1, { retryBudget: { ratio: 0, minimumPerSecond: 0 } });
  expect(retries).toBe(0);
});
