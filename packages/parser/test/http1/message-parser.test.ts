import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { liveParsers, ParserEvent, RequestParser, ResponseParser } from '../../src/index.ts';
import { replay } from './replay.ts';

const requests = new RequestParser();
const responses = new ResponseParser();
beforeEach(() => {
  requests.reset();
  responses.reset();
});
afterAll(() => {
  requests.close();
  responses.close();
});

const get = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n');

describe('complete', () => {
  test('is true after the head of a message without body; then end consumes nothing', () => {
    expect(requests.execute(get, 0, get.length)).toBe(ParserEvent.head);
    expect(requests.complete).toBe(true);
    expect(requests.position).toBe(get.length);
    expect(requests.execute(get, 5, get.length)).toBe(ParserEvent.end);
    expect(requests.position).toBe(5);
    expect(requests.complete).toBe(false);
  });

  test('is true after the last byte of a body with a length, not before', () => {
    const post = Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcdNEXT');
    const head = post.indexOf('abcd');
    requests.execute(post, 0, head + 2);
    expect(requests.complete).toBe(false);
    expect(requests.execute(post, requests.position, head + 2)).toBe(ParserEvent.body);
    expect(requests.complete).toBe(false);
    expect(requests.execute(post, requests.position, post.length)).toBe(ParserEvent.body);
    expect(requests.complete).toBe(true);
    expect(requests.position).toBe(head + 4);
    expect([requests.bodyRanges, requests.bodyRangeStart(0), requests.bodyRangeEnd(0)]).toEqual([
      1,
      head + 2,
      head + 4,
    ]);
  });

  test('is true for a chunked body when the final CRLF was seen', () => {
    const post = Buffer.from(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n',
    );
    requests.execute(post, 0, post.length - 2);
    expect(requests.execute(post, requests.position, post.length - 2)).toBe(ParserEvent.body);
    expect([requests.bodyRanges, requests.bodyLength, requests.complete]).toEqual([2, 3, false]);
    expect(requests.execute(post, requests.position, post.length)).toBe(ParserEvent.end);
    requests.reset();
    requests.execute(post, 0, post.length);
    expect(requests.execute(post, requests.position, post.length)).toBe(ParserEvent.body);
    expect(requests.complete).toBe(true);
    const body = Buffer.alloc(5);
    expect(requests.copyBody(post, body, 1)).toBe(4);
    expect(body.toString('latin1')).toBe('\0abc\0');
  });
});

test('idle is true only while no byte of a message was read', () => {
  expect(requests.idle).toBe(true);
  requests.execute(get, 0, 1);
  expect(requests.idle).toBe(false);
  requests.execute(get, 1, get.length);
  expect(requests.idle).toBe(false);
  requests.execute(get, 0, 0);
  expect(requests.idle).toBe(true);
  expect(requests.finish()).toBe(ParserEvent.needMore);
});

test('a parser that failed stays failed until it is reset', () => {
  const bad = Buffer.from('NONSENSE\r\n');
  expect(requests.execute(bad, 0, bad.length)).toBe(ParserEvent.failed);
  expect(requests.execute(get, 0, get.length)).toBe(ParserEvent.failed);
  expect(requests.finish()).toBe(ParserEvent.failed);
  expect(requests.failure).toMatchObject({
    code: 'ERR_BAD_METHOD',
    status: 400,
    source: 'client',
    retryable: 'no',
  });
  requests.reset();
  expect(requests.failure).toBeUndefined();
  expect(requests.execute(get, 0, get.length)).toBe(ParserEvent.head);
});

test('reset forgets a message in any state', () => {
  const post = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab';
  for (let cut = 1; cut <= post.length; cut++) {
    requests.reset();
    let at = 0;
    const chunk = Buffer.from(post);
    while (requests.execute(chunk, at, cut) !== ParserEvent.needMore) at = requests.position;
    expect(replay(requests, get, [])).toEqual([
      'head GET / 1.1 host=a path=/ none keepAlive',
      'field Host: a',
      'end',
    ]);
  }
});

test('every head is an object of its own that outlives the parse', () => {
  requests.execute(get, 0, get.length);
  const first = requests.head;
  requests.execute(get, get.length, get.length);
  const second = Buffer.from('GET /2 HTTP/1.1\r\nHost: b\r\n\r\n');
  requests.execute(second, 0, second.length);
  expect(first).not.toBe(requests.head);
  expect(first).toMatchObject({ target: '/', host: 'a', fields: ['Host', 'a'] });
});

test('two parsers that take turns do not disturb each other', () => {
  const other = new RequestParser();
  const chunked = Buffer.from(
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
  );
  requests.execute(chunked, 0, chunked.length);
  const at = requests.position;
  expect(requests.execute(chunked, at, chunked.length)).toBe(ParserEvent.body);
  other.execute(get, 0, 10);
  const body = Buffer.alloc(2);
  requests.copyBody(chunked, body, 0);
  expect(body.toString()).toBe('ab');
  requests.execute(chunked, requests.position, chunked.length);
  other.execute(get, 10, get.length);
  expect(other.head?.fields).toEqual(['Host', 'a']);
  other.close();
});

describe('responses', () => {
  test('nobody asked for are refused (response queue poisoning)', () => {
    const chunk = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    expect(responses.execute(chunk, 0, 0)).toBe(ParserEvent.needMore);
    expect(responses.execute(chunk, 0, 1)).toBe(ParserEvent.failed);
    expect(responses.failure).toMatchObject({
      code: 'ERR_RESPONSE_UNEXPECTED',
      status: 502,
      source: 'backend',
    });
  });

  test('a closed connection before the first byte is told apart from one in the middle', () => {
    responses.expect('GET');
    expect(responses.finish()).toBe(ParserEvent.needMore);
    responses.execute(Buffer.from('H'), 0, 1);
    expect(responses.finish()).toBe(ParserEvent.failed);
    expect(responses.failure?.code).toBe('ERR_MESSAGE_INCOMPLETE');
  });

  test('an interim response leaves the final one expected', () => {
    responses.expect('HEAD');
    const chunk = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');
    expect(responses.execute(chunk, 0, chunk.length)).toBe(ParserEvent.head);
    expect(responses.execute(chunk, chunk.length, chunk.length)).toBe(ParserEvent.end);
    const final = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n');
    expect(responses.execute(final, 0, final.length)).toBe(ParserEvent.head);
    expect(responses.complete).toBe(true);
  });
});

describe('close', () => {
  test('frees the parser, may be called again, and ends all use', () => {
    const live = liveParsers();
    const parser = new RequestParser();
    expect(liveParsers()).toBe(live + 1);
    parser.close();
    parser.close();
    expect(liveParsers()).toBe(live);
    parser.reset();
    expect(parser.execute(get, 0, get.length)).toBe(ParserEvent.failed);
    expect(parser.failure?.code).toBe('ERR_PARSER_CLOSED');
  });

  test('leaves nothing behind after thousands of parsers, and their memory may grow meanwhile', () => {
    const live = liveParsers();
    const parsers = Array.from({ length: 20_000 }, () => new RequestParser());
    expect(liveParsers()).toBe(live + 20_000);
    for (const parser of [parsers[0], parsers[19_999], requests] as RequestParser[]) {
      expect(parser.execute(get, 0, get.length)).toBe(ParserEvent.head);
    }
    for (const parser of parsers) parser.close();
    expect(liveParsers()).toBe(live);
  });
});
