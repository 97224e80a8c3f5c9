import type { CacheOptions } from '@rp/cache';
import { describe, it } from 'vitest';
import { date, scenario, type Step } from './support/cached.ts';

// RFC 9111 clause by clause, from a raw socket to a raw socket. Steps are one request each; `by` says who answers.

const fresh = 'Cache-Control: max-age=60';
const put = (...lines: string[]): Step => ({ reply: ['200 OK', ...lines], by: 'backend' });
const again = (by: Step['by'], more: Partial<Step> = {}): Step => ({ ...more, by });

describe('§4.1 Vary', () => {
  const vary = (
    names: string,
    first: readonly string[],
    second: readonly string[],
    by: Step['by'],
    options?: CacheOptions,
  ) =>
    scenario(
      [
        { ...put(fresh, ...names.split('|').map((one) => `Vary: ${one}`)), ask: first },
        again(by, { ask: second }),
      ],
      options,
    );

  it('the same value', () => vary('Foo', ['Foo: 1'], ['Foo: 1'], 'cache'));
  it('another value', () => vary('Foo', ['Foo: 1'], ['Foo: 2'], 'backend'));
  it('values are case-sensitive', () => vary('Foo', ['Foo: a'], ['Foo: A'], 'backend'));
  it('names are not', () => vary('fOO', ['Foo: 1'], ['FOO: 1'], 'cache'));
  it('absent and empty differ', () => vary('Foo', [], ['Foo:'], 'backend'));
  it('absent both times', () => vary('Foo', [], [], 'cache'));
  it('several lines of Vary', () => vary('Foo|Bar', ['Foo: 1', 'Bar: 1'], ['Foo: 1', 'Bar: 2'], 'backend'));
  it('lines of the request are combined', () => vary('Foo', ['Foo: 1', 'Foo: 2'], ['Foo: 1,2'], 'cache'));
  it('in another order they are something else', () =>
    vary('Foo', ['Foo: 1', 'Foo: 2'], ['Foo: 2', 'Foo: 1'], 'backend'));
  it('white space around commas is nothing', () => vary('Foo', ['Foo: 1 ,  2'], ['Foo: 1,2'], 'cache'));
  it('inside of quotes it is', () => vary('Foo', ['Foo: "1, 2"'], ['Foo: "1,2"'], 'backend'));
  it('* never matches', () => vary('*', [], [], 'backend'));
  it('* among others neither', () => vary('Foo, *', ['Foo: 1'], ['Foo: 1'], 'backend'));
  it('what is no name is in doubt', () => vary('Foo bar', ['Foo: 1'], ['Foo: 1'], 'backend'));
  it('both variants are kept', async () => {
    const one = ['Foo: 1'];
    const two = ['Foo: 2'];
    await scenario([
      { ...put(fresh, 'Vary: Foo'), ask: one, body: 'one' },
      { ...put(fresh, 'Vary: Foo'), ask: two, body: 'two' },
      again('cache', { ask: one, content: 'one' }),
      again('cache', { ask: two, content: 'two' }),
    ]);
  });
});

describe('§4.2.4 stale', () => {
  const tag = 'ETag: "a"';
  const stale = (
    directives: string,
    ask: readonly string[],
    by: Step['by'],
    at: number,
    reply: readonly string[] = ['200 OK'],
  ) => scenario([put(`Cache-Control: ${directives}`, tag), again(by, { at, ask, reply })]);

  it('is validated', () => stale('max-age=60', [], 'backend', 60));
  it('max-stale', () => stale('max-age=60', ['Cache-Control: max-stale=10'], 'cache', 70));
  it('max-stale exceeded', () => stale('max-age=60', ['Cache-Control: max-stale=10'], 'backend', 71));
  it('max-stale without a value', () => stale('max-age=60', ['Cache-Control: max-stale'], 'cache', 7000));
  it.each(['must-revalidate', 'proxy-revalidate', 's-maxage=60', 'no-cache'])('not with %s', (directive) =>
    stale(`max-age=60, ${directive}`, ['Cache-Control: max-stale'], 'backend', 61),
  );
  it.each([500, 502, 503, 504])('stale-if-error: instead of %d', async (code) => {
    await scenario([
      put('Cache-Control: max-age=60, stale-if-error=60', tag),
      again('backend', {
        at: 119,
        reply: [`${code} X`],
        status: 200,
        content: 'body',
        fields: { Age: '119' },
      }),
    ]);
  });
  it('stale-if-error is over', () =>
    scenario([
      put('Cache-Control: max-age=60, stale-if-error=60', tag),
      again('backend', { at: 121, reply: ['503 X'], status: 503 }),
    ]));
  it('stale-if-error is not for 404', () =>
    scenario([
      put('Cache-Control: max-age=60, stale-if-error=60', tag),
      again('backend', { at: 61, reply: ['404 X'], status: 404 }),
    ]));
  it('stale-if-error in the request', () =>
    scenario([
      put(fresh, tag),
      again('backend', { at: 61, ask: ['Cache-Control: stale-if-error=60'], reply: ['503 X'], status: 200 }),
    ]));
  it('without it an error is an error', () =>
    scenario([put(fresh, tag), again('backend', { at: 61, reply: ['503 X'], status: 503 })]));
  it.each(['must-revalidate', 'proxy-revalidate', 's-maxage=60'])('%s forbids stale-if-error', (directive) =>
    scenario([
      put(`Cache-Control: max-age=60, stale-if-error=60, ${directive}`, tag),
      again('backend', { at: 61, reply: ['503 X'], status: 503 }),
    ]),
  );
});

describe('§5.2.1 directives of requests', () => {
  const asked = (ask: readonly string[], by: Step['by'], more: Partial<Step> = {}, directives = fresh) =>
    scenario([put(directives, 'ETag: "a"'), again(by, { at: 10, ask, ...more })]);

  it('no-cache', () =>
    asked(['Cache-Control: no-cache'], 'backend', {
      forwarded: { 'If-None-Match': '"a"' },
      reply: ['304 X', 'ETag: "a"'],
      status: 200,
    }));
  it('Pragma: no-cache', () => asked(['Pragma: no-cache'], 'backend'));
  it('Pragma beside Cache-Control counts for nothing (§5.4)', () =>
    asked(['Pragma: no-cache', 'Cache-Control: max-age=60'], 'cache'));
  it('max-age=9 for something older', () => asked(['Cache-Control: max-age=9'], 'backend'));
  it('max-age=10 for what is just as old', () => asked(['Cache-Control: max-age=10'], 'cache'));
  it('max-age=0', () => asked(['Cache-Control: max-age=0'], 'backend'));
  it('min-fresh=50', () => asked(['Cache-Control: min-fresh=50'], 'cache'));
  it('min-fresh=51', () => asked(['Cache-Control: min-fresh=51'], 'backend'));
  it('only-if-cached, stored', () => asked(['Cache-Control: only-if-cached'], 'cache', { status: 200 }));
  it('only-if-cached, not stored', () =>
    scenario([again('cache', { ask: ['Cache-Control: only-if-cached'], status: 504 })]));
  it('only-if-cached, stale', () =>
    asked(['Cache-Control: only-if-cached'], 'cache', { at: 61, status: 504 }));
  it('no-store: the response is not stored', () =>
    scenario([{ ...put(fresh), ask: ['Cache-Control: no-store'] }, again('backend')]));
  it('no-store: what is stored may answer', () => asked(['Cache-Control: no-store'], 'cache'));
  it('no-store: what is stale is not brought up to date by the response', () =>
    scenario([
      put(fresh, 'ETag: "a"', 'X: 1'),
      again('backend', {
        at: 61,
        ask: ['Cache-Control: no-store'],
        forwarded: { 'If-None-Match': undefined },
        reply: ['200 OK', fresh, 'X: 2'],
        fields: { X: '2' },
      }),
      again('backend', {
        forwarded: { 'If-None-Match': '"a"' },
        reply: ['304 X', fresh, 'ETag: "a"'],
        fields: { X: '1' },
      }),
    ]));
});

describe('RFC 9213 targeted fields', () => {
  it.each([
    ['goes before Cache-Control', ['CDN-Cache-Control: max-age=60', 'Cache-Control: no-store'], 'cache'],
    ['and before Expires', ['CDN-Cache-Control: max-age=60', 'Expires: 0'], 'cache'],
    ['forbids too', ['CDN-Cache-Control: no-store', fresh], 'backend'],
    [
      'one that is no dictionary counts for nothing',
      ['CDN-Cache-Control: max-age=60 no-store', 'Cache-Control: max-age=5'],
      'cache',
    ],
    [
      'nor one whose number is a string',
      ['CDN-Cache-Control: max-age="60"', 'Cache-Control: no-store'],
      'backend',
    ],
    ['nor a decimal', ['CDN-Cache-Control: max-age=60.5', 'Cache-Control: no-store'], 'backend'],
    ['nor an empty one', ['CDN-Cache-Control:', fresh], 'cache'],
    ['parameters are ignored', ['CDN-Cache-Control: max-age=60;a=1', 'Cache-Control: no-store'], 'cache'],
    [
      'names are case-sensitive keys',
      ['CDN-Cache-Control: Max-Age=60', 'Cache-Control: no-store'],
      'backend',
    ],
    ['without any freshness of its own there is none', ['CDN-Cache-Control: public', fresh], 'backend'],
  ] as const)('%s', async (_name, lines, by) => {
    await scenario([put(...lines), again(by, { at: 1 })]);
  });
  it('passes on unchanged', () =>
    scenario([{ ...put('CDN-Cache-Control: max-age=60'), fields: { 'CDN-Cache-Control': 'max-age=60' } }]));
});

describe('RFC 9211 Cache-Status', () => {
  it('says what happened', () =>
    scenario([
      { ...put(fresh, 'ETag: "a"'), fields: { 'Cache-Status': 'rp; fwd=uri-miss; stored' } },
      again('cache', { at: 10, fields: { 'Cache-Status': 'rp; hit; ttl=50' } }),
      again('backend', {
        at: 61,
        reply: ['304 X', fresh, 'ETag: "a"'],
        fields: { 'Cache-Status': 'rp; fwd=stale; fwd-status=304' },
      }),
      again('backend', {
        ask: ['Cache-Control: no-cache'],
        reply: ['200 OK', 'Cache-Control: no-store'],
        fields: { 'Cache-Status': 'rp; fwd=request; detail=no-store' },
      }),
      {
        method: 'POST',
        ask: ['Content-Length: 0'],
        by: 'backend',
        fields: { 'Cache-Status': 'rp; fwd=method' },
      },
    ]));
  it('stands behind that of a cache in front of it', () =>
    scenario([
      { ...put(fresh, 'Cache-Status: origin; hit'), fields: { 'Cache-Status': 'origin; hit' } },
      again('cache', { fields: { 'Cache-Status': 'origin; hit' } }),
    ]));
  it('a name that is no token is a string', () =>
    scenario([{ ...put(fresh), fields: { 'Cache-Status': '"my \\"cache\\""; fwd=uri-miss; stored' } }], {
      cacheName: 'my "cache"',
    }));
});

describe('hazards', () => {
  it.each([
    'X-HTTP-Method-Override: PUT',
    'X-Original-URL: /admin',
    'X-Rewrite-URL: /admin',
    'Content-Length: 4\r\n\r\nbody',
  ])('hazard: unkeyed input (%s) is neither stored nor answered', (line) =>
    scenario(
      [
        { ...put(fresh), ask: [line] },
        again('backend', { reply: ['200 OK', fresh] }),
        again('backend', { ask: [line] }),
      ].slice(0, line.startsWith('Content') ? 1 : 3),
    ),
  );
  it('hosts and targets are apart; case of hosts and a default port are not', () =>
    scenario([
      { ...put(fresh), host: 'a', target: '/x' },
      { ...put(fresh), host: 'b', target: '/x' },
      { ...put(fresh), host: 'a', target: '/X' },
      { ...put(fresh), host: 'a', target: '/x?' },
      again('cache', { host: 'A:80', target: '/x' }),
      again('cache', { host: 'a', target: 'http://a/x' }),
    ]));
  it('an answer without Date gets one', () =>
    scenario([
      { ...put(fresh), fields: { Date: date(0) } },
      again('cache', { at: 5, fields: { Date: date(0), Age: '5' } }),
    ]));
});
