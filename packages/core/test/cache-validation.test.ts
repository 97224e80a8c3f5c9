import { describe, it } from 'vitest';
import { date, scenario, type Step } from './support/cached.ts';

// RFC 9111 clause by clause, from a raw socket to a raw socket. Steps are one request each; `by` says who answers.

const fresh = 'Cache-Control: max-age=60';
const put = (...lines: string[]): Step => ({ reply: ['200 OK', ...lines], by: 'backend' });
const again = (by: Step['by'], more: Partial<Step> = {}): Step => ({ ...more, by });

describe('§4.3 validation', () => {
  const tag = 'ETag: "a"';
  it('sends both validators, in place of those of the client', () =>
    scenario([
      put(fresh, tag, `Last-Modified: ${date(-60)}`),
      again('backend', {
        at: 61,
        ask: ['If-None-Match: "b"'],
        forwarded: { 'If-None-Match': '"a"', 'If-Modified-Since': date(-60) },
        reply: ['304 X', tag],
        status: 200,
        content: 'body',
      }),
    ]));
  it('without validators the condition of the client goes forward', () =>
    scenario([
      put('Cache-Control: max-age=60, stale-if-error=60'),
      again('backend', {
        at: 61,
        ask: ['If-None-Match: "b"'],
        forwarded: { 'If-None-Match': '"b"' },
        reply: ['304 X', 'ETag: "b"'],
        status: 304,
      }),
    ]));
  it('a 304 freshens, and replaces fields but not those that describe the bytes (§3.2)', () =>
    scenario([
      put(fresh, tag, 'X: 1', 'Y: 1', 'Content-Encoding: br', 'Content-Type: text/a'),
      again('backend', {
        at: 61,
        reply: [
          '304 X',
          fresh,
          tag,
          'X: 2',
          'Content-Encoding: gzip',
          'Content-Type: text/b',
          'Content-Length: 999',
        ],
        status: 200,
        fields: { X: '2', 'Content-Encoding': 'br', 'Content-Length': '4' },
      }),
      again('cache', {
        at: 119,
        fields: {
          X: '2',
          Y: '1',
          'Content-Encoding': 'br',
          'Content-Type': 'text/b',
          'Content-Length': '4',
          Age: '58',
        },
      }),
    ]));
  it('a 304 of another cache: its Age counts, and is told', () =>
    scenario([
      put(fresh, tag),
      again('backend', { at: 61, reply: ['304 X', fresh, tag, 'Age: 50'], fields: { Age: '50' } }),
      again('cache', { at: 70, fields: { Age: '59' } }),
      again('backend', { at: 71 }),
    ]));
  it('a 304 about another strong tag is about nothing that is stored: asked again without conditions', () =>
    scenario([
      put(fresh, tag),
      again('backend', {
        at: 61,
        reply: ['304 X', 'ETag: "b"'],
        unconditional: ['200 OK', fresh, 'ETag: "b"'],
        body: 'new',
        status: 200,
        content: 'new',
        fields: { ETag: '"b"' },
      }),
      again('cache', { content: 'new' }),
    ]));
  it('a 200 replaces', () =>
    scenario([
      put(fresh, tag),
      again('backend', { at: 61, reply: ['200 OK', fresh], body: 'new', content: 'new' }),
      again('cache', { content: 'new' }),
    ]));
  it('a 200 that is not to be stored removes', () =>
    scenario([
      put(fresh, tag),
      again('backend', { at: 61, reply: ['200 OK', 'Cache-Control: no-store'] }),
      again('backend', { forwarded: { 'If-None-Match': undefined } }),
    ]));
  it('a 304 that says no-store answers once', () =>
    scenario([
      put(fresh, tag),
      again('backend', { at: 61, reply: ['304 X', 'Cache-Control: no-store', tag], status: 200 }),
      again('backend', { forwarded: { 'If-None-Match': undefined } }),
    ]));
  it('unqualified no-cache: every time', () =>
    scenario([
      put('Cache-Control: no-cache, max-age=60', tag),
      again('backend', { reply: ['304 X', 'Cache-Control: no-cache', tag], status: 200 }),
      again('backend', { reply: ['304 X', tag], status: 200 }),
    ]));
});

describe('§4.3.2 conditions of the client (RFC 9110 §13)', () => {
  const stored = put(fresh, 'ETag: "a,b"', `Last-Modified: ${date(-60)}`, `Date: ${date(0)}`);
  it.each([
    ['the tag', ['If-None-Match: "a,b"'], 304],
    ['weakly', ['If-None-Match: W/"a,b"'], 304],
    ['in a list', ['If-None-Match: "x", W/"y",  "a,b"'], 304],
    ['on another line', ['If-None-Match: "x"', 'If-None-Match: "a,b"'], 304],
    ['any', ['If-None-Match: *'], 304],
    ['another tag', ['If-None-Match: "a"'], 200],
    ['another tag, whatever the date says', ['If-None-Match: "a"', `If-Modified-Since: ${date(0)}`], 200],
    ['the date', [`If-Modified-Since: ${date(-60)}`], 304],
    ['a later date', [`If-Modified-Since: ${date(-30)}`], 304],
    ['an earlier date', [`If-Modified-Since: ${date(-90)}`], 200],
    ['no date at all', ['If-Modified-Since: yesterday'], 200],
  ] as const)('%s', async (_name, ask, wanted) => {
    const content = wanted === 304 ? '' : 'body';
    await scenario([
      stored,
      again('cache', {
        ask,
        status: wanted,
        content,
        fields: {
          ETag: '"a,b"',
          'Cache-Control': 'max-age=60',
          Age: '0',
          'Content-Length': wanted === 304 ? undefined : '4',
        },
      }),
    ]);
  });
  it.each(['If-Match: "a,b"', `If-Unmodified-Since: ${date(0)}`])('%s is for the origin', (line) =>
    scenario([stored, again('backend', { ask: [line], forwarded: { 'If-None-Match': undefined } })]),
  );
  it('only a 200 is ever "not modified"', () =>
    scenario([
      { reply: ['404 X', fresh, 'ETag: "a"'], by: 'backend' },
      again('cache', { ask: ['If-None-Match: "a"'], status: 404 }),
    ]));
});

describe('ranges of what is stored (RFC 9110 §14)', () => {
  const stored: Step = {
    ...put(fresh, 'ETag: "a"', `Last-Modified: ${date(-3600)}`, `Date: ${date(0)}`, 'Content-Type: text/a'),
    body: '0123456789',
  };
  it.each([
    ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
    ['bytes=5-', 206, '56789', 'bytes 5-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-30', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=8-100', 206, '89', 'bytes 8-9/10'],
    ['BYTES=0-0', 206, '0', 'bytes 0-0/10'],
    ['bytes=0-1, 20-30', 206, '01', 'bytes 0-1/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=-0', 416, '', 'bytes */10'],
    ['bytes=5-3', 200, '0123456789', undefined],
    ['bytes=a-b', 200, '0123456789', undefined],
    ['bytes=--3', 200, '0123456789', undefined],
    ['lines=0-1', 200, '0123456789', undefined],
    ['bytes=0-5, 3-8', 200, '0123456789', undefined],
  ] as const)('%s', async (range, wanted, content, contentRange) => {
    await scenario([
      stored,
      again('cache', {
        ask: [`Range: ${range}`],
        status: wanted,
        content,
        fields: { 'Content-Range': contentRange, 'Content-Length': String(content.length) },
      }),
    ]);
  });
  it('several: multipart', () =>
    scenario([
      stored,
      again('cache', {
        ask: ['Range: bytes=0-1,-2'],
        status: 206,
        content:
          '--BBB\r\nContent-Type: text/a\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--BBB\r\nContent-Type: text/a\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--BBB--\r\n'.replaceAll(
            'BBB',
            `${Math.floor(0.5 * 0xffffffff)
              .toString(36)
              .repeat(2)}0`,
          ),
        fields: { 'Content-Type': /^multipart\/byteranges; boundary=/, 'Content-Range': undefined },
      }),
    ]));
  it.each([
    ['"a"', 206],
    ['"b"', 200],
    ['W/"a"', 200],
    [date(-3600), 206],
    [date(-3599), 200],
    [date(-3601), 200],
  ] as const)('If-Range: %s', (value, wanted) =>
    scenario([stored, again('cache', { ask: ['Range: bytes=0-1', `If-Range: ${value}`], status: wanted })]),
  );
  it('a date that is no strong validator (§8.8.2.2)', () =>
    scenario([
      put(fresh, `Last-Modified: ${date(0)}`, `Date: ${date(0)}`),
      again('cache', { ask: ['Range: bytes=0-1', `If-Range: ${date(0)}`], status: 200 }),
    ]));
  it('If-None-Match goes before Range (§13.2.2)', () =>
    scenario([stored, again('cache', { ask: ['Range: bytes=0-1', 'If-None-Match: "a"'], status: 304 })]));
  it('HEAD knows no ranges', () =>
    scenario([
      stored,
      again('cache', {
        method: 'HEAD',
        ask: ['Range: bytes=0-1'],
        status: 200,
        fields: { 'Content-Length': '10' },
      }),
    ]));
  it('what is stale is validated, and then answers the range', () =>
    scenario([
      stored,
      again('backend', {
        at: 61,
        ask: ['Range: bytes=0-1'],
        reply: ['304 X', 'ETag: "a"'],
        status: 206,
        content: '01',
      }),
    ]));
  it('what is not stored: the range goes forward, and a whole answer is stored', () =>
    scenario([
      { ...stored, ask: ['Range: bytes=0-1'], forwarded: { Range: 'bytes=0-1' }, status: 200 },
      again('cache', { ask: ['Range: bytes=0-1'], status: 206 }),
    ]));
});

describe('§4.3.5 HEAD', () => {
  it('GET answers HEAD, with the length', () =>
    scenario([
      put(fresh),
      again('cache', { method: 'HEAD', content: '', fields: { 'Content-Length': '4' } }),
    ]));
  it('HEAD does not answer GET', () => scenario([{ ...put(fresh), method: 'HEAD' }, again('backend')]));
  const validated = (lines: readonly string[], by: Step['by']) =>
    scenario([
      put(fresh, 'ETag: "a"', 'X: 1'),
      { method: 'HEAD', at: 61, reply: ['200 OK', ...lines], by: 'backend' },
      again(by, { at: 62, reply: ['200 OK'] }),
    ]);
  it('one that agrees brings GET up to date', () =>
    validated([fresh, 'ETag: "a"', 'Content-Length: 4', 'X: 2'], 'cache'));
  it('another tag makes it stale', () => validated([fresh, 'ETag: "b"', 'Content-Length: 4'], 'backend'));
  it('another length too', () => validated([fresh, 'ETag: "a"', 'Content-Length: 5'], 'backend'));
});

describe('§4.4 invalidation', () => {
  const seen = put(fresh);
  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'BREW', 'get'])('%s that succeeds', (method) =>
    scenario([
      seen,
      { method, ask: ['Content-Length: 0'], reply: ['204 X'], by: 'backend' },
      again('backend'),
    ]),
  );
  it.each(['BREW', 'get'])('%s, which nobody knows, and nothing of it is stored', (method) =>
    scenario([
      seen,
      { method, reply: ['200 OK', fresh], by: 'backend' },
      { method, reply: ['200 OK', fresh], by: 'backend' },
      again('backend'),
    ]),
  );
  it.each([400, 404, 500])('not one that fails with %d', (code) =>
    scenario([
      seen,
      { method: 'POST', ask: ['Content-Length: 0'], reply: [`${code} X`], by: 'backend' },
      again('cache'),
    ]),
  );
  it.each(['OPTIONS', 'HEAD'])('not %s, which is safe', (method) =>
    scenario([
      seen,
      {
        method,
        ask: method === 'HEAD' ? ['Cache-Control: no-cache'] : [],
        reply: ['200 OK', fresh],
        by: 'backend',
      },
      again('cache'),
    ]),
  );
  it.each([
    ['Location: /b', 'backend'],
    ['Location: http://A:80/b', 'backend'],
    ['Content-Location: b', 'backend'],
    ['Location: http://other/b', 'cache'],
    ['Content-Location: https://a/b', 'cache'],
    ['Location: http://a:81/b', 'cache'],
  ] as const)('%s', async (line, by) => {
    await scenario([
      { ...seen, target: '/b' },
      { method: 'POST', target: '/a', ask: ['Content-Length: 0'], reply: ['201 X', line], by: 'backend' },
      again(by, { target: '/b' }),
    ]);
  });
});
