import {
  FrameEvent,
  FrameReader,
  FrameWriter,
  HpackDecoder,
  HpackEncoder,
  ParserEvent,
  ResponseParser,
  type ResponseHead,
} from '@rp/parser';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeResponseHead } from '../src/http2/response-fields.ts';
import { ResponseMemo } from '../src/http2/response-memo.ts';
import { ok } from './support/backend.ts';
import { get, value, type H2Client } from './support/h2-client.ts';
import { startH2, type H2Pair } from './support/h2-proxy.ts';
import { field } from './support/message.ts';

const HEADERS = 1;
const CONTINUATION_DONE = 4;
const END_STREAM = 1;

let nextStream = 1;

/** The octets of a request by an encoder of the test's own. */
function blockOf(encoder: HpackEncoder, fields: readonly string[]): Buffer {
  const room = Buffer.alloc(4_096);
  return room.subarray(0, encoder.encode(fields, room, 0));
}

async function ask(client: H2Client, block: Buffer, endStream = true): Promise<number> {
  const id = nextStream;
  nextStream += 2;
  client.frame(HEADERS, CONTINUATION_DONE | (endStream ? END_STREAM : 0), id, block);
  if (!endStream) client.data(id, 'body', true);
  await client.result(id);
  return id;
}

describe('a request that comes again octet for octet', () => {
  const begin = async (): Promise<H2Pair & { client: H2Client; encoder: HpackEncoder }> => {
    const pair = await startH2((_, connection) => connection.write(ok('answer')));
    nextStream = 1;
    return { ...pair, client: await pair.connect(), encoder: new HpackEncoder() };
  };

  test('is forwarded again, each time with an id of its own', async () => {
    const { client, encoder, backend } = await begin();
    for (let i = 0; i < 6; i++) {
      await ask(client, blockOf(encoder, get('GET', '/again', 'x-one', '1', 'cookie', 'a=1')));
    }
    const [first, ...others] = backend.requests;
    const id = (request: typeof first): string => field(request!, 'x-request-id')!;
    expect(new Set(backend.requests.map(id)).size).toBe(6);
    for (const other of others) {
      expect(other.start).toBe('GET /again HTTP/1.1');
      const withoutId = (request: typeof first): unknown =>
        request!.fields.filter(([name]) => name !== 'X-Request-Id');
      expect(withoutId(other)).toEqual(withoutId(first));
    }
  });

  test('is another one when the dynamic table has changed in between', async () => {
    const { client, encoder, backend } = await begin();
    await ask(client, blockOf(encoder, get('GET', '/one', 'x-a', '1')));
    const repeated = blockOf(encoder, get('GET', '/one', 'x-a', '1'));
    for (let i = 0; i < 4; i++) await ask(client, repeated);
    // Two fields more in the table, and every index of the block means another entry: no authority is left.
    await ask(client, blockOf(encoder, get('GET', '/two', 'x-b', '2')));
    const before = backend.requests.length;
    expect(before).toBe(6);
    const stale = nextStream;
    await ask(client, repeated);
    expect((await client.result(stale)).reset).toBe(1);
    expect(backend.requests).toHaveLength(before);
    await ask(client, blockOf(encoder, get('GET', '/one', 'x-a', '1')));
    expect(backend.requests.at(-1)?.start).toBe('GET /one HTTP/1.1');
    expect(field(backend.requests.at(-1)!, 'x-a')).toBe('1');
  });

  test('is another one with a body than without', async () => {
    const { client, encoder, backend } = await begin();
    const fields = get('POST', '/body');
    await ask(client, blockOf(encoder, fields));
    for (const endStream of [true, true, true, false, false, false, true]) {
      await ask(client, blockOf(encoder, fields), endStream);
    }
    expect(backend.requests.map(({ body }) => body.toString())).toEqual([
      '',
      '',
      '',
      '',
      'body',
      'body',
      'body',
      '',
    ]);
  });

  test('is refused again where it was refused', async () => {
    const { client, encoder, backend } = await begin();
    await ask(client, blockOf(encoder, get('GET', '/', 'expect', 'more')));
    for (let i = 0; i < 3; i++) {
      const id = await ask(client, blockOf(encoder, get('GET', '/', 'expect', 'more')));
      expect(value((await client.result(id)).fields, ':status')).toBe('417');
    }
    expect(backend.requests).toHaveLength(0);
  });

  test('is trailers, and malformed, on a stream that is open', async () => {
    const { client, encoder } = await begin();
    await ask(client, blockOf(encoder, get('GET', '/again')));
    for (let i = 0; i < 3; i++) await ask(client, blockOf(encoder, get('GET', '/again')));
    const id = nextStream;
    client.frame(HEADERS, CONTINUATION_DONE, id, blockOf(encoder, get('POST', '/open')));
    client.frame(HEADERS, CONTINUATION_DONE | END_STREAM, id, blockOf(encoder, get('GET', '/again')));
    expect((await client.result(id)).reset).toBe(1);
  });
});

describe('a response head that comes again', () => {
  const responses = [
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nDate: Mon, 23 Nov 2026 00:00:01 GMT\r\n\r\n',
    'HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nX-Long: abcdefghijklmnop\r\nSet-Cookie: a=b\r\n\r\n',
    'HTTP/1.0 200 OK\r\nContent-Length: 3\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\n\r\n',
  ];

  const headOf = (parser: ResponseParser, text: string): ResponseHead => {
    const bytes = Buffer.from(`${text}abc`, 'latin1');
    parser.expect('GET');
    let at = 0;
    let event: ParserEvent;
    do {
      event = parser.execute(bytes, at, bytes.length);
      at = parser.position;
    } while (event !== ParserEvent.end);
    return parser.head!;
  };

  const decoded = (writer: FrameWriter, reader: FrameReader, decoder: HpackDecoder): string[] => {
    const bytes = Buffer.concat(writer.take());
    reader.feed(bytes, 0, bytes.length);
    expect(reader.next()).toBe(FrameEvent.headers);
    expect(decoder.decode(reader.buffer, reader.start, reader.end)).toBe('ok');
    const { fields } = decoder;
    expect(reader.next()).toBe(FrameEvent.none);
    return fields;
  };

  test('means what an encoder without a memory says, whatever comes in between', () => {
    const step = fc.record({
      which: fc.nat(responses.length - 1),
      status: fc.constantFrom(0, 0, 0, 500),
      extra: fc.constantFrom('', '', '', 'X-Extra: 1\r\n'),
      via: fc.constantFrom('rp', 'rp', 'rp', 'other'),
      length: fc.constantFrom(3, 3, 3, 4),
      between: fc.constantFrom('', '', '', 'entry', 'table'),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 3, maxLength: 30 }), (steps) => {
        const parser = new ResponseParser();
        const memo = new ResponseMemo();
        const [remembering, plain] = [new FrameWriter(), new FrameWriter()];
        const readers = [0, 1].map(() => new FrameReader({ role: 'client' }));
        const decoders = [0, 1].map(() => new HpackDecoder());
        for (const [i, writer] of [remembering, plain].entries()) {
          writer.settings([]);
          const bytes = Buffer.concat(writer.take());
          readers[i]!.feed(bytes, 0, bytes.length);
          expect(readers[i]!.next()).toBe(FrameEvent.settings);
          expect(readers[i]!.next()).toBe(FrameEvent.none);
        }
        let id = 1;
        for (const { which, status, extra, via, length, between } of steps) {
          if (between === 'table')
            for (const writer of [remembering, plain]) writer.hpack.setPeerTableSize((id * 40) % 4_096);
          if (between === 'entry') {
            const fields = [':status', '103', `x-${id}`, 'between'];
            for (const writer of [remembering, plain]) writer.headers(id, fields, false);
            expect(decoded(remembering, readers[0]!, decoders[0]!)).toEqual(fields);
            decoded(plain, readers[1]!, decoders[1]!);
          }
          const head = headOf(parser, responses[which]!);
          head.contentLength = length;
          memo.write(remembering, id, status || head.status, head, extra, via, false);
          writeResponseHead(plain, id, status || head.status, head, extra, via, false);
          const got = decoded(remembering, readers[0]!, decoders[0]!);
          expect(got).toEqual(decoded(plain, readers[1]!, decoders[1]!));
          id += 2;
        }
        parser.close();
      }),
    );
  });
});
