import { describe, expect, it } from 'vitest';
import { HttpCache } from '@rp/cache';
import { exchange, forward, get, put, START } from './exchange.ts';

const FRESH = ['Cache-Control', 'max-age=600'];

function after(method: string, status: number, fields: string[], target = '/'): string[] {
  const cache = new HttpCache();
  const targets = ['/', '/a', '/b?x=1', '/other'];
  for (const stored of targets) put(cache, stored, FRESH);
  exchange(cache, get(target, [], method), START, { status, fields });
  return targets.filter((stored) => cache.lookup(get(stored), START).kind !== 'hit');
}

describe('hazard: unsafe method succeeded (RFC 9111 §4.4)', () => {
  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH', 'get'])('%s invalidates its target', (method) => {
    expect(after(method, 200, [])).toEqual(['/']);
  });

  it.each(['OPTIONS', 'TRACE', 'PROPFIND'])('%s is safe', (method) => {
    expect(after(method, 200, [])).toEqual([]);
  });

  it.each([
    [204, ['/']],
    [303, ['/']],
    [404, []],
    [500, []],
  ])('status %d', (status, gone) => {
    expect(after('POST', status, [])).toEqual(gone);
  });

  it('Location and Content-Location, resolved against the target', () => {
    expect(after('POST', 201, ['Location', 'a', 'Content-Location', 'http://EXAMPLE.com:80/b?x=1'])).toEqual([
      '/',
      '/a',
      '/b?x=1',
    ]);
  });

  it.each([
    'https://example.com/a',
    'http://evil.example/a',
    '//evil.example/a',
    'http://example.com:8080/a',
  ])('another origin is left alone: %s', (location) => {
    expect(after('POST', 201, ['Location', location])).toEqual(['/']);
  });

  it('all variants go', () => {
    const cache = new HttpCache();
    for (const foo of ['1', '2']) {
      exchange(cache, get('/', ['Foo', foo]), START, { fields: [...FRESH, 'Vary', 'Foo'] });
    }
    exchange(cache, get('/', [], 'POST'), START, {});
    expect(cache.stats.invalidated).toBe(2);
    expect(cache.counts().responses).toBe(0);
  });

  it('a response that was asked for before does not come back after', () => {
    const cache = new HttpCache();
    const slow = cache.lookup(get('/'), START);
    exchange(cache, get('/', [], 'POST'), START + 1, {});
    forward(cache, slow, { fields: FRESH, body: 'before the change' }, START + 2);
    expect(exchange(cache, get('/'), START + 3, {}).forwarded).toBe(true);
  });

  it('nobody follows a request that was sent before', () => {
    const cache = new HttpCache();
    cache.lookup(get('/'), START);
    exchange(cache, get('/', [], 'POST'), START + 1, {});
    expect(cache.lookup(get('/'), START + 2)).toMatchObject({ kind: 'miss', leader: true });
  });
});
