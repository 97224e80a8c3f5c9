import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { completeRequest } from '../src/backend.ts';
import { backendAnswer, casePath, makeCase, seedInPath } from '../src/fuzzing/cases.ts';
import { ClientCheck, requestHeadProblem } from '../src/fuzzing/check.ts';
import { REQUESTS, RESPONSES } from '../src/fuzzing/corpus.ts';
import { MUTATORS, mutate } from '../src/fuzzing/mutate.ts';
import { SecondOpinion, disagreement, finalStatuses } from '../src/fuzzing/second-opinion.ts';
import { ProcessGroup } from '../src/process.ts';
import { Random, caseSeed } from '../src/random.ts';
import { ResponseReader } from '../src/response-reader.ts';

const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

describe('everything follows from the seed', () => {
  test('the same seed gives the same case and the same answers, to the byte', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 5 }), (seed, nth) => {
        expect(makeCase(seed)).toEqual(makeCase(seed));
        expect(backendAnswer(seed, nth)).toEqual(backendAnswer(seed, nth));
      }),
    );
  });

  test('the cases of a run differ from each other', () => {
    const found = new Set(Array.from({ length: 10_000 }, (_, i) => caseSeed(1, i)));
    expect(found.size).toBeGreaterThan(9_990);
  });

  test('a seed is found again in the path of its requests', () => {
    fc.assert(fc.property(seeds, (seed) => seedInPath(`GET ${casePath(seed)} HTTP/1.1`) === seed));
    expect(seedInPath('GET /ok/x HTTP/1.1')).toBeUndefined();
  });

  test('the generator is even enough', () => {
    const random = new Random(1);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) {
      const side = random.below(4);
      counts[side] = (counts[side] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

describe('mutators', () => {
  test.each(Object.keys(MUTATORS))('%s is pure, and leaves its input alone', (name) => {
    const mutator = MUTATORS[name];
    const [, text] = REQUESTS[3] ?? REQUESTS[0];
    const original = Buffer.from(text, 'latin1');
    const copy = Buffer.from(original);
    const results = Array.from({ length: 30 }, (_, seed) => mutator?.(new Random(seed), original));
    const again = Array.from({ length: 30 }, (_, seed) => mutator?.(new Random(seed), original));
    expect(results).toEqual(again);
    expect(original.equals(copy)).toBe(true);
    expect(results.some((result) => result && !result.equals(original))).toBe(true);
  });

  test('never throw, also on very short messages', () => {
    fc.assert(
      fc.property(seeds, fc.uint8Array({ maxLength: 5 }), (seed, bytes) => {
        expect(mutate(new Random(seed), Buffer.from(bytes))).toBeInstanceOf(Buffer);
      }),
    );
  });

  test('reach the hazards: both framings, bare line ends, oversized fields', () => {
    const all = Array.from({ length: 3000 }, (_, i) =>
      Buffer.concat(makeCase(caseSeed(5, i)).pieces).toString('latin1'),
    );
    expect(all.some((text) => /content-length/i.test(text) && /transfer-encoding/i.test(text))).toBe(true);
    expect(all.some((text) => /[^\r]\n/.test(text))).toBe(true);
    expect(all.some((text) => text.length > 30_000)).toBe(true);
  });
});

describe('the corpus itself is right', () => {
  test.each(RESPONSES)('closes: %s %j', (closes, text) => {
    const reader = new ResponseReader({ onEnd: () => undefined });
    expect(reader.feed(Buffer.from(text, 'latin1'))).toBe(true);
    expect(reader.end()).toBe('clean');
    expect(closes).toBe(/connection: close|HTTP\/1\.0/i.test(text));
  });

  test.each(REQUESTS)('%s %j', (method, text) => {
    const request = completeRequest(Buffer.from(text.replaceAll('{path}', '/f/1'), 'latin1'));
    expect(request?.length).toBe(text.replaceAll('{path}', '/f/1').length);
    expect(request?.head.startsWith(`${method} `)).toBe(true);
    expect(requestHeadProblem(request?.head ?? '')).toBeUndefined();
  });
});

describe('the judge of what a client gets', () => {
  const sent = (text: string, methods?: readonly string[]): ClientCheck =>
    new ClientCheck({ seed: 0, kind: 'valid', pieces: [Buffer.from(text)], methods, end: 'wait' });
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

  test('one answer for one request is complete, a second one is a fault', () => {
    const check = sent('GET / HTTP/1.1\r\n\r\n', ['GET']);
    check.feed(Buffer.from(ok));
    expect([check.complete, check.problem]).toEqual([true, undefined]);
    check.feed(Buffer.from(ok));
    expect(check.problem).toBe('more answers than requests');
  });

  test('a 101 that was not asked for is a fault', () => {
    const answer = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n');
    const without = sent('GET / HTTP/1.1\r\n\r\n', ['GET']);
    without.feed(answer);
    expect(without.problem).toContain('101');
    const asked = sent('GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n', ['GET']);
    asked.feed(answer);
    expect(asked.problem).toBeUndefined();
  });

  test('an answer cut short is how failures look: no fault', () => {
    const check = sent('GET / HTTP/1.1\r\n\r\n', ['GET']);
    check.feed(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok'));
    check.end();
    expect(check.problem).toBeUndefined();
  });

  test('nothing is concluded from a body that may belong to a HEAD request', () => {
    const check = sent('HEAD / HTTP/1.1\r\n\r\n');
    check.feed(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'));
    check.feed(Buffer.from('\0\0\0'));
    expect(check.problem).toBeUndefined();
  });
});

const SMUGGLED: readonly (readonly [string, string])[] = [
  ['two framings', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked'],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1'],
  ['a list of codings', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b'],
  ['no host', 'GET / HTTP/1.1\r\nA: b'],
  ['a bare line feed', 'GET / HTTP/1.1\r\nHost: a\nB: c'],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost : a'],
  ['a target with a space', 'GET /a b HTTP/1.1\r\nHost: a'],
];

test.each(SMUGGLED)('request smuggling: a forwarded head with %s is a fault', (_name, head) => {
  expect(requestHeadProblem(head)).toBeDefined();
});

test('a chunk that holds what looks like the end of a body does not end it', () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const text = `${head}7\r\n0\r\n\r\nX:\r\n0\r\nX-T: 1\r\n\r\n`;
  expect(completeRequest(Buffer.from(`${text}GET`))?.length).toBe(text.length);
  for (let cut = 0; cut < text.length; cut++)
    expect(completeRequest(Buffer.from(text.slice(0, cut)))).toBeUndefined();
});

describe('the second opinion on what was forwarded', () => {
  test.each([
    [2, [200, 200], undefined],
    [2, [200, 400], undefined],
    [3, [200, 431], undefined],
    [2, [200, 200, 200], 'sees 3 requests in place of 2'],
    [2, [200], 'sees 1 requests in place of 2, and waits for more'],
    [1, [], 'sees 0 requests in place of 1, and waits for more'],
  ])('%i requests, answered %j: %s', (requests, statuses, problem) => {
    expect(disagreement(requests, statuses)).toBe(problem);
  });

  test('interim answers are no answers', () => {
    expect(finalStatuses('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n')).toEqual([204]);
  });

  test('finds a request that hides in the body of another', async () => {
    const group = new ProcessGroup();
    const opinion = new SecondOpinion();
    const stream = (text: string, requests: number) => ({ bytes: Buffer.from(text, 'latin1'), requests });
    try {
      await opinion.start(group);
      const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
      const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${get.length}\r\n\r\n${get}`;
      expect(await opinion.judge([stream(get + post + get, 3)])).toEqual([]);
      const [first, ...more] = await opinion.judge([stream(get + get, 1)]);
      expect(first).toContain('node:http sees 2 requests in place of 1');
      expect(more.every((problem) => problem.startsWith('nginx sees 2'))).toBe(true);
      expect((await opinion.judge([stream(post, 2)]))[0]).toContain('waits for more');
    } finally {
      opinion.close();
      await group.close();
    }
  });
});
