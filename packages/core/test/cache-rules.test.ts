import { describe, it } from 'vitest';
import { date, scenario, type Step } from './support/cached.ts';

// RFC 9111 clause by clause, from a raw socket to a raw socket. Steps are one request each; `by` says who answers.

const fresh = 'Cache-Control: max-age=60';
const put = (...lines: string[]): Step => ({ reply: ['200 OK', ...lines], by: 'backend' });
const again = (by: Step['by'], more: Partial<Step> = {}): Step => ({ ...more, by });

/** Stored by these lines or not. */
const cases = (
  title: string,
  list: readonly (readonly [name: string, lines: readonly string[], by: Step['by'], more?: Partial<Step>])[],
): void => {
  describe(`${title}`, () => {
    it.each(list.map(([name, lines, by, more]) => ({ name, lines, by, more })))(
      '$name',
      ({ lines, by, more }) => scenario([put(...lines), again(by, { at: 1, ...more })]),
    );
  });
};

cases('§5.2 the grammar of Cache-Control', [
  ['a quoted argument', ['Cache-Control: max-age="60"'], 'cache'],
  ['names in any case', ['Cache-Control: MAX-age=60'], 'cache'],
  ['white space and empty members', ['Cache-Control: ,, \t public ,max-age=60,,'], 'cache'],
  ['several lines', ['Cache-Control: public', 'Cache-Control: max-age=60'], 'cache'],
  ['no-store in the second line', ['Cache-Control: max-age=60', 'Cache-Control: no-store'], 'backend'],
  [
    'unknown directives, with arguments that look like known ones',
    ['Cache-Control: x="no-store, a", max-age=60'],
    'cache',
  ],
  ['the same directive twice', ['Cache-Control: max-age=60, max-age=60'], 'cache'],
  ['twice with different values: stale', ['Cache-Control: max-age=60, max-age=120'], 'backend'],
  ['a negative number: stale', ['Cache-Control: max-age=-1'], 'backend'],
  ['a decimal: stale', ['Cache-Control: max-age=60.5'], 'backend'],
  ['no number: stale', ['Cache-Control: max-age=a'], 'backend'],
  ['no argument: stale', ['Cache-Control: max-age'], 'backend'],
  [
    'more digits than any number has',
    [`Cache-Control: max-age=${'9'.repeat(40)}`],
    'cache',
    { at: 2_000_000_000 },
  ],
  ['invalid max-age beside Expires: stale', ['Cache-Control: max-age=a', `Expires: ${date(60)}`], 'backend'],
  ['invalid s-maxage beside max-age: stale', ['Cache-Control: s-maxage=a, max-age=60'], 'backend'],
  ['an open quote', ['Cache-Control: max-age=60, x="'], 'backend'],
]);

cases('§4.2.1 the freshness lifetime', [
  ['s-maxage goes before max-age', ['Cache-Control: max-age=1, s-maxage=60'], 'cache', { at: 30 }],
  ['s-maxage=0 too', ['Cache-Control: max-age=60, s-maxage=0'], 'backend'],
  ['max-age goes before Expires', [fresh, `Expires: ${date(-60)}`], 'cache'],
  ['Expires alone', [`Expires: ${date(60)}`, `Date: ${date(0)}`], 'cache', { at: 59 }],
  ['Expires past', [`Expires: ${date(60)}`, `Date: ${date(0)}`], 'backend', { at: 60 }],
  ['Expires counts from Date', [`Expires: ${date(3660)}`, `Date: ${date(3600)}`], 'backend', { at: 61 }],
  ['Expires: 0', ['Expires: 0', `Last-Modified: ${date(-86_400)}`], 'backend'],
  ['Expires: -1', ['Expires: -1', `Last-Modified: ${date(-86_400)}`], 'backend'],
  ['Expires without a zone', [`Expires: ${date(60).replace(' GMT', '')}`], 'backend'],
  ['Expires in another zone', [`Expires: ${date(60).replace('GMT', 'CET')}`], 'backend'],
  ['Expires as RFC 850 wrote it', ['Expires: Friday, 01-Jan-27 00:00:00 GMT'], 'cache'],
  ['Expires as asctime writes it', ['Expires: Fri Jan  1 00:00:00 2027'], 'cache'],
  ['a day that does not exist', ['Expires: Mon, 31 Feb 2028 00:00:00 GMT'], 'backend'],
  ['two Expires that differ', [`Expires: ${date(60)}`, `Expires: ${date(120)}`], 'backend'],
]);

cases('§4.2.2 heuristics', [
  ['a tenth of the time since Last-Modified', [`Last-Modified: ${date(-1000)}`], 'cache', { at: 99 }],
  ['and no more', [`Last-Modified: ${date(-1000)}`], 'backend', { at: 101 }],
  ['not for a Last-Modified to come', [`Last-Modified: ${date(1000)}`], 'backend'],
  ['not beside max-age', ['Cache-Control: max-age=0', `Last-Modified: ${date(-86_400)}`], 'backend'],
]);

cases('§4.2.3 age', [
  ['Age counts', [fresh, 'Age: 50'], 'backend', { at: 10 }],
  ['the first member of a list', [fresh, 'Age: 0, 7200'], 'cache'],
  ['the first of two lines', [fresh, 'Age: 7200', 'Age: 0'], 'backend'],
  ['an invalid one is ignored', [fresh, 'Age: a'], 'cache', { fields: { Age: '1' } }],
  ['a negative one is ignored', [fresh, 'Age: -5'], 'cache'],
  ['one too large is as large as can be', [fresh, `Age: ${'9'.repeat(30)}`], 'backend'],
  ['Date in the past counts', [fresh, `Date: ${date(-50)}`], 'backend', { at: 10 }],
  ['Date to come is none', [fresh, `Date: ${date(3600)}`], 'cache', { at: 59, fields: { Age: '59' } }],
  ['an invalid Date is none', [fresh, 'Date: yesterday'], 'cache', { at: 59 }],
  ['the answer tells it', [fresh, 'Age: 5'], 'cache', { fields: { Age: '6' } }],
]);

cases('§3 what may be stored', [
  ['no-store', ['Cache-Control: no-store, max-age=60'], 'backend'],
  ['private', ['Cache-Control: private, max-age=60'], 'backend'],
  [
    'private="x-a": without that field',
    ['Cache-Control: private="x-a", max-age=60', 'X-A: 1', 'X-B: 2'],
    'cache',
    { fields: { 'X-A': undefined, 'X-B': '2' } },
  ],
  [
    'no-cache="x-a": without that field',
    ['Cache-Control: no-cache="x-a, x-c", max-age=60', 'X-A: 1', 'X-B: 2'],
    'cache',
    { fields: { 'X-A': undefined, 'X-B': '2' } },
  ],
  ['private="" is private', ['Cache-Control: private="", max-age=60'], 'backend'],
  ['public beside no freshness at all', ['Cache-Control: public'], 'backend'],
  ['must-understand with a known status', ['Cache-Control: must-understand, no-store, max-age=60'], 'cache'],
  [
    'fields named by Connection',
    [fresh, 'Connection: X-A', 'X-A: 1', 'X-B: 2'],
    'cache',
    { fields: { 'X-A': undefined, 'X-B': '2' } },
  ],
  [
    'hop-by-hop fields',
    [fresh, 'Keep-Alive: timeout=5', 'Proxy-Authenticate: Basic'],
    'cache',
    { fields: { 'Keep-Alive': undefined, 'Proxy-Authenticate': undefined } },
  ],
  ['Pragma of a response means nothing', [fresh, 'Pragma: no-cache'], 'cache'],
  ['Set-Cookie with explicit freshness', [fresh, 'Set-Cookie: a=b'], 'cache'],
  ['Set-Cookie by a guess', [`Last-Modified: ${date(-86_400)}`, 'Set-Cookie: a=b'], 'backend'],
]);

describe('§3 by status code', () => {
  const stored = async (start: string, lines: readonly string[], by: Step['by']): Promise<void> => {
    await scenario([{ reply: [start, ...lines], by: 'backend' }, again(by, { at: 1 })]);
  };

  it.each([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])('%d by a heuristic', (code) =>
    stored(`${code} X`, [`Last-Modified: ${date(-86_400)}`], 'cache'),
  );
  it.each([201, 302, 303, 307, 400, 403, 500, 503, 599])('%d only when the origin says so', async (code) => {
    await stored(`${code} X`, [`Last-Modified: ${date(-86_400)}`], 'backend');
    await stored(`${code} X`, [fresh], 'cache');
    await stored(`${code} X`, ['Cache-Control: public', `Last-Modified: ${date(-86_400)}`], 'cache');
  });
  it.each([412, 416, 417, 428, 429, 431, 511])(
    'hazard: %d answers one request and is never stored (RFC 6585)',
    (code) => stored(`${code} X`, [fresh], 'backend'),
  );
  it('an unknown one with must-understand is not', () =>
    stored('299 X', ['Cache-Control: must-understand, max-age=60'], 'backend'));
  it('206 is not stored as 200', () =>
    scenario([
      {
        ask: ['Range: bytes=0-1'],
        reply: ['206 Partial Content', fresh, 'Content-Range: bytes 0-1/4', 'ETag: "a"'],
        body: 'bo',
        by: 'backend',
      },
      again('backend', { reply: ['200 OK', fresh] }),
      again('cache', { content: 'body' }),
    ]));
});

describe('§3.5 Authorization', () => {
  const ask = ['Authorization: Basic eA=='];
  it.each([
    ['not stored', [fresh], 'backend'],
    ['public', [`${fresh}, public`], 'cache'],
    ['s-maxage', ['Cache-Control: s-maxage=60'], 'cache'],
    ['must-revalidate', [`${fresh}, must-revalidate`], 'cache'],
    ['proxy-revalidate is not on the list', [`${fresh}, proxy-revalidate`], 'backend'],
  ] as const)('%s', async (_name, lines, by) => {
    await scenario([{ ...put(...lines), ask }, again(by)]);
  });
});
