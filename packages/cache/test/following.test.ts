import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HttpCache } from '@rp/cache';
import type { Follower } from '@rp/cache';
import { get, ok, RecordingSink, START, text } from './exchange.ts';

it('property: whoever follows, whenever it comes and reads, gets the body byte for byte', () => {
  const step = fc.record({
    // Around the size up to which a body is kept as text, and blocks are filled.
    bytes: fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 1000, max: 5000 }),
      fc.integer({ min: 16_000, max: 17_000 }),
    ),
    owned: fc.boolean(),
    joins: fc.boolean(),
    reads: fc.boolean(),
    leaves: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 12 }),
      fc.constantFrom('announced', 'unknown'),
      fc.constantFrom(1_000_000, 20_000, 3000),
      (steps, length, maxEntrySize) => {
        const cache = new HttpCache({ maxEntrySize });
        const leader = cache.lookup(get('/'), START);
        const followers: { follower: Follower; sink: RecordingSink }[] = [];
        const join = (): void => {
          const decision = cache.lookup(get('/'), START);
          if (decision.kind !== 'follow') return cache.finished(decision);
          const sink = new RecordingSink();
          sink.reading = false;
          followers.push({ follower: cache.follow(decision, sink), sink });
        };
        join();
        const total = steps.reduce((sum, { bytes }) => sum + bytes, 0);
        const fields = length === 'announced' ? ['Content-Length', String(total)] : [];
        const { writer } = cache.responded(leader, ok('Cache-Control', 'max-age=60', ...fields), START);
        let body = '';
        // What is not owned is read into the same memory again and again.
        const shared = Buffer.alloc(20_000);
        for (const { bytes, owned, joins, reads, leaves } of steps) {
          const piece = String.fromCharCode(
            ...Array.from({ length: bytes }, (_, i) => (body.length + i * 7) & 0xff),
          );
          body += piece;
          if (owned) writer?.write(Buffer.from(piece, 'latin1'), true);
          else {
            shared.write(piece, 100, 'latin1');
            writer?.write(shared, false, 100, 100 + bytes);
            shared.fill(0);
          }
          if (joins) join();
          if (reads) for (const { follower, sink } of followers) sink.drain(follower);
          if (leaves && followers.length > 1) followers.pop()?.follower.leave();
        }
        writer?.end();
        cache.finished(leader);
        for (const { follower, sink } of followers) {
          sink.drain(follower);
          if (sink.events.some((event) => /^(failed|released)/.test(event))) continue;
          expect([sink.body.length, sink.body === body, sink.events.at(-1)]).toEqual([total, true, 'end']);
        }
        const after = cache.lookup(get('/'), START);
        if (total > maxEntrySize) {
          expect(after.kind).not.toBe('hit');
          return;
        }
        expect([after.kind, after.bodyLength, text(after.chunks) === body]).toEqual(['hit', total, true]);
        if (after.bodyText !== undefined) expect(after.bodyText).toBe(body);
      },
    ),
    { numRuns: 300 },
  );
});
