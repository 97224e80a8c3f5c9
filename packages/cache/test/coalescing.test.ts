import { describe, expect, it } from 'vitest';
import { HttpCache } from '@rp/cache';
import type { CacheDecision, StoreWriter } from '@rp/cache';
import { exchange, forward, get, ok, put, RecordingSink, START } from './exchange.ts';

const FRESH = ['Cache-Control', 'max-age=60'];
const bytes = (value: string): Uint8Array => Buffer.from(value, 'latin1');

/** A leader and `count` followers that wait. */
function group(count: number, options = {}, request: (i: number) => string[] = () => []) {
  const cache = new HttpCache(options);
  const leader = cache.lookup(get('/', request(-1)), START);
  expect(leader.leader).toBe(true);
  const sinks: RecordingSink[] = [];
  for (let i = 0; i < count; i++) sinks.push(follow(cache, request(i)));
  return { cache, leader, sinks };
}

function follow(cache: HttpCache, fields: string[] = [], reading = true): RecordingSink {
  const decision = cache.lookup(get('/', fields), START);
  expect(decision.kind).toBe('follow');
  const sink = new RecordingSink();
  sink.reading = reading;
  cache.follow(decision, sink);
  return sink;
}

function writerOf(cache: HttpCache, leader: CacheDecision, ...fields: string[]): StoreWriter {
  const { writer } = cache.responded(leader, ok(...FRESH, ...fields), START);
  if (writer === undefined) throw new Error('not stored');
  return writer;
}

describe('coalescing (RFC 9111 §4)', () => {
  it('1,000 concurrent misses, 1 backend request, everybody has the whole body', () => {
    const { cache, leader, sinks } = group(999);
    expect(cache.stats.misses).toBe(1);
    const writer = writerOf(cache, leader);
    writer.write(bytes('one '), true);
    const late = follow(cache);
    writer.write(bytes('two'), false);
    writer.end();
    cache.finished(leader);
    for (const sink of [...sinks, late]) {
      expect(sink.events).toEqual(['head hit', 'end']);
      expect(sink.body).toBe('one two');
    }
    expect(cache.stats.coalesced).toBe(1000);
    expect(exchange(cache, get('/'), START, {}).kind).toBe('hit');
  });

  it('says so in Cache-Status (RFC 9211 §2.6)', () => {
    const { cache, leader } = group(0);
    const decision = cache.lookup(get('/'), START);
    let status = '';
    const sink = new RecordingSink();
    sink.followerHead = (_follower, answer) => {
      status = answer.cacheStatus;
    };
    cache.follow(decision, sink);
    writerOf(cache, leader);
    expect(status).toBe('rp; fwd=uri-miss; collapsed');
  });

  it('bytes are shared: no follower gets a copy', () => {
    const { cache, leader } = group(0);
    const seen: Uint8Array[] = [];
    for (let i = 0; i < 2; i++) {
      const sink = new RecordingSink();
      sink.followerReadable = (follower) => {
        for (let chunk = follower.read(); chunk !== undefined; chunk = follower.read()) seen.push(chunk);
      };
      cache.follow(cache.lookup(get('/'), START), sink);
    }
    const chunk = new Uint8Array(4097);
    const writer = writerOf(cache, leader);
    writer.write(chunk, true);
    expect(seen).toHaveLength(2);
    expect(seen.every((piece) => piece.buffer === chunk.buffer)).toBe(true);
  });

  it('a slow follower blocks nobody and reads on when it can', () => {
    const { cache, leader, sinks } = group(1);
    const decision = cache.lookup(get('/'), START);
    const slow = new RecordingSink();
    slow.reading = false;
    const handle = cache.follow(decision, slow);
    const writer = writerOf(cache, leader);
    for (let i = 0; i < 10; i++) writer.write(bytes(String(i)), false);
    writer.end();
    expect(sinks[0]?.body).toBe('0123456789');
    expect(slow.body).toBe('');
    slow.drain(handle);
    expect(slow.body).toBe('0123456789');
    expect(handle.ended).toBe(true);
  });

  it("a follower's own preconditions are answered", () => {
    const { cache, leader } = group(0);
    const sink = follow(cache, ['If-None-Match', '"a"']);
    const writer = writerOf(cache, leader, 'ETag', '"a"');
    writer.end();
    expect(sink.events).toEqual(['head notModified']);
  });

  it.each([
    ['another method', [], 'HEAD'],
    ['Range', ['Range', 'bytes=0-1'], 'GET'],
    ['Authorization', ['Authorization', 'x'], 'GET'],
    ['no-cache', ['Cache-Control', 'no-cache'], 'GET'],
    ['no-store', ['Cache-Control', 'no-store'], 'GET'],
    ['If-Match', ['If-Match', '"a"'], 'GET'],
  ])('does not follow: %s', (_name, fields, method) => {
    const { cache } = group(0);
    expect(cache.lookup(get('/', fields, method), START).kind).toBe('miss');
  });

  it('coalesce off', () => {
    const cache = new HttpCache({ coalesce: false });
    expect(cache.lookup(get('/'), START).leader).toBe(false);
    expect(cache.lookup(get('/'), START).kind).toBe('miss');
  });
});

describe('validation for many', () => {
  it('one 304 answers all who wait', () => {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', 'max-age=1', 'ETag', '"a"'], 'old', START - 60_000);
    const leader = cache.lookup(get('/'), START);
    const sink = follow(cache);
    const plan = cache.responded(
      leader,
      { status: 304, reason: '', fields: [...FRESH, 'ETag', '"a"'] },
      START,
    );
    expect(plan.action).toBe('serve');
    expect(sink).toMatchObject({ body: 'old', events: ['head hit', 'end'] });
  });

  it('no-cache: everybody has to validate (§5.2.2.4)', () => {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', 'no-cache', 'ETag', '"a"'], 'old', START - 60_000);
    const leader = cache.lookup(get('/'), START);
    const sink = follow(cache);
    cache.responded(leader, { status: 304, reason: '', fields: ['ETag', '"a"'] }, START);
    expect(sink.events).toEqual(['released']);
    expect(sink.released).toMatchObject({ kind: 'revalidate', conditionalFields: ['If-None-Match', '"a"'] });
  });
});

describe('a leader that cannot be shared', () => {
  it('hazard: stampede — followers are let go a few at a time', () => {
    const { cache, leader, sinks } = group(100, { coalesceRelease: 4 });
    forward(cache, leader, { fields: ['Cache-Control', 'private'] }, START);
    const gone = () => sinks.filter((sink) => sink.released !== undefined);
    expect(gone()).toHaveLength(4);
    // Whenever one has its head, or comes to nothing, the next one goes.
    for (let i = 0; i < 96; i++) {
      const decision = gone()[i]?.released as CacheDecision;
      forward(cache, decision, i % 2 === 0 ? { fields: ['Cache-Control', 'private'] } : undefined, START);
      expect(gone()).toHaveLength(5 + i);
    }
    expect(sinks.every((sink) => sink.released?.collapsed === 'failed')).toBe(true);
  });

  it('is remembered: the next ones do not wait in vain', () => {
    const { cache, leader } = group(1, { uncacheableTtl: 10 });
    forward(cache, leader, { fields: ['Cache-Control', 'no-store'] }, START);
    expect(cache.lookup(get('/'), START + 9999).leader).toBe(false);
    expect(cache.lookup(get('/'), START + 10_000).leader).toBe(true);
  });

  it('max-age=0 is not shared, since it is stale for all but its own request', () => {
    const { cache, leader, sinks } = group(1);
    forward(cache, leader, { fields: ['Cache-Control', 'max-age=0', 'ETag', '"a"'] }, START);
    expect(sinks[0]?.events).toEqual(['released']);
  });

  it('Vary excludes some: one of each variant leads the others', () => {
    const { cache, leader, sinks } = group(6, {}, (i) => ['Foo', String(i < 0 ? 0 : i % 3)]);
    const writer = writerOf(cache, leader, 'Vary', 'Foo');
    writer.write(bytes('zero'), true);
    writer.end();
    expect(sinks.map((sink) => sink.events[0] ?? 'waits')).toEqual([
      'head hit',
      'released leader',
      'released leader',
      'head hit',
      'waits',
      'waits',
    ]);
    forward(
      cache,
      sinks[1]?.released as CacheDecision,
      { fields: [...FRESH, 'Vary', 'Foo'], body: 'one' },
      START,
    );
    expect(sinks[4]?.body).toBe('one');
    expect(sinks[5]?.events).toEqual([]);
  });

  it('once Vary is known, variants do not wait for each other', () => {
    const cache = new HttpCache();
    exchange(cache, get('/', ['Foo', '0']), START, { fields: [...FRESH, 'Vary', 'Foo'] });
    expect(cache.lookup(get('/', ['Foo', '1']), START).leader).toBe(true);
    expect(cache.lookup(get('/', ['Foo', '2']), START).leader).toBe(true);
    expect(cache.lookup(get('/', ['Foo', '1']), START).kind).toBe('follow');
  });
});

describe('a leader that fails', () => {
  it('before its head: the next one leads, the others wait on', () => {
    const { cache, leader, sinks } = group(3);
    expect(cache.failed(leader, START)).toBeUndefined();
    cache.finished(leader);
    expect(sinks.map((sink) => sink.events)).toEqual([['released leader'], [], []]);
    forward(cache, sinks[0]?.released as CacheDecision, { fields: FRESH, body: 'second try' }, START);
    expect(sinks[2]?.body).toBe('second try');
  });

  it('again and again: the backend sees a handful, then all fail', () => {
    const { cache, leader, sinks } = group(100, { coalesceAttempts: 3 });
    cache.failed(leader, START);
    for (let i = 0; i < 2; i++) cache.failed(sinks[i]?.released as CacheDecision, START);
    expect(sinks.filter((sink) => sink.released !== undefined)).toHaveLength(2);
    expect(sinks.slice(2).every((sink) => sink.events[0] === 'failed cache_leaders_failed')).toBe(true);
    expect(cache.lookup(get('/'), START).leader).toBe(true);
  });

  it('with something stale to give, all get that', () => {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', 'max-age=1, stale-if-error=99', 'ETag', '"a"'], 'old', START - 60_000);
    const leader = cache.lookup(get('/'), START);
    const sink = follow(cache);
    expect(cache.failed(leader, START)?.kind).toBe('hit');
    expect(sink.body).toBe('old');
  });

  it('in mid-body: who reads is cut off, nothing is stored', () => {
    const { cache, leader, sinks } = group(1);
    const writer = writerOf(cache, leader);
    writer.write(bytes('half'), true);
    cache.finished(leader);
    expect(sinks[0]?.events).toEqual(['head hit', 'failed cache_leader_truncated']);
    expect(cache.counts()).toMatchObject({ responses: 0, bytes: 0 });
    expect(cache.lookup(get('/'), START).leader).toBe(true);
  });

  it("a leader's client that leaves does not kill the followers: hasFollowers", () => {
    const { cache, leader } = group(0);
    expect(leader.hasFollowers).toBe(false);
    const handle = cache.follow(cache.lookup(get('/'), START), new RecordingSink());
    expect(leader.hasFollowers).toBe(true);
    handle.leave();
    expect(leader.hasFollowers).toBe(false);
  });
});

describe('a body that turns out too large', () => {
  it('goes on to those who read; nobody new joins; nothing is stored', () => {
    const { cache, leader, sinks } = group(2, { maxEntrySize: 10_000 });
    const writer = writerOf(cache, leader);
    for (let i = 0; i < 6; i++) writer.write(new Uint8Array(4096).fill(65 + i), true);
    expect(cache.lookup(get('/'), START).leader).toBe(true);
    writer.end();
    expect(sinks.map((sink) => [sink.body.length, sink.events.at(-1)])).toEqual([
      [24_576, 'end'],
      [24_576, 'end'],
    ]);
    expect(cache.counts()).toMatchObject({ responses: 0, bytes: 0 });
  });

  it('memory does not grow: who falls too far behind is cut off, what all have read is let go', () => {
    const { cache, leader, sinks } = group(1, { maxEntrySize: 10_000 });
    const slow = follow(cache, [], false);
    const writer = writerOf(cache, leader);
    for (let i = 0; i < 100; i++) writer.write(new Uint8Array(4096), true);
    expect(slow.events).toEqual(['head hit', 'failed cache_follower_lagging']);
    const held = writer.stored.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    expect(held).toBeLessThan(20_000);
    writer.end();
    expect(sinks[0]?.body.length).toBe(409_600);
  });
});
