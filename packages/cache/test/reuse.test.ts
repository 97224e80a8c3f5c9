import { describe, expect, it } from 'vitest';
import { HttpCache } from '@rp/cache';
import { exchange, get, put, START } from './exchange.ts';

const SECOND = 1000;

/** Stores with `stored`, asks after `seconds` with `asked`. */
function ask(stored: string, seconds: number, asked = '', more: string[] = []) {
  const cache = new HttpCache();
  put(cache, '/', ['Cache-Control', stored, ...more]);
  const request = get('/', asked === '' ? [] : ['Cache-Control', asked]);
  return exchange(cache, request, START + seconds * SECOND, { status: 200, fields: [] });
}

describe('reuse (RFC 9111 §4, §5.2.1)', () => {
  it.each([
    ['fresh', 'max-age=60', 59, '', 'hit'],
    ['§4.2 stale at the very second', 'max-age=60', 60, '', 'relay'],
    ['§5.2.2.4 no-cache', 'max-age=60, no-cache', 1, '', 'relay'],
    ['§5.2.1.4 no-cache in the request', 'max-age=60', 1, 'no-cache', 'relay'],
    ['§5.2.1.1 max-age in the request', 'max-age=60', 11, 'max-age=10', 'relay'],
    ['§5.2.1.1 young enough', 'max-age=60', 10, 'max-age=10', 'hit'],
    ['§5.2.1.1 max-age=0', 'max-age=60', 0, 'max-age=0', 'relay'],
    ['RFC 8246 §2 immutable is not reloaded', 'max-age=60, immutable', 1, 'max-age=0', 'hit'],
    ['RFC 8246 §2 but no-cache is obeyed', 'max-age=60, immutable', 1, 'no-cache', 'relay'],
    ['§5.2.1.3 min-fresh', 'max-age=60', 41, 'min-fresh=20', 'relay'],
    ['§5.2.1.3 fresh enough', 'max-age=60', 40, 'min-fresh=20', 'hit'],
    ['§5.2.1.2 max-stale', 'max-age=60, must-understand', 70, 'max-stale=10', 'hit'],
    ['§5.2.1.2 too stale', 'max-age=60', 71, 'max-stale=10', 'relay'],
    ['§5.2.1.2 any', 'max-age=60', 9999, 'max-stale', 'hit'],
    ['§5.2.2.2 must-revalidate', 'max-age=60, must-revalidate', 61, 'max-stale', 'relay'],
    ['§5.2.2.8 proxy-revalidate', 'max-age=60, proxy-revalidate', 61, 'max-stale', 'relay'],
    ['§5.2.2.10 s-maxage', 's-maxage=60', 61, 'max-stale', 'relay'],
    ['§5.2.1.7 only-if-cached', 'max-age=60', 61, 'only-if-cached', 'gatewayTimeout'],
    ['§5.2.1.7 only-if-cached and there', 'max-age=60', 1, 'only-if-cached', 'hit'],
    ['RFC 5861 §3 within', 'max-age=60, stale-while-revalidate=10', 69, '', 'hit'],
    ['RFC 5861 §3 beyond', 'max-age=60, stale-while-revalidate=10', 70, '', 'relay'],
    [
      'RFC 5861 §3 not for who asks for an age',
      'max-age=60, stale-while-revalidate=10',
      61,
      'max-age=70',
      'relay',
    ],
    [
      '§4.2.4 not beside must-revalidate',
      'max-age=60, must-revalidate, stale-while-revalidate=10',
      61,
      '',
      'relay',
    ],
    ['§5.2.2.10 not beside s-maxage', 's-maxage=60, stale-while-revalidate=10', 61, '', 'relay'],
  ])('%s', (_name, stored, seconds, asked, kind) => {
    expect(ask(stored, seconds, asked).kind).toBe(kind);
  });

  it('§4 a hit has Age, from what came and what passed', () => {
    expect(ask('max-age=60', 20, '', ['Age', '7']).age).toBe(27);
  });

  it('§4.2.3 the delay of the response counts as age', () => {
    const cache = new HttpCache();
    exchange(cache, get('/'), START, { fields: ['Cache-Control', 'max-age=60'] }, START + 9 * SECOND);
    expect(exchange(cache, get('/'), START + 10 * SECOND, {}).age).toBe(10);
  });

  it('requestDirectives off: clients cannot make the backend work', () => {
    const cache = new HttpCache({ requestDirectives: false });
    put(cache, '/', ['Cache-Control', 'max-age=60']);
    expect(exchange(cache, get('/', ['Cache-Control', 'no-cache']), START + 1, {}).kind).toBe('hit');
  });
});

describe('stale answers (RFC 5861, RFC 9111 §4.2.4)', () => {
  function fail(stored: string, seconds: number, status: number | undefined, options = {}) {
    const cache = new HttpCache(options);
    put(cache, '/', ['Cache-Control', stored, 'ETag', '"a"']);
    const reply = status === undefined ? undefined : { status };
    return exchange(cache, get('/'), START + seconds * SECOND, reply);
  }

  it.each([
    ['not reached', 'max-age=1, stale-if-error=60', undefined, 'stale'],
    ['503', 'max-age=1, stale-if-error=60', 503, 'serve'],
    ['501 is no such error', 'max-age=1, stale-if-error=60', 501, 'relay'],
    ['nothing allows it', 'max-age=1', undefined, 'failed'],
    ['must-revalidate forbids it', 'max-age=1, stale-if-error=60, must-revalidate', undefined, 'failed'],
    ['no-cache forbids it', 'max-age=1, stale-if-error=60, no-cache', undefined, 'failed'],
  ])('%s', (_name, stored, status, kind) => {
    expect(fail(stored, 30, status).kind).toBe(kind);
  });

  it('past the window', () => {
    expect(fail('max-age=1, stale-if-error=60', 62, undefined).kind).toBe('failed');
  });

  it('staleIfError is the default for who does not say', () => {
    expect(fail('max-age=1', 30, undefined, { staleIfError: 60 })).toMatchObject({
      kind: 'stale',
      cacheStatus: 'rp; hit; ttl=-29; detail=stale-if-error',
    });
  });

  it('hazard: stampede on expiry — one background validation, stale for everybody meanwhile', () => {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', 'max-age=1, stale-while-revalidate=60', 'ETag', '"a"']);
    const now = START + 5 * SECOND;
    const first = cache.lookup(get('/'), now);
    expect([first.kind, first.background]).toEqual(['hit', true]);
    const background = cache.background(first, get('/'), now);
    expect(background.conditionalFields).toEqual(['If-None-Match', '"a"']);
    const second = cache.lookup(get('/'), now);
    expect([second.kind, second.background]).toEqual(['hit', false]);
    cache.responded(
      background,
      { status: 304, reason: '', fields: ['ETag', '"a"', 'Cache-Control', 'max-age=9'] },
      now,
    );
    cache.finished(background);
    expect(cache.lookup(get('/'), now + 8 * SECOND)).toMatchObject({ kind: 'hit', background: false });
  });
});
