import { type FailedAttempt, mayRetry, type NoRetryReason, retryDelay, retryOptions } from '@rp/balancer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

const safe: FailedAttempt = {
  retryable: 'yes',
  connectionReused: false,
  requestSent: false,
  idempotent: true,
  responseStarted: false,
  bodyReplayable: true,
  attempts: 1,
};
const options = retryOptions(undefined);

interface Row {
  readonly name: string;
  readonly change: Partial<FailedAttempt & { budgetAvailable: boolean; otherBackendAvailable: boolean }>;
  readonly answer: 'retry' | NoRetryReason;
}

const table: readonly Row[] = [
  { name: 'GET, connection refused', change: {}, answer: 'retry' },
  { name: 'GET, sent, no answer', change: { requestSent: true }, answer: 'retry' },
  { name: 'POST, connection refused', change: { idempotent: false }, answer: 'retry' },
  { name: 'POST, sent', change: { idempotent: false, requestSent: true }, answer: 'notIdempotent' },
  {
    name: 'POST, sent on a reused connection',
    change: { idempotent: false, requestSent: true, retryable: 'reusedOnly', connectionReused: true },
    answer: 'notIdempotent',
  },
  {
    name: 'GET, response started',
    change: { requestSent: true, responseStarted: true },
    answer: 'responseStarted',
  },
  { name: 'failure that says no', change: { retryable: 'no' }, answer: 'notRetryable' },
  { name: 'reusedOnly on a fresh connection', change: { retryable: 'reusedOnly' }, answer: 'notRetryable' },
  {
    name: 'reusedOnly on a reused connection',
    change: { retryable: 'reusedOnly', connectionReused: true },
    answer: 'retry',
  },
  { name: 'PUT whose body is gone', change: { bodyReplayable: false }, answer: 'bodyNotReplayable' },
  { name: 'second retry', change: { attempts: 2 }, answer: 'retry' },
  { name: 'third retry', change: { attempts: 3 }, answer: 'attemptsExhausted' },
  { name: 'nobody else', change: { otherBackendAvailable: false }, answer: 'noOtherBackend' },
  { name: 'no budget', change: { budgetAvailable: false }, answer: 'budgetExhausted' },
  {
    name: 'unsafe and over every limit: safety is the reason',
    change: { responseStarted: true, attempts: 9, budgetAvailable: false, otherBackendAvailable: false },
    answer: 'responseStarted',
  },
];

describe('the decision', () => {
  test.each(table)('$name: $answer', ({ change, answer }) => {
    const all = { ...safe, budgetAvailable: true, otherBackendAvailable: true, ...change };
    const decision = mayRetry(all, options, 0.5);
    expect(decision.retry ? 'retry' : decision.why).toBe(answer);
  });
});

test('no combination ever repeats a request that may have been acted upon', () => {
  const flags = fc.boolean();
  const failure = fc.record({
    retryable: fc.constantFrom('yes', 'no', 'reusedOnly'),
    connectionReused: flags,
    requestSent: flags,
    idempotent: flags,
    responseStarted: flags,
    bodyReplayable: flags,
    attempts: fc.integer({ min: 1, max: 4 }),
    budgetAvailable: flags,
    otherBackendAvailable: flags,
  });
  fc.assert(
    fc.property(failure, (failed) => {
      const dangerous = failed.responseStarted || (failed.requestSent && !failed.idempotent);
      expect(dangerous && mayRetry(failed, options, 0).retry).toBe(false);
    }),
    { numRuns: 2_000 },
  );
});

test('the first retry goes out at once, later ones back off exponentially, with jitter and a limit', () => {
  const wide = retryOptions({ baseDelayMs: 100, maxDelayMs: 500 });
  expect([1, 2, 3, 4, 5, 6].map((retry) => retryDelay(retry, wide, 1))).toEqual([0, 100, 200, 400, 500, 500]);
  expect([1, 2, 3, 4, 5, 6].map((retry) => retryDelay(retry, wide, 0))).toEqual([0, 50, 100, 200, 250, 250]);
});

test('a group says yes while another backend is there, and takes a place in the budget', () => {
  const fleet = new Fleet();
  const tried = [fleet.backend(0)];
  expect(fleet.group.mayRetry(safe, tried, fleet.now)).toEqual({ retry: true, delayMs: 0 });
  expect(fleet.group.retryBudget.activeRetries).toBe(1);
  fleet.group.retryBudget.release();
  expect(fleet.group.retryBudget.activeRetries).toBe(0);
  const everybody = fleet.group.set.backends;
  expect(fleet.group.mayRetry(safe, everybody, fleet.now)).toEqual({ retry: false, why: 'noOtherBackend' });
});

test('a refused retry takes nothing from the budget', () => {
  const fleet = new Fleet({ retryBudget: { minimumPerSecond: 1, ratio: 0 } });
  const sent = { ...safe, requestSent: true, idempotent: false };
  for (let i = 0; i < 10; i++) {
    expect(fleet.group.mayRetry(sent, [], fleet.now)).toEqual({ retry: false, why: 'notIdempotent' });
  }
  expect(fleet.group.mayRetry(safe, [], fleet.now).retry).toBe(true);
  expect(fleet.group.mayRetry(safe, [], fleet.now)).toEqual({ retry: false, why: 'budgetExhausted' });
});
