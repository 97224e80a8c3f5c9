import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { correctedInitialAge, effectiveDirectives, formatHttpDate, freshnessLifetime } from '@rp/cache';

const RECEIVED = Date.UTC(2026, 5, 1, 12, 0, 0);
const POLICY = { heuristicFraction: 0.1, heuristicMax: 86_400, defaultTtl: 0 };

interface Message {
  readonly status: number;
  readonly cacheControl: readonly string[];
  readonly date: number | 'absent' | 'invalid';
  readonly expires: number | 'absent' | 'invalid';
  readonly lastModified: number | 'absent';
  readonly age: string | undefined;
  readonly delay: number;
}

/** Offsets in seconds from the time of receipt. */
const message: fc.Arbitrary<Message> = fc.record({
  status: fc.constantFrom(200, 203, 302, 404, 418, 500, 501),
  cacheControl: fc.array(
    fc.constantFrom(
      'max-age=0',
      'max-age=10',
      'max-age=3600',
      'max-age=x',
      's-maxage=5',
      's-maxage=900',
      'public',
      'foo',
      'no-transform',
    ),
    { maxLength: 3 },
  ),
  date: fc.oneof(
    fc.integer({ min: -7200, max: 7200 }),
    fc.constantFrom('absent' as const, 'invalid' as const),
  ),
  expires: fc.oneof(
    fc.integer({ min: -7200, max: 7200 }),
    fc.constantFrom('absent' as const, 'invalid' as const),
  ),
  lastModified: fc.oneof(fc.integer({ min: -10_000_000, max: 100 }), fc.constant('absent' as const)),
  age: fc.constantFrom(undefined, '0', '30', '7200', 'x', '-1', '5, 9000'),
  delay: fc.integer({ min: 0, max: 30 }),
});

function fieldsOf(message: Message): string[] {
  const fields: string[] = [];
  const date = (name: string, value: number | 'absent' | 'invalid'): void => {
    if (value === 'invalid') fields.push(name, 'yesterday');
    else if (value !== 'absent') fields.push(name, formatHttpDate(RECEIVED + value * 1000));
  };
  for (const directive of message.cacheControl) fields.push('Cache-Control', directive);
  date('Date', message.date);
  date('Expires', message.expires);
  date('Last-Modified', message.lastModified);
  if (message.age !== undefined) fields.push('Age', message.age);
  return fields;
}

/** RFC 9111 §4.2.1 and §4.2.2 as slowly as they read; seconds. */
function referenceLifetime(m: Message): number {
  const date = typeof m.date === 'number' ? m.date : 0;
  const values = (name: string): string[] => [
    ...new Set(m.cacheControl.filter((d) => d.startsWith(`${name}=`)).map((d) => d.slice(name.length + 1))),
  ];
  const single = (found: string[]): number =>
    found.length === 1 && /^\d+$/.test(found[0] ?? '') ? Number(found[0]) : 0;
  const shared = values('s-maxage');
  if (shared.length > 0) return single(shared);
  const own = values('max-age');
  if (own.length > 0) return single(own);
  if (m.expires === 'invalid') return 0;
  if (m.expires !== 'absent') return Math.max(0, m.expires - date);
  const heuristic = [200, 203, 404, 501].includes(m.status) || m.cacheControl.includes('public');
  if (!heuristic || m.lastModified === 'absent') return 0;
  return Math.min(86_400, Math.max(0, date - m.lastModified) * 0.1);
}

/** RFC 9111 §4.2.3; seconds. */
function referenceAge(m: Message): number {
  const date = typeof m.date === 'number' ? m.date : 0;
  const first = m.age?.split(',')[0] ?? '0';
  const value = /^\d+$/.test(first) ? Number(first) : 0;
  return Math.max(Math.max(0, -date), value + m.delay);
}

describe('a slow, obvious model of freshness agrees', () => {
  it('lifetime (RFC 9111 §4.2.1, §4.2.2)', () => {
    fc.assert(
      fc.property(message, (m) => {
        const fields = fieldsOf(m);
        const { lifetime } = freshnessLifetime(
          m.status,
          fields,
          effectiveDirectives(fields, []),
          RECEIVED,
          POLICY,
        );
        expect(lifetime).toBe(Math.floor(referenceLifetime(m) * 1000));
      }),
      { numRuns: 1000 },
    );
  });

  it('initial age (RFC 9111 §4.2.3)', () => {
    fc.assert(
      fc.property(message, (m) => {
        const age = correctedInitialAge(fieldsOf(m), RECEIVED - m.delay * 1000, RECEIVED, 'ignore');
        expect(age).toBe(referenceAge(m) * 1000);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('Age that cannot be read (RFC 9111 §5.1)', () => {
  it.each([
    ['7200', 7200],
    ['7200, 0', 7200],
    ['0, 7200', 0],
    ['abc', 0],
    ['-5', 0],
    ['1.5', 0],
    ['99999999999', 2_147_483_648],
  ])('%s is %d', (value, seconds) => {
    expect(correctedInitialAge(['Age', value], RECEIVED, RECEIVED, 'ignore')).toBe(seconds * 1000);
  });

  it("with 'stale' anything but one number is too old", () => {
    for (const fields of [
      ['Age', 'x'],
      ['Age', '0, 0'],
      ['Age', '0', 'Age', '0'],
    ]) {
      expect(correctedInitialAge(fields, RECEIVED, RECEIVED, 'stale')).toBe(Infinity);
    }
  });
});
