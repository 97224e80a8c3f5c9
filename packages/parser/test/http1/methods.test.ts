import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { liveParsers, ParserEvent, RequestParser, type WireLimits } from '../../src/index.ts';
import { everyByte, replay } from './replay.ts';

const runs = { numRuns: 500, seed: 20_261_123 };
const requests = new RequestParser();
afterAll(() => requests.close());

const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/** Any token as long as a method may be, and those that look like what llhttp knows. */
const method = fc.oneof(
  fc.string({ unit: fc.constantFrom(...tchar), minLength: 1, maxLength: 64 }),
  fc.constantFrom('get', 'GETS', 'GE', 'H', 'CONNEC', 'CONNECTS', 'PRIX', 'PR', 'M-SEARC', 'SOURCE', 'SOURC'),
  fc.constantFrom('DESCRIBE', 'ANNOUNCE', 'SETUP', 'PLAY', 'PAUSE', 'TEARDOWN', 'GET_PARAMETER', 'FLUSH'),
);
const rest = fc.constantFrom(
  ' / HTTP/1.1\r\nHost: a\r\n\r\n',
  ' /x?y HTTP/1.0\r\nA: b\r\n\r\n',
  ' http://b:80 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  ' / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcdeGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  ' / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nT: u\r\n\r\n',
  ' / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc',
);
const damage = fc.array(
  fc.record({
    at: fc.nat(150),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(10, 13, 0, 32, 9, 58, 44)),
    insert: fc.boolean(),
  }),
  { maxLength: 2 },
);
const cutsOf = fc.array(fc.nat(250), { maxLength: 6 });

/** Everything behind the method; what comes directly behind it decides where it ends, and stays a space. */
function damaged(text: string, wounds: readonly { at: number; byte: number; insert: boolean }[]): Buffer {
  const bytes = [...Buffer.from(text, 'latin1')];
  for (const { at, byte, insert } of wounds) bytes.splice(1 + (at % bytes.length), insert ? 0 : 1, byte);
  return Buffer.from(bytes);
}

describe('a method is any token (RFC 9110 §9.1)', () => {
  test('and changes nothing but itself, whatever follows it and however that is cut', () => {
    fc.assert(
      fc.property(method, rest, damage, cutsOf, fc.boolean(), (name, text, wounds, cuts, follows) => {
        const behind = damaged(text, wounds);
        const before = follows ? 'PUT / HTTP/1.1\r\nHost: a\r\n\r\n' : '';
        const known = Buffer.concat([Buffer.from(`${before}POST`), behind]);
        const bytes = Buffer.concat([Buffer.from(before + name), behind]);
        const expected = replay(requests, known, []).map((line) =>
          // A function: the method may have what means something in a replacement.
          line.replace(/^head POST /, () => `head ${name} `),
        );
        const sorted = [...new Set(cuts)].filter((cut) => cut > 0 && cut < bytes.length);
        expect(
          replay(
            requests,
            bytes,
            sorted.toSorted((a, b) => a - b),
          ),
        ).toEqual(expected);
        expect(replay(requests, bytes, everyByte(bytes.length))).toEqual(expected);
      }),
      runs,
    );
  });

  test('and is none with anything else in it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...tchar), minLength: 1, maxLength: 30 }),
        fc.nat(255).filter((code) => code !== 0x20 && !tchar.includes(String.fromCharCode(code))),
        fc.string({ unit: fc.constantFrom(...tchar), maxLength: 30 }),
        cutsOf,
        (start, code, end, cuts) => {
          const text = `${start}${String.fromCharCode(code)}${end} / HTTP/1.1\r\nHost: a\r\n\r\n`;
          const bytes = Buffer.from(text, 'latin1');
          const sorted = [...new Set(cuts)].filter((cut) => cut > 0 && cut < bytes.length);
          const events = replay(
            requests,
            bytes,
            sorted.toSorted((a, b) => a - b),
          );
          expect(events).toHaveLength(1);
          expect(events[0]).toMatch(/^failed 400 ERR_BAD_(?:METHOD|REQUEST_LINE)$/);
        },
      ),
      runs,
    );
  });

  test('and that of one request never becomes that of the next', () => {
    const names = ['BREW', 'GET', 'X', 'SOURCE', 'get', 'POST', 'DESCRIBE', 'QUERY', 'BREW2', 'LINK'];
    const bytes = Buffer.from(names.map((name) => `${name} / HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
    const heads = names.flatMap((name) => [
      `head ${name} / 1.1 host=a path=/ none keepAlive`,
      'field Host: a',
      'end',
    ]);
    for (let cut = 1; cut < bytes.length; cut++) expect(replay(requests, bytes, [cut])).toEqual(heads);
    // The same bytes again, one request in each buffer, as those arrive that may be known already.
    const ends = [...bytes.toString().matchAll(/\r\n\r\n/g)].map(({ index }) => index + 4);
    for (let turn = 0; turn < 3; turn++) expect(replay(requests, bytes, ends.slice(0, -1))).toEqual(heads);
  });

  test('and may come anew after a reset in the middle of it', () => {
    for (const begun of ['BR', 'BREW ', 'BREW /', 'DESCRIBE / HTTP/', 'DESCRIBE / HTTP/1.1\r\nHo']) {
      requests.reset();
      requests.execute(Buffer.from(begun), 0, begun.length);
      expect(replay(requests, Buffer.from('LINK / HTTP/1.1\r\nHost: a\r\n\r\n'), [])[0]).toBe(
        'head LINK / 1.1 host=a path=/ none keepAlive',
      );
    }
  });
});

describe('limits count the method as it came', () => {
  const outcomes = (text: string, limits: Partial<WireLimits>): Set<string | undefined> => {
    const parser = new RequestParser(limits);
    const bytes = Buffer.from(text);
    const outcome = new Set<string | undefined>();
    for (let cut = 0; cut < bytes.length; cut++) {
      const events = replay(parser, bytes, cut === 0 ? everyByte(bytes.length) : [cut]);
      outcome.add(events.findLast((line) => !line.startsWith('field')));
    }
    parser.close();
    return outcome;
  };
  const line = (name: string, length: number): string =>
    `${name} /${'x'.repeat(length - name.length - 11)} HTTP/1.1`;
  const fields = (bytes: number): string => `Host: a\r\nX: ${'y'.repeat(bytes - 14)}\r\n`;
  const names = ['B', 'VERSION-CONTROL', 'DESCRIBE', 'SOURCE', 'A'.repeat(40)];

  test.each(names)('in the request line: %s', (name) => {
    expect(line(name, 60)).toHaveLength(60);
    const limits = { requestLine: 60 };
    expect(outcomes(`${line(name, 60)}\r\nHost: a\r\n\r\n`, limits)).toEqual(new Set(['end']));
    const over = new Set(['failed 414 ERR_REQUEST_LINE_TOO_LONG']);
    expect(outcomes(`${line(name, 61)}\r\nHost: a\r\n\r\n`, limits)).toEqual(over);
    expect(outcomes(`${line(name, 61)}\r\nHost : a\r\n\r\n`, limits)).toEqual(over);
  });

  test.each(names)('and not in the fields: %s', (name) => {
    const limits = { headerBytes: 100 };
    const start = `${name} / HTTP/1.1\r\n`;
    expect(outcomes(`${start}${fields(100)}\r\n`, limits)).toEqual(new Set(['end']));
    expect(outcomes(`${start}${fields(101)}\r\n`, limits)).toEqual(
      new Set(['failed 431 ERR_FIELDS_TOO_LARGE']),
    );
  });

  test('a line that is over the limit within the method is refused', () => {
    expect(outcomes('VERSION-CONTROL / HTTP/1.1\r\nHost: a\r\n\r\n', { requestLine: 10 })).toEqual(
      new Set(['failed 414 ERR_REQUEST_LINE_TOO_LONG']),
    );
  });

  test('a method without end takes no memory', () => {
    requests.reset();
    const bytes = Buffer.alloc(65_536, 'A');
    expect(requests.execute(bytes, 0, 64)).toBe(ParserEvent.needMore);
    expect(requests.execute(bytes, 64, bytes.length)).toBe(ParserEvent.failed);
    expect(requests.failure).toMatchObject({ code: 'ERR_METHOD_UNKNOWN', status: 501, source: 'client' });
    expect(liveParsers()).toBe(1);
  });
});
