import { describe, expect, it } from 'vitest';
import { formatHttpDate, HttpCache } from '@rp/cache';
import { exchange, forward, get, put, START } from './exchange.ts';
import type { Reply } from './exchange.ts';

const LATER = START + 60_000;
const MODIFIED = formatHttpDate(START - 100_000);

/** Stores a response that is stale at `LATER`, then validates it. */
function validate(stored: string[], reply: Reply, request: string[] = [], options = {}) {
  const cache = new HttpCache(options);
  put(cache, '/', ['Cache-Control', 'max-age=10', ...stored], 'old');
  const outcome = exchange(cache, get('/', request), LATER, reply);
  return { cache, outcome };
}

function value(fields: readonly string[], name: string): string | undefined {
  const at = fields.findIndex((field, i) => i % 2 === 0 && field.toLowerCase() === name.toLowerCase());
  return at < 0 ? undefined : fields[at + 1];
}

describe('validation (RFC 9111 §4.3.1)', () => {
  it('sends both validators', () => {
    const { outcome } = validate(['ETag', '"a"', 'Last-Modified', MODIFIED], {
      status: 304,
      fields: ['ETag', '"a"'],
    });
    expect(outcome.conditional).toEqual(['If-None-Match', '"a"', 'If-Modified-Since', MODIFIED]);
    expect(outcome).toMatchObject({ status: 200, body: 'old', cacheStatus: 'rp; fwd=stale; fwd-status=304' });
  });

  it('no If-Modified-Since with a subrange', () => {
    const { outcome } = validate(
      ['ETag', '"a"', 'Last-Modified', MODIFIED],
      { status: 304, fields: ['ETag', '"a"'] },
      ['Range', 'bytes=1-1'],
    );
    expect(outcome.conditional).toEqual(['If-None-Match', '"a"']);
    expect(outcome).toMatchObject({ status: 206, body: 'l' });
  });

  it('an answer after validation has no Age (§5.1)', () => {
    const { outcome } = validate(['ETag', '"a"'], { status: 304, fields: ['ETag', '"a"'] });
    expect(outcome.age).toBe(-1);
  });

  it("the client's own validators are answered after ours were (§4.3.2)", () => {
    const { outcome } = validate(['ETag', '"a"'], { status: 304, fields: ['ETag', '"a"'] }, [
      'If-None-Match',
      '"a"',
    ]);
    expect(outcome.status).toBe(304);
    const other = validate(['ETag', '"a"'], { status: 304, fields: ['ETag', '"a"'] }, [
      'If-None-Match',
      '"b"',
    ]);
    expect(other.outcome).toMatchObject({ status: 200, body: 'old' });
  });

  it('a 304 to what a client asked on its own passes', () => {
    const cache = new HttpCache();
    const outcome = exchange(cache, get('/', ['If-None-Match', '"z"']), START, { status: 304 });
    expect(outcome).toMatchObject({ kind: 'relay', status: 304 });
  });

  it('a full response replaces what is stored (§4.3.3)', () => {
    const { cache } = validate(['ETag', '"a"'], { fields: ['Cache-Control', 'max-age=10'], body: 'new' });
    expect(exchange(cache, get('/'), LATER, {}).body).toBe('new');
    expect(cache.counts().responses).toBe(1);
  });

  it('a full response that may not be stored removes it', () => {
    const { cache } = validate(['ETag', '"a"'], { fields: ['Cache-Control', 'no-store'] });
    expect(cache.counts().responses).toBe(0);
  });

  it('an error that speaks of one request leaves it', () => {
    const { cache } = validate(['ETag', '"a"'], { status: 429 });
    expect(cache.counts().responses).toBe(1);
  });
});

describe('freshening by a 304 (RFC 9111 §3.2, §4.3.4)', () => {
  it('replaces fields, keeps others, and the response is fresh again', () => {
    const { cache, outcome } = validate(['ETag', '"a"', 'X', 'old', 'Y', '1', 'X', 'old2'], {
      status: 304,
      fields: ['ETag', '"a"', 'x', 'new', 'Cache-Control', 'max-age=100'],
    });
    expect(outcome.fields.filter((field) => field.toLowerCase() === 'x')).toEqual(['x']);
    expect(value(outcome.fields, 'x')).toBe('new');
    expect(value(outcome.fields, 'y')).toBe('1');
    expect(exchange(cache, get('/'), LATER + 99_000, {})).toMatchObject({ kind: 'hit', age: 99 });
  });

  it.each([
    'Content-Length',
    'Content-Encoding',
    'Content-Range',
    'Content-MD5',
    'Transfer-Encoding',
    'Connection',
  ])('never takes %s from a 304', (name) => {
    const { outcome } = validate(['ETag', '"a"'], { status: 304, fields: ['ETag', '"a"', name, '99'] });
    expect(value(outcome.fields, name)).toBeUndefined();
  });

  it('hazard: 304 for another variant — another strong validator updates nothing, we ask again', () => {
    const { cache, outcome } = validate(['ETag', '"a"'], {
      status: 304,
      fields: ['ETag', '"b"', 'X', 'new'],
    });
    expect(outcome.kind).toBe('refetch');
    expect(cache.counts().responses).toBe(0);
  });

  it("mismatched304: 'accept' takes it, but keeps the tag", () => {
    const { outcome } = validate(['ETag', '"a"'], { status: 304, fields: ['ETag', '"b"', 'X', 'new'] }, [], {
      mismatched304: 'accept',
    });
    expect(outcome).toMatchObject({ kind: 'serve', body: 'old' });
    expect(value(outcome.fields, 'etag')).toBe('"a"');
    expect(value(outcome.fields, 'x')).toBe('new');
  });

  it.each([
    ['weak validators that correspond', ['ETag', 'W/"a"'], ['ETag', 'W/"a"'], 'serve'],
    ['weak validators that do not', ['ETag', 'W/"a"'], ['ETag', 'W/"b"'], 'refetch'],
    ['Last-Modified that corresponds', ['Last-Modified', MODIFIED], ['Last-Modified', MODIFIED], 'serve'],
    [
      'Last-Modified that does not',
      ['Last-Modified', MODIFIED],
      ['Last-Modified', formatHttpDate(START)],
      'refetch',
    ],
    ['no validator: about the one we asked for', ['Last-Modified', MODIFIED], [], 'serve'],
  ])('%s', (_name, stored, fields, kind) => {
    expect(validate(stored, { status: 304, fields }).outcome.kind).toBe(kind);
  });

  it('a 304 that forbids to keep it answers once more and removes it', () => {
    const { cache, outcome } = validate(['ETag', '"a"'], {
      status: 304,
      fields: ['ETag', '"a"', 'Cache-Control', 'no-store'],
    });
    expect(outcome).toMatchObject({ kind: 'serve', body: 'old' });
    expect(cache.counts().responses).toBe(0);
  });

  it('invalidated while it was validated: we ask again', () => {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', 'max-age=10', 'ETag', '"a"']);
    const decision = cache.lookup(get('/'), LATER);
    cache.purger.all();
    expect(forward(cache, decision, { status: 304, fields: ['ETag', '"a"'] }, LATER).kind).toBe('refetch');
  });
});

describe('HEAD (RFC 9111 §4.3.5)', () => {
  function head(stored: string[], fields: string[], status = 200) {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', 'max-age=10', ...stored], 'old');
    exchange(cache, get('/', ['Cache-Control', 'no-cache'], 'HEAD'), START + 1000, {
      status,
      fields,
      body: '',
    });
    return exchange(cache, get('/'), START + 2000, { fields: [] });
  }

  it('is answered from what is stored for GET, without a body', () => {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', 'max-age=10'], 'four');
    const decision = cache.lookup(get('/', [], 'HEAD'), START);
    expect(decision).toMatchObject({ kind: 'hit', contentLength: 4, bodyLength: 0 });
    expect(decision.chunks).toEqual([]);
  });

  it('agreement updates the fields', () => {
    const outcome = head(['ETag', '"a"', 'X', 'old'], ['ETag', '"a"', 'Content-Length', '3', 'X', 'new']);
    expect(outcome.kind).toBe('hit');
    expect(value(outcome.fields, 'x')).toBe('new');
  });

  it.each([
    ['ETag', ['ETag', '"b"']],
    ['Content-Length', ['Content-Length', '4']],
    ['Last-Modified', ['Last-Modified', MODIFIED]],
  ])('hazard: HEAD that disagrees in %s makes it stale', (_name, fields) => {
    expect(head(['ETag', '"a"'], fields).forwarded).toBe(true);
  });

  it('is never stored itself', () => {
    const cache = new HttpCache();
    exchange(cache, get('/', [], 'HEAD'), START, { fields: ['Cache-Control', 'max-age=10'], body: '' });
    expect(exchange(cache, get('/'), START, {}).forwarded).toBe(true);
  });
});
