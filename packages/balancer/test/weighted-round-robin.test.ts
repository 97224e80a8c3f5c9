import fc from 'fast-check';
import { expect, test } from 'vitest';
import { turnOrder } from '../src/turn-order.ts';
import { Fleet } from './fleet.ts';

function weighted(weights: readonly number[]): Fleet {
  const backends = weights.map((weight, i) => ({ url: `http://b${i}`, weight }));
  return new Fleet({ algorithm: 'weighted-round-robin', backends });
}

test('60 requests on weights 1:2:3 are exactly 10, 20 and 30', () => {
  expect(weighted([1, 2, 3]).shares(60)).toEqual([10, 20, 30]);
});

test('weights 100:200:300 are the same as 1:2:3', () => {
  expect(weighted([100, 200, 300]).shares(60)).toEqual([10, 20, 30]);
});

test('turns are spread over the cycle: c b a c b c, not c c c b b a', () => {
  const order = turnOrder([1, 2, 3]);
  expect(Array.from({ length: 6 }, (_, i) => 'abc'[order.at(i)]).join('')).toBe('cbacbc');
});

test('a weight of 5 among ones does not come five times in a row', () => {
  const order = turnOrder([5, 1, 1]);
  const turns = Array.from({ length: 14 }, (_, i) => order.at(i)).join('');
  expect(turns).not.toContain('0000000');
  expect(turns.match(/0+/g)?.every((run) => run.length <= 6)).toBe(true);
});

test('shares stay in proportion while one is down', () => {
  const fleet = weighted([1, 2, 3]);
  fleet.group.setHealth(fleet.backend(1), false, 'test', fleet.now);
  expect(fleet.shares(40)).toEqual([10, 0, 30]);
});

test('every cycle is exact for any small weights', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }), (weights) => {
      const sum = weights.reduce((a, b) => a + b, 0);
      expect(weighted(weights).shares(sum)).toEqual(weights);
    }),
    { numRuns: 50 },
  );
});

test('weights with a cycle too long to write out are met within a few turns', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 500, max: 65_535 }), { minLength: 9, maxLength: 12 }), (given) => {
      const weights = [4_099, ...given];
      const order = turnOrder(weights);
      const sum = weights.reduce((a, b) => a + b, 0);
      const counts = weights.map(() => 0);
      for (let i = 0; i < 10_000; i++) counts[order.at(i)] = (counts[order.at(i)] ?? 0) + 1;
      weights.forEach((weight, i) => {
        expect(Math.abs((counts[i] ?? 0) - (10_000 * weight) / sum)).toBeLessThan(10);
      });
    }),
    { numRuns: 20 },
  );
});
