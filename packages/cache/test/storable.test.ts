import { describe, expect, it } from 'vitest';
import { effectiveDirectives, HttpCache, whyNotStorable } from '@rp/cache';
import { exchange, get, put, START } from './exchange.ts';

const POLICY = { hasDefaultTtl: false, setCookie: 'explicit' } as const;

function why(
  status: number,
  fields: string[],
  request: { noStore?: boolean; authorized?: boolean; method?: string } = {},
) {
  return whyNotStorable(
    { method: 'GET', noStore: false, authorized: false, ...request },
    status,
    fields,
    effectiveDirectives(fields, []),
    POLICY,
  );
}

const cc = (value: string) => ['Cache-Control', value];

describe('what may be stored (RFC 9111 §3)', () => {
  it.each([
    ['max-age', 200, cc('max-age=60'), undefined],
    ['s-maxage', 200, cc('s-maxage=60'), undefined],
    ['Expires', 200, ['Expires', '0'], undefined],
    ['public', 599, cc('public'), undefined],
    ['heuristically cacheable status', 404, [], undefined],
    ['no such status', 403, [], 'not-cacheable'],
    ['explicit freshness on any final status', 503, cc('max-age=60'), undefined],
    ['§5.2.2.5 no-store', 200, cc('max-age=60, no-store'), 'no-store'],
    ['§5.2.2.7 private', 200, cc('max-age=60, private'), 'private'],
    ['§5.2.2.7 private with field names', 200, cc('max-age=60, private="a"'), undefined],
    ['§5.2.2.4 no-cache is stored', 200, cc('no-cache'), undefined],
    [
      '§5.2.2.3 must-understand overrides no-store',
      200,
      cc('max-age=60, no-store, must-understand'),
      undefined,
    ],
    ['§5.2.2.3 must-understand, status unknown', 599, cc('max-age=60, must-understand'), 'must-understand'],
    ['206 is never stored', 206, cc('max-age=60'), 'status'],
    ['304 is never stored', 304, cc('max-age=60'), 'status'],
    ['§3 interim responses', 103, cc('max-age=60'), 'status'],
    ['in doubt', 200, cc('max-age=60; no-store'), 'malformed-cache-control'],
  ])('%s', (_name, status, fields, expected) => {
    expect(why(status, fields)).toBe(expected);
  });

  it.each([
    ['', 'authorization'],
    ['public', undefined],
    ['must-revalidate', undefined],
    ['s-maxage=60', undefined],
    ['proxy-revalidate', 'authorization'],
  ])('§3.5 Authorization with max-age=60, %s', (directive, expected) => {
    expect(why(200, cc(`max-age=60, ${directive}`), { authorized: true })).toBe(expected);
  });

  it('§5.2.1.5 no-store in the request', () => {
    expect(why(200, cc('max-age=60'), { noStore: true })).toBe('request-no-store');
  });

  it('§3 only GET', () => {
    expect(why(200, cc('max-age=60'), { method: 'POST' })).toBe('method');
  });
});

describe('hazard: deception and sharing', () => {
  it('Set-Cookie is stored where the origin gave explicit freshness, never by a guess', () => {
    expect(why(200, ['Set-Cookie', 'a=b', ...cc('max-age=60')])).toBeUndefined();
    expect(why(200, ['Set-Cookie', 'a=b', 'Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT'])).toBe(
      'set-cookie',
    );
  });

  it('freshness never comes from the ending of a path', () => {
    const cache = new HttpCache();
    put(cache, '/account/x.css', ['Content-Type', 'text/css']);
    expect(exchange(cache, get('/account/x.css'), START, {}).forwarded).toBe(true);
  });

  it('a response that says nothing and cannot be validated is not kept', () => {
    const cache = new HttpCache();
    expect(put(cache, '/', []).cacheStatus).toBe('rp; fwd=uri-miss; detail=no-freshness');
    expect(cache.counts().responses).toBe(0);
  });

  it('defaultTtl stores what says nothing', () => {
    const cache = new HttpCache({ defaultTtl: 5 });
    put(cache, '/', []);
    expect(exchange(cache, get('/'), START + 4999, {}).kind).toBe('hit');
    expect(exchange(cache, get('/'), START + 5000, {}).forwarded).toBe(true);
  });
});
