import { AttemptOutcome, type Backend, BackendTable, BalancerError } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet, urls } from './fleet.ts';

test('backends that stay keep slot, counts, health and circuit', () => {
  const fleet = new Fleet({ size: 4, ejection: false });
  const before = fleet.group.set;
  fleet.group.setHealth(fleet.backend(0), false, 'test', fleet.now);
  fleet.start(fleet.backend(1));
  fleet.attempt(fleet.backend(2), AttemptOutcome.reset, 5);
  const backends = [{ url: 'http://new' }, ...urls(4).slice(0, 3)];
  fleet.group.update({ backends });
  expect(fleet.group.set.version).toBe(before.version + 1);
  expect(before.size).toBe(4);
  const [fresh, zero, one, two] = fleet.group.statistics();
  expect([fresh?.state, fresh?.active, fresh?.picked]).toEqual(['healthy', 0, 0]);
  expect(zero?.state).toBe('unhealthy');
  expect(one?.active).toBe(1);
  expect(two?.circuit).toBe('open');
  expect(fleet.backend(2).index).toBe(before.backends[1]?.index);
});

test('a removed backend takes nothing new and finishes what it has', () => {
  const fleet = new Fleet({ algorithm: 'least-connections' });
  const removed = fleet.backend(0);
  fleet.start(removed);
  fleet.group.update({ backends: urls(3).slice(1) });
  expect(fleet.shares(10)).toEqual([5, 5]);
  expect(fleet.group.stateOf(removed)).toBe('draining');
  expect(fleet.group.leaving).toEqual([removed]);
  fleet.finish(removed, AttemptOutcome.reset);
  expect(fleet.group.leaving).toEqual([]);
  expect(fleet.group.table.cells[removed.cell + 1]).toBe(0);
});

test('a slot is given to another backend only when it is idle', () => {
  const table = BackendTable.create({ capacity: 16 });
  const fleet = new Fleet({ table, size: 16 });
  const busy = fleet.backend(0);
  fleet.start(busy);
  fleet.group.update({ backends: urls(16).slice(1) });
  const tooMany = [...urls(16).slice(1), { url: 'http://one-more' }];
  expect(() => fleet.group.update({ backends: tooMany })).toThrow(/room for 16/);
  expect(fleet.group.set.size).toBe(15);
  fleet.finish(busy, AttemptOutcome.success);
  fleet.group.update({ backends: tooMany });
  expect(fleet.backend(15).index).toBe(busy.index);
  expect(fleet.group.statistics()[15]).toMatchObject({ picked: 0, succeeded: 0, state: 'healthy' });
});

test('a backend that comes back is not given away to one that comes with it', () => {
  const fleet = new Fleet({ table: BackendTable.create({ capacity: 16 }), size: 16 });
  fleet.group.update({ backends: urls(16).slice(1) });
  const swap = [...urls(16).slice(0, 15), { url: 'http://new' }];
  expect(() => fleet.group.update({ backends: swap })).toThrow(/room for 16/);
  fleet.group.update({ backends: urls(16).slice(0, 15) });
  fleet.group.update({ backends: swap });
  expect(new Set(fleet.group.set.backends.map(({ index }) => index)).size).toBe(16);
});

test('a backend that comes back while its slot is free finds its counts', () => {
  const fleet = new Fleet();
  fleet.attempt(fleet.backend(0), AttemptOutcome.success, 7);
  fleet.group.update({ backends: urls(3).slice(1) });
  fleet.group.update({ backends: urls(3) });
  expect(fleet.group.statistics()[0]).toMatchObject({ picked: 7, state: 'healthy' });
  expect(fleet.shares(9)).toEqual([3, 3, 3]);
});

test('a new weight, algorithm and affinity take effect at once', () => {
  const fleet = new Fleet();
  fleet.group.update({ algorithm: 'weighted-round-robin' });
  expect(fleet.shares(9)).toEqual([3, 3, 3]);
  fleet.group.update({ backends: urls(3).map((options, i) => ({ ...options, weight: i + 1 })) });
  expect(fleet.shares(60)).toEqual([10, 20, 30]);
  fleet.group.update({ algorithm: 'least-connections' });
  expect(fleet.shares(60).every((share) => share > 5)).toBe(true);
  fleet.group.update({ affinity: { by: 'cookie' } });
  expect(fleet.group.affinityCookie(fleet.backend(0), undefined)).toMatch(/^rp_backend=/);
});

test('an update with a mistake changes nothing', () => {
  const fleet = new Fleet();
  const before = fleet.group.set;
  const mistakes = [
    { backends: [{ url: 'http://a' }, { url: 'http://a:80' }] },
    { backends: [{ url: 'http://a/path' }] },
    { backends: [{ url: 'ftp://a' }] },
    { backends: [{ url: 'http://a', weight: 0 }] },
    { backends: urls(2), slowStart: { windowMs: -1 } },
    { backends: urls(2), retryBudget: { ratio: 2 } },
    { backends: urls(2), retry: { attempts: 99 } },
  ];
  for (const mistake of mistakes) expect(() => fleet.group.update(mistake)).toThrow(BalancerError);
  expect(fleet.group.set).toBe(before);
});

test('an update that finds no room changes nothing else either', () => {
  const fleet = new Fleet({ table: BackendTable.create({ capacity: 16 }) });
  const change = { backends: urls(17), affinity: { by: 'cookie' } } as const;
  expect(() => fleet.group.update(change)).toThrow(/room/);
  expect(fleet.group.affinityCookie(fleet.backend(0), undefined)).toBeUndefined();
});

test("how the last attempts of a removed backend end is nobody's concern", () => {
  const fleet = new Fleet();
  const removed = fleet.backend(0);
  for (let i = 0; i < 10; i++) fleet.start(removed);
  fleet.group.update({ backends: urls(3).slice(1) });
  for (let i = 0; i < 10; i++) fleet.finish(removed, AttemptOutcome.reset);
  expect(fleet.changes).toEqual([]);
});

test('a limit that was not given follows a base beyond its default', () => {
  const options = {
    ejection: { baseMs: 600_000 },
    circuitBreaker: { openMs: 60_000 },
    retry: { baseDelayMs: 5_000 },
  };
  const fleet = new Fleet({ ...options, allDown: 'reject' });
  for (const backend of fleet.group.set.backends) fleet.attempt(backend, AttemptOutcome.reset, 5);
  fleet.now += 59_000;
  expect(fleet.pick()).toBeUndefined();
  expect(fleet.group.retryAfterSeconds(fleet.now)).toBe(1);
});

test('an unknown algorithm or policy is refused', () => {
  const wrong = JSON.parse('{"algorithm":"fastest","allDown":"pray"}');
  expect(() => new Fleet({ algorithm: wrong.algorithm })).toThrow(/no algorithm fastest/);
  expect(() => new Fleet({ allDown: wrong.allDown })).toThrow(/found pray/);
});

test.each([
  ['http://Example.COM', 'http', 'example.com', 80],
  ['https://h', 'https', 'h', 443],
  ['h2://h:8443/', 'h2', 'h', 8443],
  ['h2c://[2001:DB8::1]:81', 'h2c', '2001:db8::1', 81],
])('%s is %s to %s port %i', (url, protocol, host, port) => {
  const backend: Backend = new Fleet({ backends: [{ url }] }).backend(0);
  expect(backend).toMatchObject({ protocol, host, port, serverName: host, weight: 1 });
});

test('1,000 updates leave slots and states as they were', () => {
  const fleet = new Fleet({ size: 8 });
  const all = urls(8);
  for (let i = 0; i < 1_000; i++) {
    fleet.group.update({ backends: all.filter((_, at) => at !== i % 8 && at !== (i * 3) % 8) });
    const backend = fleet.pick();
    if (backend !== undefined) fleet.attempt(backend, AttemptOutcome.success);
  }
  fleet.group.update({ backends: all });
  expect(fleet.group.set.backends.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(fleet.shares(80)).toEqual([10, 10, 10, 10, 10, 10, 10, 10]);
});
