import { describe, expect, it } from 'vitest';
import {
  effectiveDirectives,
  parseDeltaSeconds,
  parseRequestDirectives,
  parseResponseDirectives,
} from '@rp/cache';

const parse = (...values: string[]) =>
  parseResponseDirectives(values.flatMap((value) => ['Cache-Control', value]));

describe('Cache-Control of responses (RFC 9111 §5.2)', () => {
  it.each([
    ['§5.2.2.1 token form', ['max-age=60'], 60],
    ['§5.2 quoted form is accepted too', ['max-age="60"'], 60],
    ['§5.2 names without regard to case', ['Max-AGE=60'], 60],
    ['§5.2.3 unknown directives are ignored', ['foo, bar="max-age=1, x", max-age=60'], 60],
    ['§5.6.1.2 of 9110: empty members', [', ,max-age=60,,'], 60],
    ['§4.2.1 repeated with the same value', ['max-age=60', 'max-age=60'], 60],
    ['§4.2.1 repeated with another value: stale', ['max-age=60', 'max-age=90'], 0],
    ['§4.2.1 no integer: stale', ['max-age=60.5'], 0],
    ['§4.2.1 negative: stale', ['max-age=-60'], 0],
    ['§4.2.1 without a value: stale', ['max-age'], 0],
    ['single quotes are no quotes: stale', ["max-age='60'"], 0],
    ['white space around "=": stale', ['max-age = 60'], 0],
    ['§1.2.2 overflow', ['max-age=99999999999999999999'], 2_147_483_648],
    ['§1.2.2 leading zeros', ['max-age=0060'], 60],
    ['absent', ['public'], -1],
  ])('%s', (_name, values, expected) => {
    expect(parse(...values).maxAge).toBe(expected);
  });

  it('§5.2.2.5 an argument does not undo no-store', () => {
    expect(parse('no-store="x"').noStore).toBe(true);
  });

  it('§5.2.2.4 and §5.2.2.7 field names, over several lines', () => {
    const directives = parse('no-cache="A, b"', 'private="Set-Cookie"', 'no-cache=c');
    expect(directives.noCache).toBe(false);
    expect(directives.noCacheFields).toEqual(['a', 'b', 'c']);
    expect(directives.privateFields).toEqual(['set-cookie']);
  });

  it.each(['no-cache', 'no-cache=""', 'no-cache="a b"', 'no-cache="a", no-cache'])(
    '§5.2.2.4 %s counts without field names',
    (value) => {
      expect(parse(value).noCache).toBe(true);
    },
  );

  it.each([
    'max-age=60; no-store',
    'max-age=60, x="no-store',
    'max-age=60, private="a',
    'max-age=60, "no-store"',
    'max age=60',
  ])('bad input: %s is malformed, so in doubt', (value) => {
    expect(parse(value).malformed).toBe(true);
  });

  it('a directive inside of a quoted string is none', () => {
    expect(parse('ext="no-store, max-age=1", max-age=60')).toMatchObject({ noStore: false, maxAge: 60 });
  });
});

describe('Cache-Control of requests (RFC 9111 §5.2.1)', () => {
  it('§5.2.1.2 max-stale without a value takes any age', () => {
    expect(parseRequestDirectives('max-stale', undefined).maxStale).toBe(Infinity);
  });

  it('unreadable: max-age counts as 0, the rest is ignored', () => {
    expect(parseRequestDirectives('max-age=x, max-stale=y, min-fresh=z', undefined)).toMatchObject({
      maxAge: 0,
      maxStale: -1,
      minFresh: -1,
    });
  });

  it('§5.4 Pragma only counts without Cache-Control', () => {
    expect(parseRequestDirectives(undefined, 'foo, No-Cache').noCache).toBe(true);
    expect(parseRequestDirectives('max-age=60', 'no-cache').noCache).toBe(false);
    expect(parseRequestDirectives(undefined, 'no-cache-x').noCache).toBe(false);
  });
});

describe('targeted fields (RFC 9213)', () => {
  const list = ['my-cache-control', 'cdn-cache-control'];
  const effective = (...fields: string[]) => effectiveDirectives(fields, list);

  it('§2.2 go before Cache-Control, in the order of the list', () => {
    const directives = effective(
      'Cache-Control',
      'no-store',
      'CDN-Cache-Control',
      'max-age=10',
      'My-Cache-Control',
      'max-age=20',
    );
    expect(directives).toMatchObject({ targeted: true, noStore: false, maxAge: 20 });
  });

  it.each([
    ['§2.1 empty', ''],
    ['§2.1 no Dictionary', 'max-age=10, &&&'],
    ['§2.1 wrong type', 'max-age="10"'],
    ['§2.1 a Decimal is no delta-seconds', 'max-age=10.5'],
    ['negative', 'max-age=-1'],
    ['upper case is no key', 'MAX-AGE=10'],
  ])('%s: as if it were not there', (_name, value) => {
    expect(effective('CDN-Cache-Control', value, 'Cache-Control', 'max-age=5').maxAge).toBe(5);
  });

  it('§2.1 parameters are ignored; no-cache takes a String', () => {
    expect(effective('CDN-Cache-Control', 'max-age=10;x=1, no-cache="a"')).toMatchObject({
      maxAge: 10,
      noCacheFields: ['a'],
    });
  });

  it('a number beyond a Structured Field saturates', () => {
    expect(effective('CDN-Cache-Control', 'max-age=99999999999999999999').maxAge).toBe(2_147_483_648);
  });
});

it('delta-seconds are digits only (RFC 9111 §1.2.2)', () => {
  expect(['', '1 ', '+1', '-1', '0x1', '1e3', '1.0', '٣'].map(parseDeltaSeconds)).toEqual(
    Array.from({ length: 8 }, () => -1),
  );
  expect(parseDeltaSeconds('2147483649')).toBe(2_147_483_648);
});
