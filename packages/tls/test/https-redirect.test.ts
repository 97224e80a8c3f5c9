import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hstsApplies, hstsValue, httpsRedirect } from '@rp/tls';

describe('redirect to https', () => {
  it.each([
    ['example.com', '/', 443, 'https://example.com/'],
    ['example.com:80', '/a?b=c', 443, 'https://example.com/a?b=c'],
    ['example.com:8080', '/a', 8443, 'https://example.com:8443/a'],
    ['Example.COM', '/%2F//x', 443, 'https://Example.COM/%2F//x'],
    ['[2001:db8::1]:80', '/', 8443, 'https://[2001:db8::1]:8443/'],
    ['127.0.0.1', '//evil.example/', 443, 'https://127.0.0.1//evil.example/'],
    ['a', 'http://b:80/path?q', 443, 'https://a/path?q'],
    ['a', 'http://b?q', 443, 'https://a/?q'],
    ['a', '*', 443, 'https://a/'],
    ['a', '/?a=b|c^{d}', 443, 'https://a/?a=b|c^{d}'],
  ])('%s %s to port %d', (host, target, port, location) => {
    expect(httpsRedirect(host, target, port)).toEqual({ kind: 'redirect', status: 308, location });
  });

  it.each([
    undefined,
    '',
    ' ',
    'a b',
    'a/b',
    'a@b',
    'user@a',
    'a:b',
    'a:999999',
    'a:65536',
    '[::1',
    '[zz]',
    '[127.0.0.1]',
    'a\r\nX: y',
    'a..b',
    '-a',
    'a?b',
    'a#b',
    'bücher.example',
  ])('refuses the host %j', (host) => {
    expect(httpsRedirect(host, '/')).toMatchObject({ kind: 'refuse', status: 400 });
  });

  it.each(['', 'a', '/a b', '/a\r\nX: y', '/\u0000', '/ü', '/a#b', '/a\\b', 'ftp://a/', '/\u007f'])(
    'refuses the target %j',
    (target) => {
      expect(httpsRedirect('a', target)).toMatchObject({ kind: 'refuse', status: 400 });
    },
  );

  it('never makes a field with line ends, nor leaves the host that was asked (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (host, target) => {
        for (const answer of [httpsRedirect(host, `/${target}`), httpsRedirect('a.example', `/${target}`)]) {
          if (answer.kind === 'refuse') continue;
          expect(answer.location).toMatch(/^https:\/\/[\x21-\x7e]+$/);
          const expected = answer.location.startsWith('https://a.example/')
            ? 'a.example'
            : new URL(`https://${host}`).hostname;
          expect(new URL(answer.location).hostname).toBe(expected);
        }
      }),
    );
  });
});

describe('Strict-Transport-Security', () => {
  it('is a year by default', () => {
    expect(hstsValue()).toBe('max-age=31536000');
    expect(hstsValue({ maxAge: 0 })).toBe('max-age=0');
    expect(hstsValue({ includeSubDomains: true, preload: true })).toBe(
      'max-age=31536000; includeSubDomains; preload',
    );
  });

  it.each([
    { maxAge: -1 },
    { maxAge: 1.5 },
    { maxAge: Infinity },
    { preload: true },
    { preload: true, includeSubDomains: true, maxAge: 60 },
  ])('refuses %j', (options) => {
    expect(() => hstsValue(options)).toThrow(expect.objectContaining({ code: 'TLS_OPTION' }));
  });

  it('belongs on https responses of named hosts only', () => {
    expect(hstsApplies(true, 'example.com:8443')).toBe(true);
    expect(hstsApplies(false, 'example.com')).toBe(false);
    expect(hstsApplies(true, '127.0.0.1')).toBe(false);
    expect(hstsApplies(true, '[::1]')).toBe(false);
    expect(hstsApplies(true, '')).toBe(false);
  });
});
