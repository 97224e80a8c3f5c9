import { AttemptOutcome, type Backend } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

/** With nothing but ejection, of which the cap keeps most of the fleet in service. */
const options = { circuitBreaker: false, slowStart: false } as const;

/** What `ms` of requests, one per millisecond, come to at a fleet that does this. */
function load(
  fleet: Fleet,
  ms: number,
  outcome: (backend: Backend) => AttemptOutcome,
  lastsMs = 0,
): { asked: number; refused: number; mostInFlight: number } {
  const inFlight: { readonly backend: Backend; readonly end: number }[] = [];
  let [asked, refused, mostInFlight] = [0, 0, 0];
  for (let i = 0; i < ms; i++) {
    fleet.now += 1;
    while (inFlight[0] !== undefined && inFlight[0].end <= fleet.now) {
      const { backend } = inFlight.shift()!;
      fleet.finish(backend, outcome(backend));
    }
    const backend = fleet.pick();
    if (backend === undefined) {
      refused++;
      continue;
    }
    asked++;
    fleet.start(backend);
    if (lastsMs === 0) fleet.finish(backend, outcome(backend));
    else inFlight.push({ backend, end: fleet.now + lastsMs });
    mostInFlight = Math.max(mostInFlight, inFlight.length);
  }
  for (const { backend } of inFlight) fleet.finish(backend, AttemptOutcome.cancelled);
  return { asked, refused, mostInFlight };
}

const dead = () => AttemptOutcome.reset;
const well = () => AttemptOutcome.success;

test.each([1, 2, 3, 10])('a dead fleet of %d sees the budget, though the cap keeps it in service', (size) => {
  const fleet = new Fleet({ ...options, size });
  load(fleet, 2_000, well);
  const { asked, refused } = load(fleet, 10_000, dead);
  // 20 % of the load, what was saved up, five a second, and what it took to notice.
  expect(asked).toBeLessThan(2_000 + 50 + 50 + 3 * size + 10);
  expect(refused).toBeGreaterThan(7_500);
  expect(fleet.group.retryAfterSeconds(fleet.now)).toBe(1);
});

test('a fleet that hangs holds ten requests per backend at most, once it is known', () => {
  const fleet = new Fleet({ ...options });
  load(fleet, 2_000, well);
  load(fleet, 3_000, () => AttemptOutcome.timedOut, 1_000);
  const { mostInFlight } = load(fleet, 10_000, () => AttemptOutcome.timedOut, 1_000);
  expect(mostInFlight).toBeLessThanOrEqual(30);
});

test.each([1, 2, 3])(
  'when a dead fleet of %d is well again, all are served with the first success',
  (size) => {
    const fleet = new Fleet({ ...options, size });
    load(fleet, 5_000, dead);
    const first = load(fleet, 50, well);
    expect(first.asked).toBeGreaterThan(30);
    expect(load(fleet, 1_000, well).refused).toBe(0);
  },
);

test('a backend that fails beside one that serves is asked as before: the cap is there for its share', () => {
  const fleet = new Fleet({ ...options, ejection: { maxEjectionPercent: 0 } });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 10);
  expect(load(fleet, 300, (backend) => (backend === fleet.backend(0) ? dead() : well()))).toMatchObject({
    asked: 300,
    refused: 0,
  });
  expect(fleet.group.statistics().map(({ picked }) => picked)).toEqual([110, 100, 100]);
});

test('a quiet site with one backend that fails is asked every time', () => {
  const fleet = new Fleet({ ...options, size: 1 });
  for (let i = 0; i < 100; i++) {
    fleet.now += 250;
    expect(fleet.pick()).toBe(fleet.backend(0));
    fleet.attempt(fleet.backend(0), AttemptOutcome.reset);
  }
});

test('nothing is repeated at a backend that fails whatever it is asked', () => {
  const fleet = new Fleet({ ...options, ejection: { maxEjectionPercent: 0 }, size: 2 });
  fleet.attempt(fleet.backend(1), AttemptOutcome.reset, 3);
  const failed = {
    retryable: 'yes',
    connectionReused: false,
    requestSent: true,
    idempotent: true,
    responseStarted: false,
    bodyReplayable: true,
    attempts: 1,
  } as const;
  expect(fleet.group.mayRetry(failed, [fleet.backend(0)], fleet.now)).toEqual({
    retry: false,
    why: 'noOtherBackend',
  });
  fleet.attempt(fleet.backend(1), AttemptOutcome.success);
  expect(fleet.group.mayRetry(failed, [fleet.backend(0)], fleet.now)).toMatchObject({ retry: true });
});

test('it does not change places with every request', () => {
  const fleet = new Fleet({ ...options });
  load(fleet, 60_000, dead);
  // Two changes for each exchange, which the cap allows once a second.
  expect(fleet.changes.length).toBeLessThan(2 * 60 + 10);
});
