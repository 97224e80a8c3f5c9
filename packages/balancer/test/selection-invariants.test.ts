import { type Algorithm, AttemptOutcome, type Backend } from '@rp/balancer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fleet, seeded, urls } from './fleet.ts';

const algorithms: readonly Algorithm[] = [
  'round-robin',
  'weighted-round-robin',
  'least-connections',
  'ip-hash',
  'random',
  'peak-ewma',
];

const action = fc.record({
  kind: fc.constantFrom('pick', 'pick', 'pick', 'finish', 'health', 'admin', 'update', 'time'),
  a: fc.nat(1_000),
  b: fc.nat(1_000),
});
type Action = { readonly kind: string; readonly a: number; readonly b: number };

/** Plays a random history and checks after every step what must hold for every algorithm. */
class History {
  readonly fleet: Fleet;
  readonly flight: Backend[] = [];
  readonly problems: string[] = [];
  readonly #all: readonly { url: string; weight: number }[];

  constructor(algorithm: Algorithm, size: number) {
    this.#all = urls(size).map((options, i) => ({ ...options, weight: 1 + (i % 3) }));
    this.fleet = new Fleet({ algorithm, backends: this.#all, allDown: 'reject', random: seeded(size) });
  }

  play({ kind, a, b }: Action): void {
    const { fleet } = this;
    const { backends } = fleet.group.set;
    const backend = fleet.backend(a % backends.length);
    if (kind === 'pick') this.#pick(a, b);
    else if (kind === 'finish') this.#finish(a, b);
    else if (kind === 'health') fleet.group.setHealth(backend, b % 2 === 0, 'test', fleet.now);
    else if (kind === 'time') fleet.now += b * 20;
    else if (kind === 'update') this.#update(a);
    else {
      const to = (['enabled', 'draining', 'disabled'] as const)[b % 3] ?? 'enabled';
      fleet.group.setAdministration(backend, to, 'test', fleet.now);
    }
    const active = this.fleet.group.statistics().reduce((sum, each) => sum + each.active, 0);
    const members = this.flight.filter(({ key }) => fleet.group.set.byKey(key) !== undefined);
    this.#claim(active === members.length, 'active attempts are not those in flight');
  }

  #claim(holds: boolean, problem: string): void {
    if (!holds) this.problems.push(problem);
  }

  #pick(a: number, b: number): void {
    const { fleet } = this;
    fleet.context.clientAddress = `10.0.0.${a % 50}`;
    const { backends } = fleet.group.set;
    const tried = backends.filter((_, i) => (b >> (i % 8)) % 4 === 0).slice(0, 3);
    const picked = fleet.pick(tried);
    const open = fleet.group.set.eligible.filter((each) => !tried.includes(each));
    if (picked === undefined) {
      const statistics = fleet.group.statistics();
      const willing = open.filter((each) => statistics[fleet.position(each)]?.circuit !== 'halfOpen');
      this.#claim(willing.length === 0, 'nobody picked although somebody could');
      return;
    }
    this.#claim(!tried.includes(picked), 'picked a tried one');
    this.#claim(fleet.group.stateOf(picked) === 'healthy', 'picked an unavailable one');
    this.#claim(backends.includes(picked), 'picked a stranger');
    fleet.start(picked);
    this.flight.push(picked);
  }

  #finish(a: number, b: number): void {
    const [done] = this.flight.splice(a % Math.max(1, this.flight.length), 1);
    const outcomes = Object.values(AttemptOutcome);
    if (done !== undefined) this.fleet.finish(done, outcomes[b % outcomes.length] ?? 0);
  }

  #update(a: number): void {
    const kept = this.#all.filter((_, i) => i !== a % (this.#all.length + 1));
    const before = new Map(this.fleet.group.set.backends.map(({ key, index }) => [key, index]));
    this.fleet.group.update({ backends: kept });
    for (const { key, index } of this.fleet.group.set.backends) {
      this.#claim((before.get(key) ?? index) === index, 'moved to another slot');
    }
  }
}

test.each(algorithms)('%s never picks the tried or unavailable, counts are conserved', (algorithm) => {
  const history = fc.tuple(fc.integer({ min: 2, max: 12 }), fc.array(action, { maxLength: 120 }));
  fc.assert(
    fc.property(history, ([size, actions]) => {
      const played = new History(algorithm, size);
      for (const each of actions) played.play(each);
      expect(played.problems).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test.each(algorithms)('%s skips unhealthy, draining, disabled, ejected and open backends', (algorithm) => {
  const fleet = new Fleet({ algorithm, size: 8, ejection: { consecutiveFailures: 5 } });
  fleet.group.setHealth(fleet.backend(0), false, 'test', fleet.now);
  fleet.group.setAdministration(fleet.backend(1), 'draining', 'test', fleet.now);
  fleet.group.setAdministration(fleet.backend(2), 'disabled', 'test', fleet.now);
  fleet.attempt(fleet.backend(3), AttemptOutcome.reset, 5);
  fleet.group.update({ ejection: false });
  fleet.attempt(fleet.backend(4), AttemptOutcome.reset, 5);
  const picked = new Set<number>();
  for (let i = 0; i < 400; i++) {
    const backend = fleet.pickFor(`10.1.0.${i & 255}`);
    if (backend === undefined) throw new Error('nobody');
    picked.add(fleet.position(backend));
    fleet.attempt(backend, AttemptOutcome.success);
  }
  expect([...picked].sort()).toEqual([5, 6, 7]);
});

test.each(algorithms)('%s finds the only one left of 1,000', (algorithm) => {
  const fleet = new Fleet({ algorithm, size: 1_000 });
  for (let i = 0; i < 1_000; i++) {
    if (i !== 617) fleet.group.setHealth(fleet.backend(i), false, 'test', fleet.now);
  }
  expect(fleet.pick()).toBe(fleet.backend(617));
  expect(fleet.pick([fleet.backend(617)])).toBeUndefined();
});
