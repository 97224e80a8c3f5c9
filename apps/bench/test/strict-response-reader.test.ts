import { describe, expect, test } from 'vitest';
import { ResponseReader } from '../src/response-reader.ts';

interface Heard {
  readonly statuses: number[];
  readonly body: string;
  readonly problem: string | undefined;
  readonly ending: string;
}

function read(pieces: readonly string[], ...methods: string[]): Heard {
  const statuses: number[] = [];
  let body = '';
  const reader = new ResponseReader({
    onBody: (chunk) => {
      body += chunk.toString('latin1');
    },
    onEnd: (head) => statuses.push(head.status),
  });
  for (const method of methods) reader.expect(method);
  for (const piece of pieces) reader.feed(Buffer.from(piece, 'latin1'));
  return { statuses, body, problem: reader.problem, ending: reader.end() };
}

const GOOD: readonly (readonly [string, string, string[], string])[] = [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', [], 'hello'],
  [
    'chunks with extension and trailer',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n',
    [],
    'hello',
  ],
  ['no body for HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', ['HEAD'], ''],
  ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', [], ''],
  ['until the end', 'HTTP/1.1 200 OK\r\n\r\nall of it', [], 'all of it'],
  [
    'an interim answer first',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    [],
    'ok',
  ],
];

describe('well-formed answers', () => {
  test.each(GOOD)('%s, whole and byte by byte', (_name, text, methods, body) => {
    for (const pieces of [[text], text.split('')]) {
      expect(read(pieces, ...methods)).toMatchObject({ problem: undefined, body, ending: 'clean' });
      expect(read(pieces, ...methods).statuses).toHaveLength(text.includes('304') ? 1 : 1);
    }
  });

  test('two in a row', () => {
    const one = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n';
    expect(read([`${one}a${one}b`])).toMatchObject({ statuses: [200, 200], body: 'ab' });
  });

  test('one that ends early is truncated, not malformed', () => {
    expect(read(['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel']).ending).toBe('truncated');
    expect(read(['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel']).ending).toBe('truncated');
  });
});

const BAD: readonly (readonly [string, string])[] = [
  ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n'],
  ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n'],
  ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
  ['chunked in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a length in a 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n'],
  ['a bare line feed', 'HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n'],
  ['a bare carriage return', 'HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n'],
  ['NUL in a value', 'HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n'],
  ['space before the colon', 'HTTP/1.1 200 OK\r\nA : b\r\n\r\n'],
  ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
  ['an empty name', 'HTTP/1.1 200 OK\r\n: b\r\n\r\n'],
  ['HTTP/0.9', '<html>hello'],
  ['a two-digit status', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a chunk size with a sign', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n'],
  ['a chunk without CRLF', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n'],
  ['a bad trailer', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX y\r\n\r\n'],
];

test.each(BAD)('%s is malformed', (_name, text) => {
  for (const pieces of [[text], text.split('')]) {
    const heard = read(pieces);
    expect(heard.problem).toBeDefined();
    expect(heard.ending).toBe('malformed');
  }
});
