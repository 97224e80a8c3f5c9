import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Histogram, growth, judge, median, medianDifference, medianRatio } from '../src/stats.ts';

describe('medians', () => {
  test('the middle value, whatever the order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([])).toBeNaN();
  });

  test('ratios are paired by round, so a slow round does not count twice', () => {
    // The machine was three times slower in the second round: both peers were.
    expect(medianRatio([20, 60, 20], [10, 30, 10])).toBe(2);
    expect(medianRatio([20], [])).toBeNaN();
    expect(medianDifference([5, 9, 7], [4, 6, 5])).toBe(2);
  });

  test('does not change its argument', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('growth', () => {
  test('of a straight line is what it rose by', () => {
    expect(growth([0, 1, 2, 3, 4], 0)).toBe(4);
    expect(growth([7, 7, 7, 7])).toBe(0);
  });

  test('is not bent by outliers', () => {
    expect(growth([10, 10, 500, 10, 10, 10, 10, 900, 10, 10], 0)).toBe(0);
  });

  test('leaves the warm-up out', () => {
    const warming = [0, 25, 50, 75, 100, 100, 100, 100];
    expect(growth(warming, 0.5)).toBe(0);
    expect(growth(warming, 0)).toBeGreaterThan(50);
  });

  test('a leak is found, a breathing heap is not', () => {
    const leak = Array.from({ length: 60 }, (_, i) => 100 + i + (i % 7));
    const breathing = Array.from({ length: 60 }, (_, i) => 100 + (i % 7) * 3);
    expect(judge(leak, { absolute: 20, relative: 0.1 }).flat).toBe(false);
    expect(judge(breathing, { absolute: 20, relative: 0.1 }).flat).toBe(true);
    expect(judge([], { absolute: 0, relative: 0 }).flat).toBe(true);
  });
});

describe('the histogram', () => {
  test('gives percentiles within 1.6 % of the exact ones', () => {
    const value = fc.double({ min: 0.001, max: 60_000, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 1, max: 100 }),
        (list, percent) => {
          const histogram = new Histogram();
          for (const each of list) histogram.record(each);
          const sorted = [...list].sort((a, b) => a - b);
          const exact = sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1] ?? 0;
          const found = histogram.percentile(percent);
          // Values are kept as whole microseconds: half of one more.
          expect(found).toBeLessThanOrEqual(exact + 0.0005);
          expect(found).toBeGreaterThanOrEqual(exact * (1 - 1 / 64) - 0.0005 - exact * 1e-12);
        },
      ),
    );
  });

  test('counts, and knows its exact maximum', () => {
    const histogram = new Histogram();
    expect(histogram.percentile(50)).toBeNaN();
    for (const each of [1, 2, 3.25]) histogram.record(each);
    expect([histogram.count, histogram.max]).toEqual([3, 3.25]);
  });
});
