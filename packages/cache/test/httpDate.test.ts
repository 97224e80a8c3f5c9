import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatHttpDate, parseHttpDate } from '@rp/cache';

const NOW = Date.UTC(2026, 0, 1);
const WHEN = Date.UTC(1994, 10, 6, 8, 49, 37);

it.each([
  ['IMF-fixdate', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ['RFC 850', 'Sunday, 06-Nov-94 08:49:37 GMT'],
  ['asctime', 'Sun Nov  6 08:49:37 1994'],
  ['RFC 9111 §4.2: without regard to case', 'SUN, 06 nov 1994 08:49:37 gmt'],
])('%s (RFC 9110 §5.6.7)', (_name, value) => {
  expect(parseHttpDate(value, NOW)).toBe(WHEN);
});

it.each([
  '0',
  '-1',
  '',
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 08:49:37 +0000',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun 06 Nov 1994 08:49:37 GMT',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 94 08:49:37 GMT',
  'Sun, 06 Nov 1994 24:00:00 GMT',
  'Sun, 31 Feb 1994 08:49:37 GMT',
  'Sun, 06 Foo 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 8:49:37 GMT',
  ' Sun, 06 Nov 1994 08:49:37 GMT',
])('invalid: %j', (value) => {
  expect(parseHttpDate(value, NOW)).toBeNaN();
});

it('two-digit years more than 50 years ahead are past (RFC 9110 §5.6.7)', () => {
  expect(parseHttpDate('Friday, 01-Jan-76 00:00:00 GMT', NOW)).toBe(Date.UTC(2076, 0, 1));
  expect(parseHttpDate('Friday, 01-Jan-77 00:00:00 GMT', NOW)).toBe(Date.UTC(1977, 0, 1));
});

it('reads what it writes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 250_000_000_000 }), (seconds) => {
      expect(parseHttpDate(formatHttpDate(seconds * 1000), NOW)).toBe(seconds * 1000);
    }),
  );
});
