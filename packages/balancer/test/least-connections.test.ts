import { type Algorithm, AttemptOutcome, type Backend, BackendTable } from '@rp/balancer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fleet, urls } from './fleet.ts';

const algorithm: Algorithm = 'least-connections';

test('the backend with the fewest attempts in flight is picked', () => {
  const fleet = new Fleet({ algorithm });
  fleet.start(fleet.backend(0));
  fleet.start(fleet.backend(0));
  fleet.start(fleet.backend(1));
  expect(fleet.pick()).toBe(fleet.backend(2));
  fleet.start(fleet.backend(2));
  fleet.start(fleet.backend(2));
  expect(fleet.pick()).toBe(fleet.backend(1));
});

test('weights divide the load: 1:2:3 hold 10, 20 and 30 of 60', () => {
  const backends = urls(3).map((options, i) => ({ ...options, weight: i + 1 }));
  const fleet = new Fleet({ algorithm, backends });
  for (let i = 0; i < 60; i++) {
    const backend = fleet.pick();
    if (backend !== undefined) fleet.start(backend);
  }
  expect(fleet.group.statistics().map(({ active }) => active)).toEqual([10, 20, 30]);
});

test('idle backends take turns by weight instead of the first one taking all', () => {
  expect(new Fleet({ algorithm }).shares(99)).toEqual([33, 33, 33]);
  const backends = urls(3).map((options, i) => ({ ...options, weight: i + 1 }));
  const shares = new Fleet({ algorithm, backends }).shares(600);
  [100, 200, 300].forEach((share, i) => expect(Math.abs((shares[i] ?? 0) - share)).toBeLessThan(5));
});

test('a backend that was busy for long does not catch up with a burst', () => {
  const fleet = new Fleet({ algorithm, size: 2 });
  fleet.start(fleet.backend(0));
  for (let i = 0; i < 100; i++) fleet.attempt(fleet.backend(1), AttemptOutcome.success);
  fleet.finish(fleet.backend(0), AttemptOutcome.success);
  // One turn is due to it, the other 99 that it missed are not.
  expect(fleet.shares(10)).toEqual([6, 4]);
});

interface Step {
  readonly kind: 'pick' | 'finish' | 'down' | 'up';
  readonly which: number;
}

const step = fc.record({
  kind: fc.constantFrom<Step['kind']>('pick', 'pick', 'pick', 'finish', 'finish', 'down', 'up'),
  which: fc.nat(1_000),
});

test.each([1, 3])('it agrees with a look at every backend, with %i workers in the table', (workers) => {
  const property = fc.property(
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 }),
    fc.array(step, { maxLength: 200 }),
    (weights, steps) => {
      const backends = weights.map((weight, i) => ({ url: `http://b${i}`, weight }));
      const table = BackendTable.create({ capacity: 32, workers });
      const fleet = new Fleet({ algorithm, backends, table, slowStart: false, allDown: 'reject' });
      const flight: Backend[] = [];
      const differences = steps.map(({ kind, which }) => play(fleet, flight, kind, which));
      expect(differences.filter((difference) => difference > 1e-9)).toEqual([]);
    },
  );
  fc.assert(property, { numRuns: 60 });
});

/** Takes one step; returns by how much the load of the picked backend was above the least. */
function play(fleet: Fleet, flight: Backend[], kind: Step['kind'], which: number): number {
  const { backends } = fleet.group.set;
  if (kind === 'down' || kind === 'up') {
    fleet.group.setHealth(fleet.backend(which % backends.length), kind === 'up', 'test', fleet.now);
    return 0;
  }
  if (kind === 'finish') {
    const [done] = flight.splice(which % Math.max(1, flight.length), 1);
    if (done !== undefined) fleet.finish(done, AttemptOutcome.success);
    return 0;
  }
  const statistics = fleet.group.statistics();
  const loads = statistics
    .filter(({ state }) => state === 'healthy')
    .map(({ active, weight }) => active / weight);
  const picked = fleet.pick();
  if (picked === undefined) return loads.length;
  const load = (statistics[fleet.position(picked)]?.active ?? 0) / picked.weight;
  fleet.start(picked);
  flight.push(picked);
  return load - Math.min(...loads);
}
