import fc from 'fast-check';
import { isIPv4 } from 'node:net';
import { describe, expect, it } from 'vitest';
import { formatIpv6, ipv6Bytes } from '../src/ipv6.ts';
import { MAX_PROXY_HEADER, decodeProxyHeader, encodeProxyHeader } from '../src/proxy-protocol.ts';

const signature = '\r\n\r\n\0\r\nQUIT\n';
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const v2 = (command: number, family: number, rest: string, length = rest.length): string =>
  signature + String.fromCharCode(command, family, length >> 8, length & 255) + rest;
const ends4 = { address: '192.0.2.7', port: 50_000, localAddress: '198.51.100.1', localPort: 443 };
const body4 = '\xc0\x00\x02\x07\xc6\x33\x64\x01\xc3\x50\x01\xbb';

describe('PROXY protocol: what is accepted', () => {
  it.each<[string, string, unknown]>([
    ['v1 TCP4', 'PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n', ends4],
    [
      'v1 TCP6, made canonical',
      'PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 1 65535\r\n',
      { address: '2001:db8::1', port: 1, localAddress: '::1', localPort: 65_535 },
    ],
    ['v1 UNKNOWN', 'PROXY UNKNOWN\r\n', undefined],
    ['v1 UNKNOWN with anything after it', 'PROXY UNKNOWN ffff::1 what 1 2 3\r\n', undefined],
    ['v2 TCP4', v2(0x21, 0x11, body4), ends4],
    ['v2 TCP4 with TLVs, ignored', v2(0x21, 0x11, `${body4}\x04\x00\x02zz`), ends4],
    ['v2 LOCAL without addresses', v2(0x20, 0x00, ''), undefined],
    ['v2 LOCAL with addresses, ignored', v2(0x20, 0x11, body4), undefined],
    ['v2 UNSPEC', v2(0x21, 0x00, 'abc'), undefined],
    ['v2 Unix socket', v2(0x21, 0x31, 'x'.repeat(216)), undefined],
    ['v2 UDP', v2(0x21, 0x12, body4), undefined],
    ['v2 as long as is allowed', v2(0x21, 0x11, body4 + 'x'.repeat(508)), ends4],
  ])('%s', (_name, text, ends) => {
    const whole = latin1(text);
    for (let length = 0; length < whole.length; length++) {
      expect(decodeProxyHeader(whole.subarray(0, length))).toEqual({ kind: 'incomplete' });
    }
    const complete = { kind: 'complete', length: whole.length, ends };
    expect(decodeProxyHeader(whole)).toEqual(complete);
    expect(decodeProxyHeader(Buffer.concat([whole, latin1('GET / HTTP/1.1\r\n')]))).toEqual(complete);
  });
});

describe('PROXY protocol: what is refused', () => {
  it.each<[string, string]>([
    ['a request', 'GET / HTTP/1.1\r\n'],
    ['a TLS handshake', '\x16\x03\x01'],
    ['lower case', 'proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n'],
    ['an unknown protocol', 'PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n'],
    ['another family than said', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
    ['a mixture of families', 'PROXY TCP6 ::1 192.0.2.7 1 2\r\n'],
    ['two spaces', 'PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n'],
    ['a name', 'PROXY TCP4 localhost 198.51.100.1 1 2\r\n'],
    ['leading zeros of an address', 'PROXY TCP4 192.000.2.7 198.51.100.1 1 2\r\n'],
    ['leading zeros of a port', 'PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n'],
    ['a port that is too large', 'PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n'],
    ['a negative port', 'PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n'],
    ['no port', 'PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n'],
    ['more than there should be', 'PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n'],
    ['bare LF, never ended', `PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n${'x'.repeat(107)}`],
    ['a line of 108 bytes', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`],
    ['version 3', v2(0x31, 0x11, body4)],
    ['an unknown command', v2(0x22, 0x11, body4)],
    ['an unknown command, as soon as it is there', signature + '\x22'],
    ['an unknown family', v2(0x21, 0x41, body4)],
    ['too short for IPv4', v2(0x21, 0x11, body4.slice(1))],
    ['too short for IPv6', v2(0x21, 0x21, body4)],
    ['longer than is allowed, before it came', v2(0x21, 0x11, '', MAX_PROXY_HEADER - 15)],
  ])('%s', (_name, text) => {
    expect(decodeProxyHeader(latin1(text))).toMatchObject({ kind: 'malformed' });
  });

  it('accepts a line of 107 bytes', () => {
    const line = latin1(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`);
    expect(line.length).toBe(107);
    expect(decodeProxyHeader(line)).toMatchObject({ kind: 'complete', length: 107 });
  });

  it('never throws, and never waits for more than the longest header', () => {
    const start = fc.constantFrom(
      '',
      'PROXY ',
      'PROXY TCP4 ',
      'PROXY TCP6 ',
      signature,
      `${signature}\x21\x11`,
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 700 }), (text, more) => {
        const bytes = Buffer.concat([latin1(text), more]);
        const { kind } = decodeProxyHeader(bytes);
        if (bytes.length >= MAX_PROXY_HEADER) expect(kind).not.toBe('incomplete');
      }),
    );
  });
});

describe('PROXY protocol: what is sent', () => {
  const port = fc.integer({ min: 0, max: 65_535 });
  const ipv6 = fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => formatIpv6(Buffer.from(bytes), 0));
  const sparse = fc.array(fc.constantFrom(0, 0, 1, 0xab), { minLength: 16, maxLength: 16 });
  const address = fc.oneof(
    fc.ipV4(),
    ipv6,
    sparse.map((bytes) => formatIpv6(Buffer.from(bytes), 0)),
  );
  const ends = fc.record({ address, port, localAddress: address, localPort: port });

  it('is read back as it was', () => {
    fc.assert(
      fc.property(fc.constantFrom('v1' as const, 'v2' as const), ends, (version, given) => {
        const bytes = encodeProxyHeader(version, given);
        expect(decodeProxyHeader(bytes)).toEqual({ kind: 'complete', length: bytes.length, ends: given });
      }),
    );
  });

  it('writes addresses that are read as the same bytes', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const short = formatIpv6(ipv6Bytes(text), 0);
        const again = isIPv4(short) ? `::ffff:${short}` : short;
        expect(ipv6Bytes(again)).toEqual(ipv6Bytes(text));
        expect(short).toBe(formatIpv6(ipv6Bytes(short.includes(':') ? short : again), 0));
      }),
    );
  });

  it('is what the specification shows', () => {
    expect(encodeProxyHeader('v1', ends4).toString()).toBe('PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n');
    expect(encodeProxyHeader('v2', ends4)).toEqual(latin1(v2(0x21, 0x11, body4)));
    expect(encodeProxyHeader('v1', undefined).toString()).toBe('PROXY UNKNOWN\r\n');
    expect(encodeProxyHeader('v2', undefined)).toEqual(latin1(v2(0x20, 0, '')));
    expect(encodeProxyHeader('v1', { ...ends4, address: 'fe80::1%eth0' }).toString()).toBe(
      'PROXY TCP6 fe80::1 ::ffff:198.51.100.1 50000 443\r\n',
    );
  });
});
