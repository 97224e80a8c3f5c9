import { afterEach, describe, expect, test } from 'vitest';
import { RequestParser, ResponseParser, type MessageParser, type WireLimits } from '../../src/index.ts';
import { everyByte, replay } from './replay.ts';

let open: MessageParser[] = [];
afterEach(() => {
  for (const parser of open) parser.close();
  open = [];
});

function outcomes(parser: MessageParser, text: string): string[] {
  open.push(parser);
  const bytes = Buffer.from(text, 'latin1');
  const ways = [[], everyByte(bytes.length), [7], [bytes.length >> 1]];
  return ways.map(
    (cuts) => replay(parser, bytes, cuts, ['GET']).findLast((line) => !line.startsWith('field')) ?? '',
  );
}

const request = (text: string, limits: Partial<WireLimits>): string[] =>
  outcomes(new RequestParser(limits), text);
const response = (text: string, limits: Partial<WireLimits>): string[] =>
  outcomes(new ResponseParser(limits), text);
const all = (line: string): string[] => [line, line, line, line];
const end = all('end');

describe('request line', () => {
  const limits = { requestLine: 60 };
  const line = (length: number): string => `GET /${'x'.repeat(length - 14)} HTTP/1.1`;
  test('at the limit passes', () => {
    expect(line(60)).toHaveLength(60);
    expect(request(`${line(60)}\r\nHost: a\r\n\r\n`, limits)).toEqual(end);
    expect(request(`\r\n${line(60)}\r\nHost: a\r\n\r\n`, limits)).toEqual(end);
  });
  test('one over is refused with 414', () => {
    expect(request(`${line(61)}\r\nHost: a\r\n\r\n`, limits)).toEqual(
      all('failed 414 ERR_REQUEST_LINE_TOO_LONG'),
    );
  });
  test('one over is refused even where something else is wrong later', () => {
    const text = `${line(61)}\r\nHost : a\r\n\r\n`;
    expect(request(text, limits)).toEqual(all('failed 414 ERR_REQUEST_LINE_TOO_LONG'));
  });
  test('is refused before it ends, with bounded memory', () => {
    const parser = new RequestParser(limits);
    open.push(parser);
    const bytes = Buffer.from(line(200));
    let at = 0;
    while (at < bytes.length && parser.execute(bytes, at, at + 1) === 0) at++;
    expect(at).toBe(61);
  });
  test('the default is 8 KiB', () => {
    expect(request(`${line(8192)}\r\nHost: a\r\n\r\n`, {})).toEqual(end);
    expect(request(`${line(8193)}\r\nHost: a\r\n\r\n`, {})).toEqual(
      all('failed 414 ERR_REQUEST_LINE_TOO_LONG'),
    );
  });
});

describe('all fields', () => {
  const refused = all('failed 431 ERR_FIELDS_TOO_LARGE');
  const fields = (bytes: number): string => `Host: a\r\nX: ${'y'.repeat(bytes - 14)}\r\n`;
  test('at the limit passes, one over is refused with 431', () => {
    expect(fields(100)).toHaveLength(100);
    expect(request(`GET / HTTP/1.1\r\n${fields(100)}\r\n`, { headerBytes: 100 })).toEqual(end);
    expect(request(`GET / HTTP/1.1\r\n${fields(101)}\r\n`, { headerBytes: 100 })).toEqual(refused);
  });
  test('the default is 32 KiB', () => {
    expect(request(`GET / HTTP/1.1\r\n${fields(32_768)}\r\n`, {})).toEqual(end);
    expect(request(`GET / HTTP/1.1\r\n${fields(32_769)}\r\n`, {})).toEqual(refused);
  });
  test('far over is refused in whatever pieces, whatever follows', () => {
    expect(request(`GET / HTTP/1.1\r\n${fields(200_000)}\x00`, {})).toEqual(refused);
  });
  test('more than 64 KiB pass if the limit allows', () => {
    expect(request(`GET / HTTP/1.1\r\n${fields(200_000)}\r\n`, { headerBytes: 200_000 })).toEqual(end);
  });
  test('is refused before they end', () => {
    const parser = new RequestParser({ headerBytes: 100 });
    open.push(parser);
    const bytes = Buffer.from(`GET / HTTP/1.1\r\n${fields(1000)}`);
    let at = 0;
    while (at < bytes.length && parser.execute(bytes, at, at + 1) === 0) at++;
    expect(at).toBe(16 + 101);
  });
  test('of a response count with the status line, over the limit is 502', () => {
    const head = 'HTTP/1.1 204 OK\r\nHost: a\r\n';
    expect(response(`${head}\r\n`, { headerBytes: head.length })).toEqual(end);
    expect(response(`${head}\r\n`, { headerBytes: head.length - 1 })).toEqual(
      all('failed 502 ERR_FIELDS_TOO_LARGE'),
    );
  });
});

describe('number of fields', () => {
  const fields = (count: number): string => `Host: a\r\n${'a:\r\n'.repeat(count - 1)}`;
  test('at the limit passes, one over is refused with 431', () => {
    expect(request(`GET / HTTP/1.1\r\n${fields(100)}\r\n`, {})).toEqual(end);
    expect(request(`GET / HTTP/1.1\r\n${fields(101)}\r\n`, {})).toEqual(
      all('failed 431 ERR_FIELDS_TOO_LARGE'),
    );
    expect(response(`HTTP/1.1 204 A\r\n${fields(101)}\r\n`, {})).toEqual(
      all('failed 502 ERR_FIELDS_TOO_LARGE'),
    );
  });
  test('the largest limit passes', () => {
    const limits = { headerCount: 5000, headerBytes: 100_000 };
    expect(request(`GET / HTTP/1.1\r\n${fields(5000)}\r\n`, limits)).toEqual(end);
    expect(request(`GET / HTTP/1.1\r\n${fields(5001)}\r\n`, limits)).toEqual(
      all('failed 431 ERR_FIELDS_TOO_LARGE'),
    );
  });
  test('a head that is all fields does not overrun the tape', () => {
    const limits = { headerCount: 5000, headerBytes: 1_000_000 };
    expect(request(`GET / HTTP/1.1\r\n${fields(60_000)}\r\n`, limits)).toEqual(
      all('failed 431 ERR_FIELDS_TOO_LARGE'),
    );
  });
});

describe('one field', () => {
  test('at the limit passes, one over is refused with 431', () => {
    const limits = { fieldBytes: 20 };
    expect(request(`GET / HTTP/1.1\r\nHost: a\r\nName: ${'x'.repeat(16)}\r\n\r\n`, limits)).toEqual(end);
    const text = `GET / HTTP/1.1\r\nHost: a\r\nName: ${'x'.repeat(17)}\r\n\r\n`;
    expect(request(text, limits)).toEqual(all('failed 431 ERR_FIELDS_TOO_LARGE'));
  });
});

describe('chunked bodies', () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const overhead = all('failed 400 ERR_CHUNK_OVERHEAD');
  test('extensions at the limit pass, one over is refused', () => {
    const limits = { chunkOverhead: 40 };
    const body = (bytes: number): string => `1;${'e'.repeat(19)}\r\nx\r\n0;${'f'.repeat(bytes - 21)}\r\n\r\n`;
    expect(request(head + body(40), limits)).toEqual(end);
    expect(request(head + body(41), limits)).toEqual(overhead);
  });
  test('needless zeros count', () => {
    expect(request(`${head}${'0'.repeat(100)}1\r\nx\r\n0\r\n\r\n`, { chunkOverhead: 85 })).toEqual(end);
    expect(request(`${head}${'0'.repeat(100)}1\r\nx\r\n0\r\n\r\n`, { chunkOverhead: 84 })).toEqual(overhead);
  });
  test('an extension without end is refused', () => {
    expect(request(`${head}1;${'e'.repeat(20_000)}`, {})).toEqual(overhead);
  });
  test('any number of honest chunks passes, of one byte too', () => {
    expect(request(`${head}${'1\r\nx\r\n'.repeat(30_000)}0\r\n\r\n`, { chunkOverhead: 0 })).toEqual(end);
  });
  test('trailers at the limits pass, one over is refused', () => {
    const limits = { headerBytes: 60, headerCount: 4 };
    const trailers = (bytes: number): string => `${head}0\r\nA: ${'b'.repeat(bytes - 5)}\r\n\r\n`;
    const refused = all('failed 431 ERR_FIELDS_TOO_LARGE');
    expect(request(trailers(60), limits)).toEqual(end);
    expect(request(trailers(61), limits)).toEqual(refused);
    expect(request(`${head}0\r\n${'a:\r\n'.repeat(4)}\r\n`, limits)).toEqual(end);
    expect(request(`${head}0\r\n${'a:\r\n'.repeat(5)}\r\n`, limits)).toEqual(refused);
    expect(request(`${head}0\r\n${'a:\r\n'.repeat(40_000)}\r\n`, limits)).toEqual(refused);
  });
  test('trailers with a name that frames, at the limits, pass, one over is refused', () => {
    const length = 'Content-Length: 1\r\n';
    const trailers = (bytes: number): string =>
      `${head}0\r\n${length}A: ${'b'.repeat(bytes - length.length - 5)}\r\n\r\n`;
    const limits = { headerBytes: 60, headerCount: 4 };
    const refused = all('failed 431 ERR_FIELDS_TOO_LARGE');
    expect(request(trailers(60), limits)).toEqual(end);
    expect(request(trailers(61), limits)).toEqual(refused);
    expect(request(`${head}0\r\n${length}${'a:\r\n'.repeat(3)}\r\n`, limits)).toEqual(end);
    expect(request(`${head}0\r\n${length}${'a:\r\n'.repeat(4)}\r\n`, limits)).toEqual(refused);
    expect(request(`${head}0\r\n${length}${'x'.repeat(1_000)}`, limits)).toEqual(refused);
    expect(request(`${head}0\r\n${length}\r\n`, { fieldBytes: 14 })).toEqual(refused);
  });
});

test('a head sent byte by byte costs in proportion to its length', () => {
  // 32 KiB of head in pieces of one byte; copying the whole for each would be half a gigabyte.
  const parser = new RequestParser();
  open.push(parser);
  const bytes = Buffer.from(
    `GET / HTTP/1.1\r\nHost: a\r\n${`Cookie: ${'x'.repeat(300)}\r\n`.repeat(90)}\r\n`,
  );
  for (let at = 0; at < bytes.length - 1; at++) expect(parser.execute(bytes, at, at + 1)).toBe(0);
  expect(parser.execute(bytes, bytes.length - 1, bytes.length)).toBe(1);
  expect(parser.head?.fields).toHaveLength(182);
});

test('limits that make no sense are refused', () => {
  for (const limits of [
    { headerCount: 0 },
    { headerCount: 5001 },
    { requestLine: -1 },
    { headerBytes: 1.5 },
    { chunkOverhead: Number.NaN },
  ]) {
    expect(() => new RequestParser(limits)).toThrow(RangeError);
  }
});
