import type { Algorithm } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet, urls } from './fleet.ts';

const algorithm: Algorithm = 'ip-hash';
const clients = Array.from({ length: 10_000 }, (_, i) => `10.${i % 7}.${(i >> 8) & 255}.${i & 255}`);

function homes(fleet: Fleet): string[] {
  return clients.map((client) => fleet.pickFor(client)?.key ?? 'nobody');
}

function moved(before: readonly string[], after: readonly string[]): number {
  return before.filter((home, i) => home !== after[i]).length;
}

test('all requests of one address go to one backend', () => {
  const fleet = new Fleet({ algorithm });
  expect(fleet.shares(100).filter((share) => share > 0)).toEqual([100]);
});

test('an IPv4 client has the same home when a dual-stack listener reports it', () => {
  const fleet = new Fleet({ algorithm, size: 50 });
  for (const client of clients.slice(0, 200)) {
    expect(fleet.pickFor(`::ffff:${client}`)).toBe(fleet.pickFor(client));
  }
});

test.each([3, 10, 50])('one of %i backends leaving or returning moves at most 1.5/n of 10,000', (size) => {
  const all = urls(size);
  for (const gone of [0, Math.floor(size / 2), size - 1]) {
    const fleet = new Fleet({ algorithm, backends: all });
    const before = homes(fleet);
    fleet.group.update({ backends: all.filter((_, i) => i !== gone) });
    const without = homes(fleet);
    expect(moved(before, without)).toBeLessThanOrEqual((1.5 / size) * clients.length);
    fleet.group.update({ backends: all });
    expect(homes(fleet)).toEqual(before);
  }
});

test('the clients of a backend that is down spread over the others, and come back', () => {
  const fleet = new Fleet({ algorithm, size: 5, slowStart: false });
  const before = homes(fleet);
  const down = fleet.backend(2);
  fleet.group.setHealth(down, false, 'test', fleet.now);
  const during = homes(fleet);
  const refugees = before.flatMap((home, i) => (home === down.key ? [during[i]] : []));
  expect(moved(before, during)).toBe(refugees.length);
  for (const other of [0, 1, 3, 4]) {
    const share = refugees.filter((home) => home === fleet.backend(other).key).length / refugees.length;
    expect(share).toBeGreaterThan(0.12);
    expect(share).toBeLessThan(0.4);
  }
  fleet.group.setHealth(down, true, 'test', fleet.now);
  expect(homes(fleet)).toEqual(before);
});

test('shares are near the weights', () => {
  const backends = urls(3).map((options, i) => ({ ...options, weight: i + 1 }));
  const fleet = new Fleet({ algorithm, backends });
  const found = homes(fleet);
  backends.forEach(({ weight }, i) => {
    const share = found.filter((home) => home === fleet.backend(i).key).length / found.length;
    expect(Math.abs(share - weight / 6)).toBeLessThan(0.05);
  });
});

test('the order of the configuration does not matter', () => {
  const all = urls(8);
  const forwards = homes(new Fleet({ algorithm, backends: all }));
  expect(homes(new Fleet({ algorithm, backends: all.toReversed() }))).toEqual(forwards);
});

test('with nearly everybody down a home is still found', () => {
  const fleet = new Fleet({ algorithm, size: 200 });
  for (let i = 0; i < 199; i++) fleet.group.setHealth(fleet.backend(i), false, 'test', fleet.now);
  expect(new Set(homes(fleet))).toEqual(new Set([fleet.backend(199).key]));
});

test('while a backend starts slowly each of its clients comes back once', () => {
  const fleet = new Fleet({ algorithm, size: 4, slowStart: { windowMs: 10_000, minimumShare: 0.1 } });
  const before = homes(fleet);
  const down = fleet.backend(1);
  fleet.group.setHealth(down, false, 'test', fleet.now);
  fleet.group.setHealth(down, true, 'test', fleet.now);
  let atHome = new Set<number>();
  for (let passed = 0; passed <= 10_000; passed += 1_000) {
    fleet.now = 1_000 + passed;
    const now = new Set(homes(fleet).flatMap((home, i) => (home === down.key ? [i] : [])));
    for (const client of atHome) expect(now.has(client)).toBe(true);
    atHome = now;
  }
  expect(homes(fleet)).toEqual(before);
});
