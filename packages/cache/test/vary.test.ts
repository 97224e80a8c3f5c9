import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HttpCache, normaliseValue, varyNames } from '@rp/cache';
import { exchange, get, put, START } from './exchange.ts';

const FRESH = 'max-age=600';

describe('Vary (RFC 9111 §4.1, RFC 9110 §12.5.5)', () => {
  it.each([
    [['Vary', '*']],
    [['Vary', ', *']],
    [['Vary', 'Foo, *']],
    [['Vary', '', 'Vary', '*']],
    [['Vary', 'Foo bar']],
  ])('hazard: Vary: * — %j never matches', (fields) => {
    expect(varyNames(fields)).toBe('*');
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', FRESH, ...fields]);
    expect(exchange(cache, get('/'), START, {}).forwarded).toBe(true);
  });

  it('hazard: missing variant — absence only matches absence', () => {
    const cache = new HttpCache();
    put(cache, '/', ['Cache-Control', FRESH, 'Vary', 'Foo']);
    expect(exchange(cache, get('/'), START, {}).kind).toBe('hit');
    const other = exchange(cache, get('/', ['Foo', '']), START, {});
    expect(other.cacheStatus).toContain('fwd=vary-miss');
  });

  it('several variants, each to those it is for', () => {
    const cache = new HttpCache();
    for (const foo of ['1', '2']) {
      const fields = ['Cache-Control', FRESH, 'Vary', 'Foo'];
      exchange(cache, get('/', ['Foo', foo]), START, { fields, body: `for ${foo}` });
    }
    expect(exchange(cache, get('/', ['foo', '1']), START, {}).body).toBe('for 1');
    expect(exchange(cache, get('/', ['FOO', '2']), START, {}).body).toBe('for 2');
    expect(cache.counts()).toMatchObject({ resources: 1, responses: 2 });
  });

  it('hazard: unbounded variants — bounded per key, the one stored first goes', () => {
    const cache = new HttpCache({ maxVariants: 4 });
    for (let i = 0; i < 20; i++) {
      const fields = ['Cache-Control', FRESH, 'Vary', 'Foo'];
      exchange(cache, get('/', ['Foo', String(i)]), START + i, { fields });
    }
    expect(cache.counts().responses).toBe(4);
    expect(exchange(cache, get('/', ['Foo', '19']), START + 20, {}).kind).toBe('hit');
    expect(exchange(cache, get('/', ['Foo', '15']), START + 20, {}).forwarded).toBe(true);
  });

  it('a response without Vary does not go before one that has it (last paragraphs of §4.1)', () => {
    const cache = new HttpCache();
    const fields = ['Cache-Control', FRESH, 'Vary', 'Foo'];
    exchange(cache, get('/', ['Foo', '1']), START, { fields, body: 'one' });
    exchange(cache, get('/'), START + 5000, { fields: ['Cache-Control', FRESH], body: 'default' });
    expect(exchange(cache, get('/', ['Foo', '1']), START + 6000, {}).body).toBe('one');
    expect(exchange(cache, get('/', ['Foo', '9']), START + 6000, {}).body).toBe('default');
  });

  it.each([
    ['foo', '1,2', ' 1 ,  2 ', 'whitespace', true],
    ['foo', '"a, b"', '"a,b"', 'whitespace', false],
    ['foo', 'A', 'a', 'semantic', false],
    ['foo', '1,2', '1, 2', 'exact', false],
    ['accept-language', 'en, de', 'DE,en', 'semantic', true],
    ['accept-language', 'en, de', 'de, en', 'whitespace', false],
    ['accept-encoding', 'gzip;q=1.0, br;q=0.50', 'br;q=0.5,GZIP', 'semantic', true],
    ['accept-encoding', 'gzip;q=0', 'gzip', 'semantic', false],
    ['accept', 'text/html;v="A"', 'TEXT/html;v="a"', 'semantic', false],
  ] as const)('%s: %j and %j (%s) match: %s', (name, a, b, how, same) => {
    expect(normaliseValue(name, a, how) === normaliseValue(name, b, how)).toBe(same);
  });

  it('keyFields are part of the key whatever Vary says (hazard: unkeyed input)', () => {
    const cache = new HttpCache({ keyFields: ['X-Forwarded-Host'] });
    const request = (host: string) => get('/', ['X-Forwarded-Host', host]);
    exchange(cache, request('evil.example'), START, { fields: ['Cache-Control', FRESH], body: 'evil' });
    expect(exchange(cache, request('good.example'), START, {}).forwarded).toBe(true);
    expect(exchange(cache, request('evil.example'), START, {}).body).toBe('evil');
  });
});

it('property: nothing is ever served to a request that its Vary excludes', () => {
  const value = fc.option(fc.constantFrom('', 'a', 'b', 'a, b', 'b,a', '"a,b"'), { nil: undefined });
  const step = fc.record({
    target: fc.constantFrom('/1', '/2'),
    foo: value,
    bar: value,
    vary: fc.constantFrom('', 'Foo', 'Bar', 'bar, FOO'),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const cache = new HttpCache({ varyNormalisation: 'exact', maxVariants: 3 });
      steps.forEach(({ target, foo, bar, vary }, i) => {
        const fields: string[] = [];
        if (foo !== undefined) fields.push('Foo', foo);
        if (bar !== undefined) fields.push('Bar', bar);
        // The body says which request it is for, as far as its Vary nominates.
        const nominated = vary.toLowerCase();
        const body = JSON.stringify([
          target,
          nominated.includes('foo') ? (foo ?? null) : 'any',
          nominated.includes('bar') ? (bar ?? null) : 'any',
        ]);
        const reply = { fields: ['Cache-Control', FRESH, 'Vary', vary], body };
        const outcome = exchange(cache, get(target, fields), START + i * 1000, reply);
        const [forTarget, forFoo, forBar] = JSON.parse(outcome.body) as (string | null)[];
        expect(forTarget).toBe(target);
        expect(forFoo === 'any' ? 'any' : (foo ?? null)).toBe(forFoo);
        expect(forBar === 'any' ? 'any' : (bar ?? null)).toBe(forBar);
      });
    }),
  );
});

it('hazard: text that is not latin1, against the rules, is never taken for other text', () => {
  const cache = new HttpCache();
  exchange(cache, get('/\u0141', ['Foo', '\u0141']), START, {
    fields: ['Cache-Control', 'max-age=60', 'Vary', 'Foo'],
  });
  expect(exchange(cache, get('/\u0141', ['Foo', 'A']), START, {}).forwarded).toBe(true);
  expect(exchange(cache, get('/A', ['Foo', '\u0141']), START, {}).forwarded).toBe(true);
  expect(exchange(cache, get('/\u0141', ['Foo', '\u0141']), START, {}).kind).toBe('hit');
});
