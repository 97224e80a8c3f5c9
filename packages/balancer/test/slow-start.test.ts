import { type Algorithm, AttemptOutcome } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet, seeded } from './fleet.ts';

const slowStart = { windowMs: 10_000, minimumShare: 0.1 };
const algorithms: readonly Algorithm[] = [
  'round-robin',
  'weighted-round-robin',
  'least-connections',
  'random',
  'peak-ewma',
  'ip-hash',
];

function recovered(algorithm: Algorithm): Fleet {
  const fleet = new Fleet({ algorithm, size: 4, slowStart, random: seeded(7) });
  fleet.group.setHealth(fleet.backend(0), false, 'test', fleet.now);
  fleet.shares(100);
  fleet.group.setHealth(fleet.backend(0), true, 'test', fleet.now);
  return fleet;
}

/** Share of the traffic of many clients, in steady flow, that backend 0 gets. */
function share(fleet: Fleet): number {
  let picked = 0;
  for (let i = 0; i < 4_000; i++) {
    const backend = fleet.pickFor(`10.${i & 15}.${(i >> 4) & 255}.${i & 255}`);
    if (backend === undefined) throw new Error('nobody');
    fleet.attempt(backend, AttemptOutcome.success);
    if (backend === fleet.backend(0)) picked++;
  }
  return picked / 4_000;
}

test.each(algorithms)('%s: traffic grows over the window from little to normal', (algorithm) => {
  const fleet = recovered(algorithm);
  const start = fleet.now;
  const ramp = [0, 2_500, 5_000, 7_500, 10_000].map((passed) => {
    fleet.now = start + passed;
    return share(fleet);
  });
  expect(ramp[0]).toBeLessThan(0.06);
  for (let i = 1; i < ramp.length; i++) expect(ramp[i]).toBeGreaterThan((ramp[i - 1] ?? 0) + 0.01);
  expect(ramp[4]).toBeGreaterThan(0.2);
});

test('it starts after ejection, after an open circuit and after draining', () => {
  const fleet = new Fleet({
    slowStart,
    ejection: { consecutiveFailures: 5 },
    circuitBreaker: false,
    size: 6,
  });
  fleet.attempt(fleet.backend(0), AttemptOutcome.reset, 5);
  fleet.group.setAdministration(fleet.backend(2), 'draining', 'test', fleet.now);
  fleet.now += 10_000;
  fleet.pick();
  fleet.group.setAdministration(fleet.backend(2), 'enabled', 'test', fleet.now);
  expect(fleet.group.statistics().map((each) => each.slowStart)).toEqual([
    true,
    false,
    true,
    false,
    false,
    false,
  ]);
  fleet.now += 10_000;
  fleet.pick();
  expect(fleet.group.statistics().some((each) => each.slowStart)).toBe(false);
  const circuit = new Fleet({ slowStart, ejection: false });
  circuit.attempt(circuit.backend(0), AttemptOutcome.reset, 5);
  circuit.now += 5_000;
  circuit.pick();
  circuit.attempt(circuit.backend(0), AttemptOutcome.success, 2);
  expect(circuit.group.statistics()[0]).toMatchObject({ circuit: 'closed', slowStart: true });
});

test('a whole fleet that comes back at once serves every request', () => {
  const fleet = new Fleet({ slowStart });
  for (const backend of fleet.group.set.backends) {
    fleet.group.setHealth(backend, false, 'test', fleet.now);
    fleet.group.setHealth(backend, true, 'test', fleet.now);
  }
  expect(fleet.shares(300).reduce((sum, each) => sum + each, 0)).toBe(300);
});

test('backends that a group starts with are not slowed down', () => {
  expect(new Fleet({ slowStart }).shares(99)).toEqual([33, 33, 33]);
});
