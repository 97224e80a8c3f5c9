import { describe, expect, test } from 'vitest';
import {
  BodyFraming,
  classifyTarget,
  FieldId,
  fieldId,
  hasPort,
  isAuthority,
  isCleanTarget,
  isHopByHop,
  isNeverForwarded,
  parseContentLength,
  requestFraming,
  responseFraming,
  TargetForm,
  targetAuthority,
  targetPath,
} from '../../src/index.ts';

const nameOf = (key: string): string =>
  key === 'http2Settings' ? 'http2-settings' : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

describe('fieldId', () => {
  test('knows every name in any case', () => {
    for (const [key, id] of Object.entries(FieldId)) {
      if (id === FieldId.other || id === FieldId.lookalike) continue;
      const name = nameOf(key);
      expect([name, fieldId(name)]).toEqual([name, id]);
      expect([name, fieldId(name.toUpperCase())]).toEqual([name, id]);
      expect([name, fieldId(name.replace(/^./, (first) => first.toUpperCase()))]).toEqual([name, id]);
    }
  });

  test('knows nothing else', () => {
    for (const name of [
      '',
      'a',
      'x',
      'Hos',
      'Hosts',
      'Hozt',
      'connectiom',
      'content\rlength',
      'x-forwarded-fox',
      'accept-charset',
    ]) {
      expect([name, fieldId(name)]).toEqual([name, FieldId.other]);
    }
  });

  test('tells look-alikes of guarded names, and of no others', () => {
    for (const name of [
      'X_Forwarded_For',
      'x.forwarded.for',
      'X-Forwarded_Proto',
      'Content_Length',
      'transfer_encoding',
      'X_Request_Id',
      'Keep.Alive',
      'Proxy_Authorization',
    ]) {
      expect([name, fieldId(name)]).toEqual([name, FieldId.lookalike]);
    }
    for (const name of ['Content_Type', 'Set_Cookie', 'User_Agent', 'my_name', 'H_st']) {
      expect([name, fieldId(name)]).toEqual([name, FieldId.other]);
    }
  });

  test('hop-by-hop names are together', () => {
    const hopByHop = Object.entries(FieldId).filter(([, id]) => isHopByHop(id));
    expect(hopByHop.map(([key]) => key)).toEqual([
      'connection',
      'keepAlive',
      'proxyConnection',
      'te',
      'transferEncoding',
      'upgrade',
      'http2Settings',
      'proxyAuthenticate',
    ]);
    expect(isNeverForwarded(FieldId.lookalike)).toBe(true);
    expect(isNeverForwarded(FieldId.host)).toBe(false);
    expect(isNeverForwarded(FieldId.other)).toBe(false);
  });
});

describe('requestFraming', () => {
  const { none, length, chunked } = BodyFraming;
  test.each([
    [1, undefined, undefined, none, -1, undefined],
    [0, undefined, undefined, none, -1, undefined],
    [1, undefined, '0', length, 0, undefined],
    [0, undefined, '12', length, 12, undefined],
    [1, 'chunked', undefined, chunked, -1, undefined],
    [1, 'Chunked', undefined, chunked, -1, undefined],
    [0, 'chunked', undefined, none, -1, 'ERR_BAD_TRANSFER_ENCODING'],
    [1, 'chunked', '0', none, -1, 'ERR_AMBIGUOUS_FRAMING'],
    [1, 'gzip', undefined, none, -1, 'ERR_BAD_TRANSFER_ENCODING'],
    [1, 'gzip, chunked', undefined, none, -1, 'ERR_TRANSFER_CODING_UNKNOWN'],
    [1, 'chunked, gzip', undefined, none, -1, 'ERR_BAD_TRANSFER_ENCODING'],
    [1, 'chunked, chunked', undefined, none, -1, 'ERR_BAD_TRANSFER_ENCODING'],
    [1, undefined, '5, 5', none, -1, 'ERR_BAD_CONTENT_LENGTH'],
    [1, undefined, '', none, -1, 'ERR_BAD_CONTENT_LENGTH'],
  ] as const)('1.%i with %s and %s', (minor, coding, lengths, framing, contentLength, fault) => {
    expect(requestFraming(minor, coding, lengths)).toEqual({ framing, contentLength, fault });
  });
});

describe('responseFraming', () => {
  const { none, length, chunked, close } = BodyFraming;
  test.each([
    ['GET', 200, 1, undefined, undefined, close, -1, undefined],
    ['GET', 200, 1, undefined, '5', length, 5, undefined],
    ['GET', 200, 1, 'chunked', undefined, chunked, -1, undefined],
    ['HEAD', 200, 1, 'chunked', undefined, none, -1, undefined],
    ['HEAD', 200, 1, undefined, '5', none, -1, undefined],
    ['GET', 204, 1, undefined, '5', none, -1, undefined],
    ['GET', 304, 1, 'chunked', undefined, none, -1, undefined],
    ['CONNECT', 200, 1, undefined, undefined, none, -1, undefined],
    ['CONNECT', 407, 1, undefined, '3', length, 3, undefined],
    ['GET', 101, 1, undefined, undefined, none, -1, undefined],
    ['GET', 100, 1, undefined, '0', none, -1, undefined],
    ['GET', 100, 1, undefined, '1', none, -1, 'ERR_BAD_CONTENT_LENGTH'],
    ['GET', 100, 1, 'chunked', undefined, none, -1, 'ERR_BAD_TRANSFER_ENCODING'],
    ['HEAD', 200, 1, 'chunked', '5', none, -1, 'ERR_AMBIGUOUS_FRAMING'],
    ['HEAD', 200, 1, undefined, '5, 5', none, -1, 'ERR_BAD_CONTENT_LENGTH'],
    ['GET', 200, 0, 'chunked', undefined, none, -1, 'ERR_BAD_TRANSFER_ENCODING'],
    ['GET', 200, 1, 'gzip', undefined, none, -1, 'ERR_BAD_TRANSFER_ENCODING'],
    ['GET', 200, 1, 'identity', undefined, close, -1, undefined],
    ['GET', 200, 1, 'x-own, other', undefined, close, -1, undefined],
    ['GET', 200, 1, 'x-own;chunked', undefined, none, -1, 'ERR_BAD_TRANSFER_ENCODING'],
  ] as const)(
    '%s %i 1.%i with %s and %s',
    (method, status, minor, coding, lengths, framing, contentLength, fault) => {
      expect(responseFraming(method, status, minor, coding, lengths)).toEqual({
        framing,
        contentLength,
        fault,
      });
    },
  );
});

test('parseContentLength takes digits up to the largest safe integer', () => {
  expect(parseContentLength('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
  expect(parseContentLength('00000000000000000007')).toBe(7);
  for (const value of [
    '',
    ' 1',
    '1 ',
    '+1',
    '-1',
    '1e3',
    '0x1',
    '1_0',
    '1.0',
    '9007199254740992',
    '000000000000000000007',
    '١',
  ]) {
    expect([value, parseContentLength(value)]).toEqual([value, -1]);
  }
});

describe('isAuthority', () => {
  test.each([
    'a',
    'a.b',
    'a:80',
    'A-b_c~d.:0',
    '127.0.0.1:65535',
    '[::1]',
    '[2001:db8::1]:443',
    'a:',
    '1',
    'a:00080',
  ])('%s', (text) => {
    expect(isAuthority(text)).toBe(true);
  });
  test.each([
    '',
    ':80',
    'a:65536',
    'a:b',
    'a:-1',
    'a b',
    'a/b',
    'u@a',
    'a,b',
    'a%41',
    "a'b",
    '[]',
    '[::1',
    '::1',
    '[::1]x',
    '[1:2]',
    '[fe80::1%eth0]',
    'é',
    'a\n',
    'a:80\n',
    'a\0',
  ])('not %j', (text) => expect(isAuthority(text)).toBe(false));
  test('a port has a digit', () => {
    expect(['a:1', '[::1]:1'].every(hasPort)).toBe(true);
    expect(['a', 'a:', '[::1]', '[::1]:'].some(hasPort)).toBe(false);
  });
});

describe('targets', () => {
  test.each([
    ['GET', '/', TargetForm.origin],
    ['GET', '//a', TargetForm.origin],
    ['GET', 'http://a', TargetForm.absolute],
    ['GET', 'hTTps://a:1/x', TargetForm.absolute],
    ['OPTIONS', '*', TargetForm.asterisk],
    ['OPTIONS', '/*', TargetForm.origin],
    ['CONNECT', 'a:1', TargetForm.authority],
    ['GET', '*', TargetForm.invalid],
    ['GET', '', TargetForm.invalid],
    ['GET', 'a:1', TargetForm.invalid],
    ['GET', 'ws://a', TargetForm.invalid],
    ['GET', 'http://', TargetForm.invalid],
    ['GET', 'http://u@a', TargetForm.invalid],
    ['CONNECT', 'a', TargetForm.invalid],
    ['CONNECT', '/', TargetForm.invalid],
  ] as const)('%s %s', (method, target, form) => expect(classifyTarget(method, target)).toBe(form));

  test('unclean ones are invalid in every form', () => {
    for (const bad of ['#', '\\', '\0', '\n', ' ', '\x7f', '\x80', 'é', '€', '%00']) {
      expect([bad, isCleanTarget(`/${bad}`)]).toEqual([bad, false]);
      expect([bad, classifyTarget('GET', `/a${bad}b`)]).toEqual([bad, TargetForm.invalid]);
      expect([bad, classifyTarget('GET', `http://a/${bad}`)]).toEqual([bad, TargetForm.invalid]);
      expect([bad, classifyTarget('CONNECT', `a${bad}:1`)]).toEqual([bad, TargetForm.invalid]);
    }
    expect(isCleanTarget('/%2F/..//./"<>^`{|}%0a%zz')).toBe(true);
  });

  test('authority and path of an absolute-form', () => {
    expect(targetAuthority('http://a:1/b?c')).toBe('a:1');
    expect(targetPath('GET', 'http://a:1/b?c')).toBe('/b?c');
    expect(targetPath('GET', 'https://a?c')).toBe('/?c');
    expect(targetPath('GET', 'http://a')).toBe('/');
    expect(targetPath('OPTIONS', 'http://a')).toBe('*');
    expect(targetPath('OPTIONS', 'http://a?')).toBe('/?');
  });
});
