import { expect, test } from 'vitest';
import {
  appendField,
  BodyFraming,
  FieldId,
  fieldValue,
  forwardRequestHead,
  forwardResponseHead,
  removeField,
  setField,
} from '../../src/index.ts';
import { requestHead, responseHead } from './heads-of.ts';

test('appendField, setField and removeField keep fields and ids together', () => {
  const head = requestHead('GET / HTTP/1.1', 'Host: a', 'X-A: 1', 'Cookie: c', 'x-a: 2');
  appendField(head, 'ETag', '"e"');
  expect(fieldValue(head, FieldId.etag)).toBe('"e"');
  expect(removeField(head, 'X-a')).toBe(2);
  expect(head.fields).toEqual(['Host', 'a', 'Cookie', 'c', 'ETag', '"e"']);
  setField(head, 'COOKIE', 'd');
  expect(head.fields).toEqual(['Host', 'a', 'ETag', '"e"', 'COOKIE', 'd']);
  expect(head.ids).toEqual([FieldId.host, FieldId.etag, FieldId.cookie]);
  expect(removeField(head, 'nothing')).toBe(0);
});

test('hooks cannot split a message, nor write framing, routing or hop-by-hop fields', () => {
  const head = requestHead('GET / HTTP/1.1', 'Host: a');
  for (const [name, value] of [
    ['X', 'a\r\nB: c'],
    ['X\r\nY', 'a'],
    ['X', 'a\0'],
    ['Connection', 'close'],
    ['Transfer-Encoding', 'chunked'],
    ['Content-Length', '5'],
    ['Content_Length', '5'],
    ['Host', 'b'],
  ] as const) {
    expect(() => appendField(head, name, value)).toThrow(TypeError);
    expect(() => setField(head, name, value)).toThrow(TypeError);
  }
  expect(head.fields).toEqual(['Host', 'a']);
});

test('what is written has one length and one Host, whatever a hook left in the fields', () => {
  const request = requestHead('POST / HTTP/1.1', 'Host: a', 'Content-Length: 5');
  request.fields.push('Content-Length', '6', 'Host', 'b');
  request.ids.push(FieldId.contentLength, FieldId.host);
  const rules = {
    client: '::1',
    proto: 'http',
    port: 80,
    trusted: false,
    requestId: '',
    viaName: 'rp',
    forwarded: false,
  } as const;
  const out = forwardRequestHead(request, rules, '', '');
  expect(out.match(/^(content-length|host):.*$/gim)).toEqual(['Host: a', 'Content-Length: 5']);
  const response = responseHead(['HTTP/1.1 200 OK', 'Content-Length: 5']);
  response.fields.push('content-length', '6');
  response.ids.push(FieldId.contentLength);
  expect(forwardResponseHead(response, 1, 'keep', '', '', 'rp').match(/^content-length:.*$/gim)).toEqual([
    'Content-Length: 5',
  ]);
});

test('a body that a hook gave gets its length', () => {
  const request = requestHead('POST / HTTP/1.1', 'Host: a');
  request.framing = BodyFraming.length;
  request.contentLength = 9;
  const rules = {
    client: '::1',
    proto: 'http',
    port: 80,
    trusted: false,
    requestId: '',
    viaName: 'rp',
    forwarded: false,
  } as const;
  expect(forwardRequestHead(request, rules, '', '')).toContain('\r\nContent-Length: 9\r\n');
  const response = responseHead(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked']);
  response.framing = BodyFraming.length;
  response.contentLength = 9;
  expect(forwardResponseHead(response, 1, 'keep', '', '', 'rp')).toContain('\r\nContent-Length: 9\r\n');
});
