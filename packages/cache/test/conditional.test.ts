import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatHttpDate, HttpCache, listHasTag, resolveRange } from '@rp/cache';
import { exchange, get, put, START } from './exchange.ts';

const MODIFIED = START - 100_000;
const BODY = '0123456789';

function ask(
  request: string[],
  stored: string[] = ['ETag', '"a"', 'Last-Modified', formatHttpDate(MODIFIED)],
  method = 'GET',
) {
  const cache = new HttpCache({ random: () => 0.5 });
  put(cache, '/', ['Cache-Control', 'max-age=600', 'X', '1', ...stored], BODY);
  return exchange(cache, get('/', request, method), START + 1000, { body: 'new' });
}

describe("the client's preconditions (RFC 9110 §13.2.2, RFC 9111 §4.3.2)", () => {
  it.each([
    ['§13.1.2 the tag', ['If-None-Match', '"a"'], 304],
    ['§13.1.2 weak comparison', ['If-None-Match', 'W/"a"'], 304],
    ['§13.1.2 one of a list', ['If-None-Match', '"x, y", W/"z",  "a"'], 304],
    ['§13.1.2 *', ['If-None-Match', '*'], 304],
    ['§13.1.2 another', ['If-None-Match', '"b"'], 200],
    [
      '§13.1.2 goes before If-Modified-Since',
      ['If-None-Match', '"b"', 'If-Modified-Since', formatHttpDate(START)],
      200,
    ],
    ['§13.1.3 not modified', ['If-Modified-Since', formatHttpDate(MODIFIED)], 304],
    ['§13.1.3 modified', ['If-Modified-Since', formatHttpDate(MODIFIED - 1000)], 200],
    ['§13.1.3 not a date: ignored', ['If-Modified-Since', 'yesterday'], 200],
    ['§13.1.3 RFC 850', ['If-Modified-Since', 'Monday, 01-Jun-26 12:00:00 GMT'], 304],
  ])('%s', (_name, request, status) => {
    expect(ask(request)).toMatchObject({ forwarded: false, status });
  });

  it('§4.3.2 of 9111: Date stands in for Last-Modified', () => {
    expect(ask(['If-Modified-Since', formatHttpDate(START)], []).status).toBe(304);
    expect(ask(['If-Modified-Since', formatHttpDate(START - 1000)], []).status).toBe(200);
  });

  it('§15.4.5 a 304 has the fields that it must have, and not the others', () => {
    const { fields } = ask(
      ['If-None-Match', '"a"'],
      ['ETag', '"a"', 'Vary', 'Foo', 'Expires', 'x', 'Content-Type', 't'],
    );
    expect(fields.filter((_field, i) => i % 2 === 0)).toEqual([
      'Cache-Control',
      'ETag',
      'Vary',
      'Expires',
      'Date',
    ]);
  });

  it.each(['If-Match', 'If-Unmodified-Since'])('%s is for the origin: forwarded', (name) => {
    expect(ask([name, '"a"']).forwarded).toBe(true);
  });

  it('§13.2.1 only a 200 can be not modified', () => {
    const cache = new HttpCache();
    exchange(cache, get('/'), START, { status: 404, fields: ['Cache-Control', 'max-age=60', 'ETag', '"a"'] });
    expect(exchange(cache, get('/', ['If-None-Match', '"a"']), START, {}).status).toBe(404);
  });

  it('commas inside of a tag do not split it', () => {
    expect(listHasTag('"a,b"', '"a,b"')).toBe(true);
    expect(listHasTag('"x,"a"', '"a"')).toBe(false);
  });
});

describe('Range (RFC 9110 §14)', () => {
  it.each([
    ['bytes=0-1', '01', 'bytes 0-1/10'],
    ['bytes=8-', '89', 'bytes 8-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-99', BODY, 'bytes 0-9/10'],
    ['bytes=5-99', '56789', 'bytes 5-9/10'],
    ['Bytes = 5-99', '56789', 'bytes 5-9/10'],
    ['bytes=5-6, 77-', '56', 'bytes 5-6/10'],
  ])('%s', (range, body, contentRange) => {
    const outcome = ask(['Range', range]);
    expect(outcome).toMatchObject({ status: 206, body });
    expect(outcome.fields[outcome.fields.indexOf('Content-Range') + 1]).toBe(contentRange);
    expect(outcome.fields).toContain('X');
  });

  it.each(['bytes=10-', 'bytes=-0', 'bytes=20-30,40-'])('%s cannot be satisfied', (range) => {
    const outcome = ask(['Range', range]);
    expect(outcome).toMatchObject({ status: 416, body: '' });
    expect(outcome.fields).toContain('bytes */10');
  });

  it.each(['bytes=', 'bytes=a-b', 'bytes=3-1', 'lines=0-1', 'bytes=-', '0-1', 'bytes=0-1;x'])(
    '%s is ignored',
    (range) => {
      expect(ask(['Range', range])).toMatchObject({ status: 200, body: BODY });
    },
  );

  it('hazard: many or overlapping ranges get the whole', () => {
    expect(ask(['Range', 'bytes=0-5,3-7']).status).toBe(200);
    expect(ask(['Range', `bytes=${Array.from({ length: 40 }, () => '0-0').join()}`]).status).toBe(200);
    expect(
      resolveRange(`bytes=${Array.from({ length: 17 }, (_, i) => `${i * 2}-${i * 2}`).join()}`, 100, {
        maxRanges: 16,
      }).kind,
    ).toBe('whole');
  });

  it('§14.6 several ranges are multipart/byteranges', () => {
    const outcome = ask(['Range', 'bytes=0-1,8-9']);
    const type = outcome.fields[outcome.fields.lastIndexOf('Content-Type') + 1] ?? '';
    const boundary = type.replace('multipart/byteranges; boundary=', '');
    expect(outcome.body).toBe(
      `--${boundary}\r\nContent-Range: bytes 0-1/10\r\n\r\n01` +
        `\r\n--${boundary}\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--${boundary}--\r\n`,
    );
  });

  it.each([
    ['the strong tag', '"a"', 206],
    ['another tag', '"b"', 200],
    ['a weak tag', 'W/"a"', 200],
    ['the date, a minute older than Date', formatHttpDate(MODIFIED), 206],
    ['another date', formatHttpDate(START), 200],
  ])('§13.1.5 If-Range with %s', (_name, ifRange, status) => {
    expect(ask(['Range', 'bytes=0-1', 'If-Range', ifRange]).status).toBe(status);
  });

  it('§13.2.2 If-None-Match goes before Range', () => {
    expect(ask(['Range', 'bytes=0-1', 'If-None-Match', '"a"']).status).toBe(304);
  });

  it('hazard: 206 stored as 200 — never', () => {
    const cache = new HttpCache();
    const reply = { status: 206, fields: ['Cache-Control', 'max-age=60', 'Content-Range', 'bytes 0-1/10'] };
    exchange(cache, get('/', ['Range', 'bytes=0-1']), START, reply);
    expect(exchange(cache, get('/'), START, {}).forwarded).toBe(true);
    expect(exchange(cache, get('/', ['Range', 'bytes=0-1']), START, {}).forwarded).toBe(true);
  });

  it('property: ranges lie within the body and do not overlap', () => {
    const spec = fc.oneof(
      fc.tuple(fc.nat(50), fc.nat(50)).map(([a, b]) => `${a}-${b}`),
      fc.nat(50).map((a) => `${a}-`),
      fc.nat(50).map((a) => `-${a}`),
    );
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 6 }), fc.nat(30), (specs, length) => {
        const outcome = resolveRange(`bytes=${specs.join()}`, length, { maxRanges: 4 });
        if (outcome.kind !== 'ranges') return;
        const seen = new Set<number>();
        for (let i = 0; i < outcome.positions.length; i += 2) {
          for (let at = outcome.positions[i] as number; at <= (outcome.positions[i + 1] as number); at++) {
            expect(at < length && !seen.has(at)).toBe(true);
            seen.add(at);
          }
        }
      }),
    );
  });
});
