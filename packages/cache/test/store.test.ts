import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HttpCache } from '@rp/cache';
import { TagIndex } from '../src/tagIndex.ts';
import { exchange, get, put, START } from './exchange.ts';

const FRESH = ['Cache-Control', 'max-age=60'];

describe('memory', () => {
  it('property: the size is never above the limit, what is being written among it', () => {
    const step = fc.record({
      target: fc.integer({ min: 0, max: 30 }).map((n) => `/${n}`),
      foo: fc.constantFrom('1', '2'),
      chunks: fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 6 }),
      field: fc.integer({ min: 0, max: 2000 }),
      owned: fc.boolean(),
      end: fc.constantFrom('end', 'abort', 'later'),
    });
    const limit = 64 * 1024;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = new HttpCache({ maxSize: limit, maxEntrySize: 32 * 1024, coalesce: false });
        const open: (() => void)[] = [];
        const check = (): void => expect(cache.counts().bytes).toBeLessThanOrEqual(limit);
        for (const { target, foo, chunks, field, owned, end } of steps) {
          const decision = cache.lookup(get(target, ['Foo', foo]), START);
          if (decision.kind !== 'miss') continue;
          const fields = [...FRESH, 'Vary', 'Foo', 'X', 'x'.repeat(field), 'Cache-Tag', 'a b'];
          const { writer } = cache.responded(decision, { status: 200, reason: '', fields }, START);
          for (const size of chunks) {
            writer?.write(new Uint8Array(size), owned);
            check();
          }
          const finish = (): void => {
            if (end !== 'abort') writer?.end();
            cache.finished(decision);
            check();
          };
          if (end === 'later') open.push(finish);
          else finish();
        }
        for (const finish of open) finish();
        cache.purger.all();
        expect(cache.counts()).toMatchObject({ bytes: 0, resources: 0, responses: 0 });
      }),
      { numRuns: 150 },
    );
  });

  it('least recently used goes first', () => {
    const cache = new HttpCache({ maxSize: 4 * 5000 });
    for (let i = 0; i < 3; i++) put(cache, `/${i}`, FRESH, 'x'.repeat(5000));
    expect(exchange(cache, get('/0'), START, {}).kind).toBe('hit');
    put(cache, '/3', FRESH, 'x'.repeat(5000));
    expect(['/0', '/1', '/2', '/3'].map((target) => cache.lookup(get(target), START).kind)).toEqual([
      'hit',
      'miss',
      'hit',
      'hit',
    ]);
    expect(cache.counts().evictions).toBe(1);
  });

  it('one object is limited: announced too large it is not even begun', () => {
    const cache = new HttpCache({ maxEntrySize: 10 });
    const outcome = exchange(cache, get('/'), START, {
      fields: [...FRESH, 'Content-Length', '11'],
      body: 'x'.repeat(11),
    });
    expect(outcome.cacheStatus).toBe('rp; fwd=uri-miss; detail=too-large');
  });

  it.each([0, -1, Infinity, Number.NaN])('an unbounded or empty cache is refused: maxSize %d', (maxSize) => {
    expect(() => new HttpCache({ maxSize })).toThrow(expect.objectContaining({ code: 'cache_option' }));
  });

  it('memory pressure: shrink evicts down to what is asked', () => {
    const cache = new HttpCache();
    for (let i = 0; i < 10; i++) put(cache, `/${i}`, FRESH, 'x'.repeat(5000));
    expect(cache.shrink(20_000)).toBe(7);
    expect(cache.counts().bytes).toBeLessThanOrEqual(20_000);
    expect(cache.lookup(get('/9'), START).kind).toBe('hit');
  });

  it('memory pressure: shrink to nothing leaves nothing', () => {
    const cache = new HttpCache();
    for (let i = 0; i < 10; i++) put(cache, `/${i}`, [...FRESH, 'Cache-Tag', 'a'], 'x'.repeat(5000));
    expect(cache.shrink(0)).toBe(10);
    expect(cache.counts()).toMatchObject({ bytes: 0, resources: 0, responses: 0, evictions: 10 });
    expect(cache.purger.tag('a')).toBe(0);
    expect(cache.lookup(get('/9'), START).kind).toBe('miss');
  });

  it('chunks of one byte do not cost an object each', () => {
    const cache = new HttpCache();
    const decision = cache.lookup(get('/'), START);
    const { writer } = cache.responded(decision, { status: 200, reason: '', fields: FRESH }, START);
    for (let i = 0; i < 20_000; i++) writer?.write(Buffer.from('x'), false);
    writer?.end();
    const hit = cache.lookup(get('/'), START);
    expect(hit.bodyLength).toBe(20_000);
    expect(hit.chunks.length).toBeLessThan(4);
    expect(Buffer.concat(hit.chunks).toString()).toBe('x'.repeat(20_000));
  });

  it('bytes that are not owned are copied; a small view of a large buffer too', () => {
    const cache = new HttpCache();
    const buffer = Buffer.alloc(65_536, 'a');
    const decision = cache.lookup(get('/'), START);
    const { writer } = cache.responded(decision, { status: 200, reason: '', fields: FRESH }, START);
    writer?.write(buffer.subarray(0, 40_000), false);
    writer?.write(buffer.subarray(0, 4000), true);
    writer?.end();
    buffer.fill('b');
    const hit = cache.lookup(get('/'), START);
    expect(Buffer.concat(hit.chunks).includes('b')).toBe(false);
    expect(hit.chunks[1]?.buffer.byteLength).toBe(4000);
  });

  it('small bodies can leave in one write', () => {
    const cache = new HttpCache();
    put(cache, '/', FRESH, 'b\xffy');
    const hit = cache.lookup(get('/'), START);
    expect(`${hit.head}${hit.lines}\r\n${hit.bodyText}`).toBe(
      'HTTP/1.1 200 \r\nCache-Control: max-age=60\r\nDate: Mon, 01 Jun 2026 12:00:00 GMT\r\nContent-Length: 3\r\n' +
        'Age: 0\r\nCache-Status: rp; hit; ttl=60\r\n\r\nb\xffy',
    );
  });
});

describe('upkeep', () => {
  it('sweep takes small batches and removes what is of no use any more', () => {
    const cache = new HttpCache({ keepStale: 100 });
    for (let i = 0; i < 50; i++) put(cache, `/${i}`, i % 2 === 0 ? FRESH : [...FRESH, 'ETag', '"a"']);
    expect(cache.sweep(START + 59_000, 1000)).toBe(0);
    let rounds = 0;
    let removed = 0;
    while (removed < 25 && rounds++ < 20) {
      const batch = cache.sweep(START + 60_000, 10);
      expect(batch).toBeLessThanOrEqual(10);
      removed += batch;
    }
    expect(cache.counts()).toMatchObject({ responses: 25, expirations: 25 });
    expect(cache.sweep(START + 160_000, 1000)).toBe(25);
  });

  it('a stale response that can be validated outlives its freshness', () => {
    const cache = new HttpCache();
    put(cache, '/', [...FRESH, 'ETag', '"a"']);
    cache.sweep(START + 3_600_000, 10);
    expect(cache.lookup(get('/'), START + 3_600_000).kind).toBe('revalidate');
  });
});

describe('purge: the number removed', () => {
  function filled(): HttpCache {
    const cache = new HttpCache();
    for (const target of ['/img/a.png', '/img/b.jpg', '/css/a.css', '/img/a.png?v=2']) {
      put(cache, target, [...FRESH, 'Cache-Tag', target.startsWith('/img') ? 'pictures, all' : 'all']);
    }
    for (const foo of ['1', '2']) {
      exchange(cache, get('/v', ['Foo', foo]), START, {
        fields: [...FRESH, 'Vary', 'Foo', 'Surrogate-Key', `v v${foo}`],
      });
    }
    return cache;
  }

  it.each([
    ['one URL, all variants', (cache: HttpCache) => cache.purger.url('http', 'EXAMPLE.com:80', '/v'), 2],
    ['a URL that is not there', (cache: HttpCache) => cache.purger.url('http', 'example.com', '/w'), 0],
    ['a prefix', (cache: HttpCache) => cache.purger.pattern('http://example.com/img/*'), 3],
    ['a wildcard', (cache: HttpCache) => cache.purger.pattern('http://*/a.*'), 3],
    ['a wildcard in the middle', (cache: HttpCache) => cache.purger.pattern('http://example.com/*/a*'), 3],
    ['no wildcard', (cache: HttpCache) => cache.purger.pattern('http://example.com/css/a.css'), 1],
    ['a tag', (cache: HttpCache) => cache.purger.tag('pictures'), 3],
    ['a tag of one variant', (cache: HttpCache) => cache.purger.tag('v1'), 1],
    ['everything', (cache: HttpCache) => cache.purger.all(), 6],
  ])('%s', (_name, purge, count) => {
    const cache = filled();
    expect(purge(cache)).toBe(count);
    expect(purge(cache)).toBe(0);
    expect(cache.counts().responses).toBe(6 - count);
    expect(cache.stats.purged).toBe(count);
  });

  it('tags follow a 304, and go with their response', () => {
    const cache = new HttpCache();
    const now = START + 60_000;
    put(cache, '/', [...FRESH, 'ETag', '"a"', 'Cache-Tag', 'old, kept']);
    exchange(cache, get('/'), now, { status: 304, fields: ['ETag', '"a"', 'Cache-Tag', 'new, kept'] });
    expect(cache.purger.tag('old')).toBe(0);
    expect(cache.purger.tag('new')).toBe(1);
    const index = new TagIndex<string>();
    index.add('/', ['a', 'b']);
    index.add('/', ['a']);
    index.remove('/', ['a', 'b']);
    expect([index.keys('a'), index.keys('b')]).toEqual([['/'], []]);
  });

  it('what was purged does not come back as a stale answer', () => {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', 'max-age=1, stale-if-error=600', 'ETag', '"a"']);
    const decision = cache.lookup(get('/'), START + 5000);
    cache.purger.all();
    expect(cache.failed(decision, START + 5000)).toBeUndefined();
  });

  it('what was asked for before a purge is not stored after it', () => {
    const cache = new HttpCache();
    const decision = cache.lookup(get('/'), START);
    cache.purger.pattern('http://example.com/*');
    const { writer } = cache.responded(decision, { status: 200, reason: '', fields: FRESH }, START);
    writer?.end();
    expect(cache.counts().responses).toBe(0);
  });
});
