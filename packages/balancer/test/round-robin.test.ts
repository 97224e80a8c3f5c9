import { AttemptOutcome, type Backend } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

test('100 requests on 3 backends are 33, 33 and 34', () => {
  expect(new Fleet().shares(100).sort()).toEqual([33, 33, 34]);
});

test('the backend behind one that is down does not get twice its share', () => {
  const fleet = new Fleet({ size: 4 });
  fleet.group.setHealth(fleet.backend(1), false, 'test', fleet.now);
  expect(fleet.shares(300)).toEqual([100, 0, 100, 100]);
});

test('weights are ignored', () => {
  const backends = [
    { url: 'http://a', weight: 1 },
    { url: 'http://b', weight: 5 },
  ];
  expect(new Fleet({ backends }).shares(100)).toEqual([50, 50]);
});

test('a request that was refused by one backend goes on to another, never back', () => {
  const fleet = new Fleet();
  for (let i = 0; i < 30; i++) {
    const tried: Backend[] = [];
    for (let backend = fleet.pick(); backend !== undefined; backend = fleet.pick(tried)) tried.push(backend);
    expect([tried.length, new Set(tried).size]).toEqual([3, 3]);
  }
});

test('an empty group has nobody to pick', () => {
  expect(new Fleet({ backends: [] }).pick()).toBeUndefined();
});

test('the position survives the wrap of its 32 bits', () => {
  const fleet = new Fleet();
  fleet.group.table.cells.fill(-2, 32, 33);
  expect(fleet.shares(6).every((share) => share >= 1)).toBe(true);
  fleet.attempt(fleet.backend(0), AttemptOutcome.success);
});
