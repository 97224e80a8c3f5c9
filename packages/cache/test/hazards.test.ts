import { describe, expect, it } from 'vitest';
import { HttpCache } from '@rp/cache';
import type { CacheError, CacheOptions } from '@rp/cache';
import { exchange, forward, get, put, START } from './exchange.ts';

const FRESH = ['Cache-Control', 'max-age=600'];

describe('hazard: unkeyed input (poisoning)', () => {
  it.each([
    ['content', ['Content-Length', '3']],
    ['chunked content', ['Transfer-Encoding', 'chunked']],
    ['another method', ['X-HTTP-Method-Override', 'POST']],
    ['another method', ['X-Method-Override', 'POST']],
    ['another method', ['X-HTTP-Method', 'POST']],
  ])('a GET with %s has no part in the cache', (_name, fields) => {
    const cache = new HttpCache();
    expect(exchange(cache, get('/', fields), START, { fields: FRESH }).cacheStatus).toBe(
      'rp; fwd=bypass; detail=unkeyed-input',
    );
    expect(cache.counts().responses).toBe(0);
  });

  it('Content-Length: 0 is no content', () => {
    const cache = new HttpCache();
    put(cache, '/', FRESH);
    expect(exchange(cache, get('/', ['Content-Length', '0']), START, {}).kind).toBe('hit');
  });
});

describe('hazard: cache key collisions by normalisation', () => {
  function same(a: string, b: string, options: CacheOptions = {}): boolean {
    const cache = new HttpCache(options);
    put(cache, a, FRESH);
    return cache.lookup(get(b), START).kind === 'hit';
  }

  it.each([
    ['/A', '/a'],
    ['/a', '/a/'],
    ['/a', '/a?'],
    ['/?a=1&b=2', '/?b=2&a=1'],
    ['/%61', '/a'],
    ['/a/../b', '/b'],
    ['//a', '/a'],
  ])('%s and %s are two', (a, b) => {
    expect(same(a, b)).toBe(false);
  });

  it('scheme and host: case and default port only (RFC 9110 §4.2.3)', () => {
    const cache = new HttpCache();
    put(cache, '/', FRESH);
    const at = (scheme: string, host: string) =>
      cache.lookup({ method: 'GET', scheme, host, target: '/', fields: [] }, START).kind;
    expect([at('http', 'EXAMPLE.com'), at('HTTP', 'example.com:80')]).toEqual(['hit', 'hit']);
    expect([at('https', 'example.com'), at('http', 'example.com:443'), at('http', 'example.com.')]).toEqual([
      'miss',
      'miss',
      'miss',
    ]);
  });

  it('options: sortQuery keeps the order of repeated names, dropQuery drops', () => {
    expect(same('/?b=2&a=1', '/?a=1&b=2', { sortQuery: true })).toBe(true);
    expect(same('/?a=1&a=2', '/?a=2&a=1', { sortQuery: true })).toBe(false);
    expect(same('/?a=1&utm_source=x', '/?utm_medium=y&a=1', { dropQuery: ['utm_*'] })).toBe(true);
    expect(same('/?utm_source=x', '/', { dropQuery: ['utm_*'] })).toBe(true);
    expect(same('/?ab=1', '/', { dropQuery: ['a'] })).toBe(false);
  });
});

describe('hazard: fields named in Connection, no-cache="…" or private="…" stored', () => {
  it('are left out, hop-by-hop fields too; all others stay', () => {
    const cache = new HttpCache();
    const hop = [
      'Keep-Alive',
      'Proxy-Authenticate',
      'Proxy-Authentication-Info',
      'Proxy-Authorization',
      'Proxy-Connection',
      'TE',
      'Trailer',
      'Upgrade',
      'Age',
    ];
    put(cache, '/', [
      ...hop.flatMap((name) => [name, '1']),
      'Connection',
      'close, X-Hop',
      'x-hop',
      '1',
      'Cache-Control',
      'max-age=600, no-cache="X-One"',
      'X-ONE',
      '1',
      'Cache-Control',
      'private="x-two"',
      'x-Two',
      '1',
      'Unknown',
      '1',
      'Set-Cookie',
      'a',
      'Set-Cookie',
      'b',
    ]);
    const { fields } = cache.lookup(get('/'), START);
    expect(fields.filter((_field, i) => i % 2 === 0)).toEqual([
      'Cache-Control',
      'Cache-Control',
      'Unknown',
      'Set-Cookie',
      'Set-Cookie',
      'Date',
    ]);
  });
});

describe('incomplete responses (RFC 9111 §3.3)', () => {
  it.each([
    ['shorter than announced', '5', 'four'],
    ['longer than announced', '3', 'four'],
  ])('%s: never stored', (_name, length, body) => {
    const cache = new HttpCache();
    put(cache, '/', [...FRESH, 'Content-Length', length], body);
    expect(cache.counts()).toMatchObject({ responses: 0, bytes: 0 });
  });

  it('broken off: never stored', () => {
    const cache = new HttpCache();
    const decision = cache.lookup(get('/'), START);
    const plan = cache.responded(decision, { status: 200, reason: '', fields: FRESH }, START);
    plan.writer?.write(Buffer.from('ha'), true);
    cache.finished(decision);
    plan.writer?.end();
    expect(cache.counts()).toMatchObject({ responses: 0, bytes: 0 });
  });
});

describe('exclusions', () => {
  it('by target and by the name of a cookie', () => {
    const cache = new HttpCache({
      excludeTarget: (target) => target.startsWith('/admin'),
      excludeCookies: ['session'],
    });
    for (const request of [get('/admin/x'), get('/', ['Cookie', 'a=b; session=1'])]) {
      expect(exchange(cache, request, START, { fields: FRESH }).cacheStatus).toContain(
        'fwd=bypass; detail=excluded',
      );
    }
    put(cache, '/', FRESH);
    expect(cache.lookup(get('/', ['Cookie', 'xsession=1']), START).kind).toBe('hit');
    expect(cache.lookup(get('/', ['Cookie', 'session=1']), START).kind).toBe('bypass');
  });

  it('cache off', () => {
    const cache = new HttpCache({ enabled: false });
    expect(exchange(cache, get('/'), START, { fields: FRESH }).cacheStatus).toBe(
      'rp; fwd=bypass; detail=off',
    );
  });
});

describe('failures of the cache', () => {
  it('a corrupt entry is dropped and fetched again, and the breaker opens while errors last', () => {
    const errors: CacheError[] = [];
    const cache = new HttpCache({
      verifyEvery: 1,
      breakerThreshold: 3,
      breakerWindow: 10,
      breakerCooldown: 30,
      onError: (error) => errors.push(error),
    });
    const corrupt = (now: number): string => {
      const body = new Uint8Array(4097);
      const decision = cache.lookup(get('/'), now);
      const { writer } = cache.responded(decision, { status: 200, reason: '', fields: FRESH }, now);
      writer?.write(body, true);
      writer?.end();
      body.fill(1); // what the caller promised not to do
      const found = cache.lookup(get('/'), now);
      cache.finished(found);
      return found.kind;
    };
    expect(corrupt(START)).toBe('miss');
    expect(errors[0]).toMatchObject({ code: 'cache_corrupt_entry', source: 'proxy', retryable: 'no' });
    expect(cache.stats.corrupt).toBe(1);
    corrupt(START + 1);
    corrupt(START + 2);
    expect(cache.lookup(get('/'), START + 3)).toMatchObject({ kind: 'bypass', detail: 'breaker' });
    expect(cache.lookup(get('/'), START + 30_003).kind).toBe('miss');
  });

  it('an error inside becomes a bypass', () => {
    const cache = new HttpCache({
      excludeTarget: () => {
        throw new Error('mistake');
      },
    });
    expect(cache.lookup(get('/'), START)).toMatchObject({ kind: 'bypass', detail: 'error' });
    expect(cache.stats.errors).toBe(1);
  });
});

describe('Cache-Status (RFC 9211)', () => {
  it('says why', () => {
    const cache = new HttpCache({ cacheName: 'my cache "1"', xCacheStatus: true });
    expect(put(cache, '/', FRESH).cacheStatus).toBe('"my cache \\"1\\""; fwd=uri-miss; stored');
    const hit = cache.lookup(get('/'), START + 7000);
    expect(hit.lines).toBe(
      'Age: 7\r\nCache-Status: "my cache \\"1\\""; hit; ttl=593\r\nX-Cache-Status: HIT\r\n',
    );
  });

  it.each([
    ['method', get('/', [], 'POST'), 'rp; fwd=method'],
    ['request', get('/', ['Cache-Control', 'no-cache']), 'rp; fwd=request; stored'],
    [
      'stored for one only',
      get('/x', ['Cache-Control', 'no-store']),
      'rp; fwd=uri-miss; detail=request-no-store',
    ],
  ])('%s', (_name, request, status) => {
    const cache = new HttpCache();
    put(cache, '/', FRESH);
    expect(exchange(cache, request, START, { fields: FRESH }).cacheStatus).toBe(status);
  });

  it('hit ratio and counts', () => {
    const cache = new HttpCache();
    put(cache, '/', FRESH);
    for (let i = 0; i < 3; i++) exchange(cache, get('/'), START, {});
    const decision = cache.lookup(get('/b'), START);
    forward(cache, decision, undefined, START);
    expect(cache.stats).toMatchObject({ hits: 3, misses: 2, stored: 1 });
    expect(cache.stats.hitRatio).toBeCloseTo(3 / 5);
  });
});
