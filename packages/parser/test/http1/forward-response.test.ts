import { describe, expect, test } from 'vitest';
import {
  allowedTrailer,
  checkedField,
  chunkHead,
  encodeTrailers,
  forwardResponseHead,
  isFieldName,
  isFieldValue,
  isReasonPhrase,
  type ResponseBodyAs,
  type ResponseHead,
} from '../../src/index.ts';
import { responseHead } from './heads-of.ts';

function forward(
  head: ResponseHead,
  framing: ResponseBodyAs = 'keep',
  clientMinor: 0 | 1 = 1,
  connection: '' | 'close' | 'keep-alive' | 'upgrade' = '',
  extra = '',
): string[] {
  const out = forwardResponseHead(head, clientMinor, framing, connection, extra, 'rp');
  expect(out.endsWith('\r\n\r\n')).toBe(true);
  return out.slice(0, -4).split('\r\n');
}

test('end-to-end fields keep name case, order, repetition and value; hop-by-hop ones go', () => {
  const head = responseHead([
    'HTTP/1.1 200 Fine',
    'set-COOKIE: a=1',
    'Connection: keep-alive, X-Hop',
    'Keep-Alive: timeout=5',
    'Content-Length: 02',
    'X-hop: 1',
    'Set-Cookie: b=2',
    'Server: s',
    'Via: 1.0 inner',
  ]);
  expect(forward(head)).toEqual([
    'HTTP/1.1 200 Fine',
    'set-COOKIE: a=1',
    'Content-Length: 2',
    'Set-Cookie: b=2',
    'Server: s',
    'Via: 1.0 inner, 1.1 rp',
  ]);
});

test('Connection cannot remove cookies or framing', () => {
  const head = responseHead([
    'HTTP/1.1 200 OK',
    'Connection: Set-Cookie, Content-Length',
    'Set-Cookie: a=1',
    'Content-Length: 1',
  ]);
  expect(forward(head)).toEqual(['HTTP/1.1 200 OK', 'Set-Cookie: a=1', 'Content-Length: 1', 'Via: 1.1 rp']);
});

describe('framing', () => {
  const length = responseHead(['HTTP/1.1 200 OK', 'Content-Length: 5']);
  const chunked = responseHead(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked']);
  const close = responseHead(['HTTP/1.0 200 OK']);
  const framingOf = (lines: string[]): string =>
    lines.filter((line) => /^(Content-Length|Transfer-Encoding)/.test(line)).join();
  test.each([
    ['length kept', length, 'keep', 1, 'Content-Length: 5'],
    ['length kept for 1.0', length, 'keep', 0, 'Content-Length: 5'],
    ['length to chunked', length, 'chunked', 1, 'Transfer-Encoding: chunked'],
    ['length to none', length, 'none', 1, ''],
    ['chunked kept', chunked, 'keep', 1, 'Transfer-Encoding: chunked'],
    ['nothing chunked for 1.0', chunked, 'keep', 0, ''],
    ['chunked never for 1.0', chunked, 'chunked', 0, ''],
    ['chunked to close', chunked, 'close', 0, ''],
    ['close to chunked', close, 'chunked', 1, 'Transfer-Encoding: chunked'],
    ['close to close', close, 'close', 0, ''],
  ] as const)('%s', (_name, head, framing, minor, expected) => {
    expect(framingOf(forward(head, framing, minor))).toBe(expected);
  });
  test('a length for information stays in answers to HEAD and in 304, in canonical digits', () => {
    const toHead = responseHead(['HTTP/1.1 200 OK', 'Content-Length: 0005'], 'HEAD');
    expect(framingOf(forward(toHead))).toBe('Content-Length: 5');
    expect(framingOf(forward(responseHead(['HTTP/1.1 304 N', 'Content-Length: 5'])))).toBe(
      'Content-Length: 5',
    );
  });
  test('no framing at all in 1xx and 204', () => {
    for (const framing of ['keep', 'chunked', 'close', 'none'] as const) {
      expect(framingOf(forward(responseHead(['HTTP/1.1 204 N', 'Content-Length: 5']), framing))).toBe('');
      expect(framingOf(forward(responseHead(['HTTP/1.1 100 C', 'Content-Length: 0']), framing))).toBe('');
    }
  });
});

test('Connection is ours alone', () => {
  const head = responseHead(['HTTP/1.1 101 S', 'Connection: upgrade', 'Upgrade: websocket']);
  expect(forward(head)).toEqual(['HTTP/1.1 101 S', 'Via: 1.1 rp']);
  expect(forward(head, 'none', 1, 'upgrade')).toEqual([
    'HTTP/1.1 101 S',
    'Via: 1.1 rp',
    'Connection: upgrade',
    'Upgrade: websocket',
  ]);
  expect(forward(head, 'none', 0, 'keep-alive', 'Date: x\r\n').slice(-2)).toEqual([
    'Connection: keep-alive',
    'Date: x',
  ]);
  expect(forward(head, 'none', 0, 'close').at(-1)).toBe('Connection: close');
});

test('a reason may be missing', () => {
  expect(forward(responseHead(['HTTP/1.1 204']))[0]).toBe('HTTP/1.1 204 ');
});

test('chunkHead and encodeTrailers frame a body', () => {
  expect(chunkHead(1)).toBe('1\r\n');
  expect(chunkHead(65_536)).toBe('10000\r\n');
  expect(encodeTrailers(undefined)).toBe('0\r\n\r\n');
  expect(encodeTrailers([])).toBe('0\r\n\r\n');
  expect(encodeTrailers(['Checksum', 'abc', 'Host', 'evil', 'grpc-status', '0'])).toBe(
    '0\r\nChecksum: abc\r\ngrpc-status: 0\r\n\r\n',
  );
});

test('trailers never frame, route, authorise or forward', () => {
  const names = [
    'Content-Length',
    'transfer-encoding',
    'Host',
    'Connection',
    'TE',
    'Trailer',
    'Upgrade',
    'Authorization',
    'Proxy-Authorization',
    'Cookie',
    'Set-Cookie',
    'Via',
    'Forwarded',
    'X-Forwarded-For',
    'X_Forwarded_For',
    'X-Request-Id',
    'Expect',
    'Max-Forwards',
    'Cache-Control',
    'Age',
    'Expires',
    'Vary',
    'Content-Type',
    'Content-Encoding',
    'Content-Range',
    'Range',
    'If-None-Match',
    'Location',
    'WWW-Authenticate',
    'Pragma',
    'Retry-After',
  ];
  expect(names.filter(allowedTrailer)).toEqual([]);
  expect(
    ['Checksum', 'Server-Timing', 'grpc-status', 'grpc-message', 'ETag', 'Digest'].filter(allowedTrailer),
  ).toHaveLength(6);
});

describe('what hooks write is checked', () => {
  test('names', () => {
    expect(['A', 'x-b', "!#$%&'*+-.^_`|~09"].every(isFieldName)).toBe(true);
    expect(['', 'a b', 'a:', 'a\r\n', 'é', 'a\0', '"a"', 'a\x7f', 'Ā'].some(isFieldName)).toBe(false);
  });
  test('values', () => {
    expect(['', 'a', 'a\tb c', 'é\xff', '"'].every(isFieldValue)).toBe(true);
    expect(
      [' a', 'a ', '\ta', 'a\r\nb: c', 'a\nb', 'a\rb', 'a\0', '\x7f', '\x1b', 'Ā', '\u010a', '\u2028'].some(
        isFieldValue,
      ),
    ).toBe(false);
    expect([' ', 'a\nb', 'Ā'].map(isReasonPhrase)).toEqual([true, false, false]);
  });
  test('checkedField throws rather than let a line be split', () => {
    expect(checkedField('A', 'b')).toBe('A: b\r\n');
    expect(() => checkedField('A\r\nB', 'b')).toThrow(TypeError);
    expect(() => checkedField('A', 'b\r\nC: d')).toThrow(TypeError);
    expect(() => checkedField('A', 'b\u010dC\u010a')).toThrow(TypeError);
  });
});
