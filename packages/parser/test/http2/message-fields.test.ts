import { describe, expect, it } from 'vitest';
import {
  afterData,
  afterHeaders,
  checkRequestFields,
  checkResponseFields,
  checkTrailerFields,
  classifyFields,
  crumbsJoined,
  fitsContentLength,
  HpackDecoder,
  HpackEncoder,
  isConnectionSpecific,
} from '../../src/http2/index.ts';
import { block, request } from './frames.ts';

function malformed(fields: readonly string[], connectProtocol: boolean = false): string {
  return checkRequestFields(fields, classifyFields(fields), connectProtocol).malformed;
}
const without = (name: string): string[] => {
  const fields = request();
  fields.splice(fields.indexOf(name), 2);
  return fields;
};
const changed = (name: string, value: string): string[] => {
  const fields = request();
  fields[fields.indexOf(name) + 1] = value;
  return fields;
};

describe('RFC 9113 §8.3.1 requests', () => {
  it('a request in order', () => {
    const fields = request('host', 'EXAMPLE.com', 'cookie', 'a=1', 'content-length', '12', 'cookie', 'b=2');
    expect(checkRequestFields(fields)).toEqual({
      malformed: '',
      method: 'GET',
      scheme: 'https',
      authority: 'example.com',
      path: '/',
      protocol: '',
      regular: 8,
      contentLength: 12,
      host: 8,
      cookies: 2,
    });
  });
  it('pseudo-fields may come in any order', () => {
    const fields = [':path', '/a?b', ':authority', '[::1]:80', ':scheme', 'http', ':method', 'PUT', 'a', 'b'];
    expect(checkRequestFields(fields)).toMatchObject({ malformed: '', path: '/a?b', authority: '[::1]:80' });
  });
  it('host stands in for :authority', () => {
    const fields = [...without(':authority'), 'host', 'example.org'];
    expect(checkRequestFields(fields)).toMatchObject({ malformed: '', authority: 'example.org' });
  });
  it.each([
    [':method missing', without(':method')],
    [':scheme missing', without(':scheme')],
    [':path missing', without(':path')],
    [':authority and host missing', without(':authority')],
    [':method empty', changed(':method', '')],
    [':method no token', changed(':method', 'GET /')],
    [':scheme empty', changed(':scheme', '')],
    [':scheme no scheme', changed(':scheme', 'ht tp')],
    [':path empty', changed(':path', '')],
    [':path relative', changed(':path', 'index.html')],
    [':path * without OPTIONS', changed(':path', '*')],
    [':path with a space', changed(':path', '/a b')],
    [':path with a fragment', changed(':path', '/a#b')],
    [':path with a backslash', changed(':path', '/a\\b')],
    [':path outside of ASCII', changed(':path', '/ä')],
    [':authority empty', changed(':authority', '')],
    [':authority with user', changed(':authority', 'user@example.com')],
    [':authority with a path', changed(':authority', 'example.com/a')],
    [':authority with a space', changed(':authority', 'example. com')],
    [':authority repeated', request(':authority', 'example.com')],
    [':method repeated', [':method', 'GET', ...request()]],
    [':path repeated, the same', [...request().slice(0, 6), ':path', '/', ':authority', 'a']],
    [':status', [...request(), ':status', '200']],
    ['unknown pseudo-field', [':unknown', 'a', ...request()]],
    [':protocol without our setting', [...request(), ':protocol', 'websocket']],
    ['pseudo-field behind a field', ['a', 'b', ...request()]],
    ['pseudo-field behind a field, at the end', [...without(':path'), 'a', 'b', ':path', '/']],
    ['hazard ":authority ≠ host"', request('host', 'evil.example')],
    ['hazard ":authority ≠ host", only the port', request('host', 'example.com:444')],
    ['host repeated', request('host', 'example.com', 'host', 'example.com')],
    ['host with a control', [...without(':authority'), 'host', 'a\tb']],
    ['no fields', []],
  ])('%s is malformed', (_, fields) => {
    expect(malformed(fields)).not.toBe('');
  });
  it('OPTIONS *', () => {
    const fields = changed(':path', '*');
    fields[1] = 'OPTIONS';
    expect(malformed(fields)).toBe('');
  });
});

describe('RFC 9113 §8.5 CONNECT, RFC 8441 extended CONNECT', () => {
  const connect = [':method', 'CONNECT', ':authority', 'example.com:443'];
  const extended = [
    ':method',
    'CONNECT',
    ':protocol',
    'websocket',
    ':scheme',
    'https',
    ':path',
    '/chat',
    ':authority',
    'example.com',
  ];
  it('CONNECT has :authority alone', () => {
    expect(checkRequestFields(connect)).toMatchObject({ malformed: '', authority: 'example.com:443' });
    expect(malformed([...connect, ':path', '/'])).not.toBe('');
    expect(malformed([...connect, ':scheme', 'https'])).not.toBe('');
    expect(malformed(connect.slice(0, 2))).not.toBe('');
    expect(malformed([...connect.slice(0, 2), 'host', 'example.com:443'])).not.toBe('');
  });
  it('extended CONNECT has everything, and needs our setting', () => {
    const head = checkRequestFields(extended, classifyFields(extended), true);
    expect(head).toMatchObject({ malformed: '', protocol: 'websocket', path: '/chat', scheme: 'https' });
    expect(malformed(extended)).not.toBe('');
    expect(malformed(extended.slice(0, 8), true)).not.toBe('');
    expect(malformed([...extended.slice(0, 6), ...extended.slice(8)], true)).not.toBe('');
    expect(malformed([...request(), ':protocol', 'websocket'], true)).not.toBe('');
  });
});

describe('RFC 9113 §8.2 fields', () => {
  const bad: readonly (readonly [string, readonly string[]])[] = [
    ['capital letter in a name', ['X-a', 'b']],
    ['empty name', ['', 'b']],
    ['space in a name', ['a b', 'c']],
    ['colon in a name', ['a:b', 'c']],
    ['control in a name', ['a\n', 'c']],
    ['name outside of ASCII', ['ä', 'c']],
    ['hazard "CR/LF/NUL in values": CR', ['a', 'b\rc']],
    ['hazard "CR/LF/NUL in values": LF', ['a', 'b\nc']],
    ['hazard "CR/LF/NUL in values": NUL', ['a', 'b\0c']],
    ['hazard "CR/LF/NUL in values": request splitting', ['a', 'b\r\n\r\nGET /admin HTTP/1.1\r\nhost: c']],
    ['control in a value', ['a', 'b\u0001']],
    ['DEL in a value', ['a', 'b\u007f']],
    ['space before a value', ['a', ' b']],
    ['space behind a value', ['a', 'b ']],
    ['tab behind a value', ['a', 'b\t']],
    ['connection', ['connection', 'close']],
    ['keep-alive', ['keep-alive', 'timeout=5']],
    ['proxy-connection', ['proxy-connection', 'close']],
    ['hazard "h2.TE smuggling": transfer-encoding', ['transfer-encoding', 'chunked']],
    ['upgrade', ['upgrade', 'h2c']],
    ['te: gzip', ['te', 'gzip']],
    ['te: trailers and more', ['te', 'trailers, gzip']],
    ['te empty', ['te', '']],
    ['hazard "h2.CL smuggling": content-length repeated', ['content-length', '1', 'content-length', '1']],
    ['content-length list', ['content-length', '1, 1']],
    ['content-length signed', ['content-length', '+1']],
    ['content-length negative', ['content-length', '-1']],
    ['content-length empty', ['content-length', '']],
    ['content-length hexadecimal', ['content-length', '0x1']],
    ['content-length with exponent', ['content-length', '1e3']],
    ['content-length with a space', ['content-length', '1 1']],
    ['content-length too large', ['content-length', '9'.repeat(16)]],
  ];
  it.each(bad)('%s is malformed in requests and responses', (_, fields) => {
    expect(malformed(request(...fields))).not.toBe('');
    expect(checkResponseFields([':status', '200', ...fields]).malformed).not.toBe('');
  });
  it.each([
    ['empty value', ['a', '']],
    ['tab and space inside', ['a', 'b \t c']],
    ['octets over 0x7f (obs-text)', ['a', 'b\u0080\u00ff']],
    ['te: trailers', ['te', 'trailers']],
    ['te: Trailers', ['te', 'Trailers']],
    ['every mark that a token may have', ["!#$%&'*+-.^_`|~0", 'b']],
    ['content-length 0', ['content-length', '0']],
    ['content-length of 15 digits', ['content-length', '9'.repeat(15)]],
  ])('%s is fine', (_, fields) => {
    expect(malformed(request(...fields))).toBe('');
    expect(checkResponseFields([':status', '200', ...fields]).malformed).toBe('');
  });
  it('connection-specific names are told', () => {
    expect(['connection', 'upgrade', 'te', 'x-a'].map(isConnectionSpecific)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('the decoder finds the same kinds, in the first block and by index in the next', () => {
    for (const [, fields] of [...bad, ['plain', ['x-a', 'b', 'cookie', 'c']] as const]) {
      const list = request(...fields);
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder();
      const lower = list.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text));
      for (let round = 0; round < 3; round++) {
        const wire = block(lower, encoder);
        expect(decoder.decode(wire, 0, wire.length)).toBe('ok');
        expect(decoder.fields).toEqual(lower);
        expect([...decoder.kinds.subarray(0, lower.length / 2)]).toEqual([...classifyFields(lower)]);
        expect(checkRequestFields(decoder.fields, decoder.kinds)).toEqual(checkRequestFields(lower));
      }
    }
  });
});

describe('RFC 9113 §8.3.2 responses', () => {
  it('a response in order', () => {
    expect(checkResponseFields([':status', '404', 'content-length', '5'])).toEqual({
      malformed: '',
      status: 404,
      regular: 2,
      contentLength: 5,
    });
    expect(checkResponseFields([':status', '103']).malformed).toBe('');
  });
  it.each([
    ['no fields', []],
    [':status missing', ['a', 'b']],
    [':status empty', [':status', '']],
    [':status of two digits', [':status', '20']],
    [':status of four digits', [':status', '2000']],
    [':status under 100', [':status', '099']],
    [':status with a sign', [':status', '+20']],
    [':status with exponent', [':status', '1e2']],
    [':status with text', [':status', '200 OK']],
    [':status 101 (§8.6)', [':status', '101']],
    [':status repeated', [':status', '200', ':status', '200']],
    [':status behind a field', ['a', 'b', ':status', '200']],
    ['pseudo-field of requests', [':status', '200', ':path', '/']],
  ])('%s is malformed', (_, fields) => {
    expect(checkResponseFields(fields).malformed).not.toBe('');
  });
});

describe('RFC 9113 §8.1 trailers and phases', () => {
  it('trailers have no pseudo-fields, and the rules of fields hold', () => {
    expect(checkTrailerFields(['grpc-status', '0'])).toBe('');
    expect(checkTrailerFields([])).toBe('');
    expect(checkTrailerFields([':path', '/'])).not.toBe('');
    expect(checkTrailerFields(['a', 'b', 'connection', 'close'])).not.toBe('');
    expect(checkTrailerFields(['a', 'b\n'])).not.toBe('');
  });
  it('head, content, trailers', () => {
    expect(afterHeaders('head', false, false)).toBe('content');
    expect(afterHeaders('head', true, false)).toBe('done');
    expect(afterHeaders('head', false, true)).toBe('head');
    expect(afterHeaders('head', true, true)).toBe('malformed');
    expect(afterHeaders('content', true, false)).toBe('done');
    expect(afterHeaders('content', false, false)).toBe('malformed');
    expect(afterHeaders('done', true, false)).toBe('malformed');
    expect(afterData('content', false)).toBe('content');
    expect(afterData('content', true)).toBe('done');
    expect(afterData('head', true)).toBe('malformed');
    expect(afterData('done', true)).toBe('malformed');
  });
  it('§8.1.1 hazard "length ≠ DATA"', () => {
    expect(fitsContentLength(-1, 100, true)).toBe(true);
    expect(fitsContentLength(5, 4, false)).toBe(true);
    expect(fitsContentLength(5, 5, false)).toBe(true);
    expect(fitsContentLength(5, 6, false)).toBe(false);
    expect(fitsContentLength(5, 4, true)).toBe(false);
    expect(fitsContentLength(5, 5, true)).toBe(true);
  });
});

describe('RFC 9113 §8.2.3 cookie crumbs', () => {
  it('are joined with a semicolon and a space', () => {
    expect(crumbsJoined(request('cookie', 'a=1', 'x', 'y', 'cookie', 'b=2', 'cookie', 'c=3'))).toBe(
      'a=1; b=2; c=3',
    );
    expect(crumbsJoined(request('cookie', 'a=1; b=2'))).toBe('a=1; b=2');
    expect(crumbsJoined(request())).toBe('');
  });
});
