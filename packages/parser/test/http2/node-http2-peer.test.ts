import http2 from 'node:http2';
import { duplexPair } from 'node:stream';
import type { Duplex } from 'node:stream';
import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameEvent, FrameReader, FrameWriter, HpackDecoder } from '../../src/http2/index.ts';
import { request } from './frames.ts';
import { MiniServer } from './mini-server.ts';

/** Fields that node:http2 lets pass: no names it knows a rule for, no values it would trim. */
const name = fc.oneof(
  fc.constantFrom('x-one', 'x-two', 'x-three', 'accept-language', 'user-agent', 'server', 'via', 'x-number'),
  fc
    .string({
      unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-'),
      minLength: 1,
      maxLength: 20,
    })
    .map((text) => `x-${text}`),
);
const value = fc.string({
  unit: fc
    .oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }))
    .map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 60,
});
const fields = fc
  .uniqueArray(fc.tuple(name, value), { maxLength: 12, selector: ([key]) => key })
  .map((pairs) => pairs.flat());
const messages = fc.array(fc.tuple(fields, fields), { minLength: 1, maxLength: 8 });

function asObject(list: readonly string[]): Record<string, string> {
  const object: Record<string, string> = {};
  for (let index = 0; index < list.length; index += 2) {
    object[list[index] as string] = list[index + 1] as string;
  }
  return object;
}

/** Our server at one end of a pair of streams. */
function serve(socket: Duplex): MiniServer {
  const mini = new MiniServer();
  const flush = (): void => {
    for (const buffer of mini.writer.take()) socket.write(Buffer.from(buffer));
    mini.writer.recycle();
  };
  socket.on('data', (chunk: Buffer) => {
    mini.feed(chunk);
    flush();
  });
  flush();
  return mini;
}

describe('node:http2 as a client', () => {
  it('understands our answers, and we its requests, whatever their fields are', async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (exchanges) => {
        const [ours, theirs] = duplexPair();
        const mini = serve(ours);
        const session = http2.connect('http://example.com', { createConnection: () => theirs });
        for (const [sent, answered] of exchanges) {
          let seen: readonly string[] = [];
          mini.answerFields = (list) => {
            seen = list;
            return answered;
          };
          const stream = session.request({ ':path': '/path', ...asObject(sent) });
          const closed = once(stream, 'close');
          const [, , raw] = (await once(stream, 'response')) as [unknown, unknown, string[]];
          stream.resume();
          await closed;
          expect(asObject(seen)).toEqual({
            ':method': 'GET',
            ':path': '/path',
            ':scheme': 'http',
            ':authority': 'example.com:80',
            ...asObject(sent),
          });
          expect(raw).toEqual([':status', '200', ...answered]);
        }
        session.destroy();
        expect(mini.dead).toBe(false);
      }),
      { numRuns: 25 },
    );
  });
});

/** The smallest client: one request at a time, over the codec. */
class MiniClient {
  readonly #reader: FrameReader = new FrameReader({ role: 'client' });
  readonly #decoder: HpackDecoder = new HpackDecoder();
  readonly #writer: FrameWriter = new FrameWriter();
  readonly #socket: Duplex;
  #streamId = -1;
  #fields: string[] = [];
  #body = '';
  #done: (answer: [string[], string]) => void = () => undefined;

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#writer.preface();
    this.#writer.settings([2, 0]);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  request(list: readonly string[], body: Buffer): Promise<[string[], string]> {
    this.#streamId += 2;
    this.#body = '';
    this.#writer.headers(this.#streamId, list, false);
    this.#writer.data(this.#streamId, body, 0, body.length, true);
    return new Promise((resolve) => {
      this.#done = resolve;
      this.#flush();
    });
  }

  #read(chunk: Buffer): void {
    const reader = this.#reader;
    reader.feed(chunk, 0, chunk.length);
    for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) {
      if (event === FrameEvent.settings) this.#writer.settingsAck();
      if (event === FrameEvent.error) throw new Error(reader.error?.message);
      if (event === FrameEvent.headers) {
        const result = this.#decoder.decode(reader.buffer, reader.start, reader.end);
        if (result !== 'ok') throw new Error(this.#decoder.reason);
        this.#fields = this.#decoder.fields;
      }
      if (event === FrameEvent.data) {
        this.#body += reader.buffer.toString('latin1', reader.start, reader.end);
        if (reader.endStream) this.#done([this.#fields, this.#body]);
      }
    }
    this.#flush();
  }

  #flush(): void {
    for (const buffer of this.#writer.take()) this.#socket.write(Buffer.from(buffer));
    this.#writer.recycle();
  }
}

describe('node:http2 as a server', () => {
  it('understands our requests, and we its answers, whatever their fields are', async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (exchanges) => {
        const [ours, theirs] = duplexPair();
        let seen: readonly string[] = [];
        let answer: readonly string[] = [];
        const session = http2.performServerHandshake(theirs);
        session.on('stream', (stream, _headers, _flags, rawHeaders) => {
          seen = rawHeaders;
          const chunks: Buffer[] = [];
          stream.on('data', (chunk: Buffer) => chunks.push(chunk));
          stream.on('end', () => {
            stream.respond(asObject(answer), { sendDate: false } as http2.ServerStreamResponseOptions);
            stream.end(Buffer.concat(chunks));
          });
        });
        const client = new MiniClient(ours);
        for (const [sent, answered] of exchanges) {
          answer = answered;
          const list = request(...sent);
          const [received, body] = await client.request(list, Buffer.from('the body'));
          expect(seen).toEqual(list);
          expect(body).toBe('the body');
          const { date: _date, ...rest } = asObject(received);
          expect(rest).toEqual({ ':status': '200', ...asObject(answered) });
        }
        session.destroy();
      }),
      { numRuns: 25 },
    );
  });
});
