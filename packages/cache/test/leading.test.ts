import { describe, expect, it } from 'vitest';
import { HttpCache } from '@rp/cache';
import type { CacheDecision, Follower } from '@rp/cache';
import { get, ok, RecordingSink, START } from './exchange.ts';

/** A leader that notes, at each change, whether anybody depends on it. */
function watched(cache: HttpCache, changes: boolean[]): CacheDecision {
  const leader = cache.lookup(get('/'), START);
  leader.watcher = { followersChanged: () => changes.push(leader.hasFollowers) };
  return leader;
}

function follow(cache: HttpCache, sink: RecordingSink = new RecordingSink()): Follower {
  return cache.follow(cache.lookup(get('/'), START), sink);
}

describe('a leader', () => {
  it('is told of the first follower and of the last one leaving, not of those between', () => {
    const cache = new HttpCache();
    const changes: boolean[] = [];
    const leader = watched(cache, changes);
    const followers = [follow(cache), follow(cache), follow(cache)];
    expect(changes).toEqual([true]);
    const { writer } = cache.responded(leader, ok('Cache-Control', 'max-age=60'), START);
    writer?.write(Buffer.from('part'), true);
    for (const follower of followers) follower.leave();
    expect(changes).toEqual([true, false]);
    follow(cache);
    expect(changes).toEqual([true, false, true]);
  });

  it('is not needed any more once its response cannot be shared', () => {
    const cache = new HttpCache({ coalesceRelease: 1 });
    const leader = watched(cache, []);
    follow(cache);
    follow(cache);
    expect(leader.hasFollowers).toBe(true);
    cache.responded(leader, ok('Cache-Control', 'private'), START);
    expect(leader.hasFollowers).toBe(false);
  });

  it('that fails after its head takes along those who read from it', () => {
    const cache = new HttpCache();
    const leader = watched(cache, []);
    const sink = new RecordingSink();
    follow(cache, sink);
    cache.responded(leader, ok('Cache-Control', 'max-age=60'), START);
    expect(cache.failed(leader, START)).toBeUndefined();
    expect(sink.events).toEqual(['head hit', 'failed cache_leader_truncated']);
  });
});

describe('an answer of the engine’s own', () => {
  it('says in Cache-Status why there is no response (RFC 9211 §2.8)', () => {
    const cache = new HttpCache({ xCacheStatus: true });
    const miss = cache.lookup(get('/'), START);
    expect(cache.failureFields(miss, 'REFUSED')).toEqual([
      'Cache-Status',
      'rp; fwd=uri-miss; detail=REFUSED',
      'X-Cache-Status',
      'MISS',
    ]);
    const none = cache.lookup(get('/other', ['Cache-Control', 'only-if-cached']), START);
    expect(cache.failureFields(none, 'CACHE_ONLY').slice(0, 2)).toEqual([
      'Cache-Status',
      'rp; detail=only-if-cached',
    ]);
    const post = cache.lookup({ ...get('/'), method: 'POST' }, START);
    expect(cache.failureFields(post, 'REFUSED')).toContain('BYPASS');
  });
});
