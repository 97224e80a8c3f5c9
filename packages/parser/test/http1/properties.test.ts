import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  BodyFraming,
  encodeTrailers,
  forwardRequestHead,
  forwardResponseHead,
  isFieldName,
  isFieldValue,
  isReasonPhrase,
  ParserEvent,
  RequestParser,
  ResponseParser,
  type ForwardRequest,
} from '../../src/index.ts';
import { fixtures } from './fixtures.ts';
import { requestHead, responseHead } from './heads-of.ts';
import { Replay, replay } from './replay.ts';

const runs = { numRuns: 300, seed: 20_261_123 };
const requests = new RequestParser();
const responses = new ResponseParser();
afterAll(() => {
  requests.close();
  responses.close();
});

const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const name = fc
  .string({ unit: fc.constantFrom(...tchar), minLength: 1, maxLength: 20 })
  // Names that mean something have tests of their own.
  .map((text) => `q${text}`);
const latin1Value = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0x21, max: 0x7e }),
      fc.constantFrom(0x20, 0x09),
      fc.integer({ min: 0x80, max: 0xff }),
    ),
    { maxLength: 60 },
  )
  .map((codes) => String.fromCharCode(...codes).replace(/^[ \t]+|[ \t]+$/g, ''));
const blank = fc.constantFrom('', ' ', '\t', '  \t ');
const field = fc.record({ name, value: latin1Value, before: blank, after: blank });
const fields = fc.array(field, { maxLength: 12 });
const target = fc
  .string({ unit: fc.constantFrom(...'abc/?&=%2F.~:@!$\'()*+,;[]{}|^"<>`') })
  .map((text) => `/${text}`.replaceAll('%00', ''));
const cutsOf = fc.array(fc.nat(400), { maxLength: 6 });
const sorted = (cuts: readonly number[], length: number): number[] =>
  [...new Set(cuts)].filter((cut) => cut > 0 && cut < length).toSorted((a, b) => a - b);

const raw = (lines: readonly { name: string; value: string; before: string; after: string }[]): string =>
  lines.map((line) => `${line.name}:${line.before}${line.value}${line.after}\r\n`).join('');

describe('any head', () => {
  test('of a request gives back its target and fields, however it is cut', () => {
    fc.assert(
      fc.property(target, fields, cutsOf, (path, list, cuts) => {
        const bytes = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\n${raw(list)}\r\n`, 'latin1');
        expect(replay(requests, bytes, sorted(cuts, bytes.length))).toEqual([
          `head GET ${path} 1.1 host=a path=${path} none keepAlive`,
          'field Host: a',
          ...list.map((line) => `field ${line.name}: ${line.value}`),
          'end',
        ]);
      }),
      runs,
    );
  });

  test('of a response gives back its reason and fields, however it is cut', () => {
    fc.assert(
      fc.property(latin1Value, fields, cutsOf, (reason, list, cuts) => {
        const bytes = Buffer.from(`HTTP/1.1 204 ${reason}\r\n${raw(list)}\r\n`, 'latin1');
        expect(replay(responses, bytes, sorted(cuts, bytes.length), ['GET'])).toEqual([
          `head 1.1 204 ${JSON.stringify(reason)} none keepAlive`,
          ...list.map((line) => `field ${line.name}: ${line.value}`),
          'end',
        ]);
      }),
      runs,
    );
  });
});

test('any chunked body gives back its data, however it is chunked and cut', () => {
  const chunk = fc.record({
    data: fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', ';'), minLength: 1, maxLength: 30 }),
    extension: fc.constantFrom('', ';a', ';a=b', ';a="b;c"'),
  });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 8 }), fields, cutsOf, (chunks, trailers, cuts) => {
      const body = chunks
        .map(({ data, extension }) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`)
        .join('');
      const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
      const bytes = Buffer.from(`${head}${body}0\r\n${raw(trailers)}\r\n`, 'latin1');
      const data = chunks.map((one) => one.data).join('');
      expect(replay(requests, bytes, sorted(cuts, bytes.length)).slice(3)).toEqual([
        ...(data === '' ? [] : [`body ${JSON.stringify(data)}`]),
        ...trailers.map((line) => `trailer ${line.name}: ${line.value}`),
        'end',
      ]);
    }),
    runs,
  );
});

describe('damaged messages', () => {
  const corpus = ['requests', 'hostile-requests', 'responses', 'hostile-responses'].flatMap((file) =>
    fixtures(file).map((fixture) => ({
      ...fixture,
      parser: file.endsWith('requests') ? requests : responses,
    })),
  );
  const damage = fc.array(
    fc.record({
      at: fc.nat(200),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(10, 13, 0, 32, 58, 44)),
      insert: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  );
  test('give the same events however they are cut', () => {
    fc.assert(
      fc.property(fc.constantFrom(...corpus), damage, cutsOf, ({ parser, bytes, methods }, wounds, cuts) => {
        const damaged = [...bytes];
        for (const { at, byte, insert } of wounds)
          damaged.splice(at % (damaged.length + 1), insert ? 0 : 1, byte);
        const whole = Buffer.from(damaged);
        const expected = replay(parser, whole, [], methods);
        expect(replay(parser, whole, sorted(cuts, whole.length), methods)).toEqual(expected);
      }),
      { ...runs, numRuns: 3000 },
    );
  });

  test('and any bytes at all never throw, nor spoil the memory that parsers share', () => {
    const other = new RequestParser();
    const good = Buffer.from(
      'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.nat(good.length),
        fc.boolean(),
        (noise, cut, response) => {
          const parser = response ? responses : requests;
          parser.reset();
          other.reset();
          responses.expect('GET');
          const interrupted = new Replay(other);
          interrupted.feed(good, 0, cut);
          const bytes = Buffer.from(noise);
          for (let turn = 0, at = 0; turn < 50; turn++) {
            const event = parser.execute(bytes, at, bytes.length);
            if (event === ParserEvent.needMore || event === ParserEvent.failed) break;
            at = parser.position;
          }
          interrupted.feed(good, cut);
          expect(interrupted.lines.slice(-2)).toEqual(['body "abc"', 'end']);
        },
      ),
      { ...runs, numRuns: 1000 },
    );
    other.close();
  });
});

describe('what is forwarded', () => {
  const rules: ForwardRequest = {
    client: '192.0.2.1',
    proto: 'http',
    port: 80,
    trusted: true,
    requestId: 'id',
    viaName: 'rp',
    forwarded: true,
  };
  const framing = fc.constantFrom([], ['Content-Length: 00'], ['Transfer-Encoding: chunked']);

  test('parses again to the same request, and nothing in it is split', () => {
    fc.assert(
      fc.property(target, fields, framing, fc.boolean(), (path, list, framed, isTrusted) => {
        const head = requestHead(
          `PUT ${path} HTTP/1.1`,
          'Host: a',
          ...raw(list).split('\r\n').slice(0, -1),
          ...framed,
        );
        const out = forwardRequestHead(head, { ...rules, trusted: isTrusted }, '', '');
        checkLines(out);
        const again = requestHead(...out.slice(0, -4).split('\r\n'));
        expect([again.method, again.path, again.host, again.framing, again.contentLength]).toEqual([
          head.method,
          path,
          'a',
          head.framing,
          head.contentLength,
        ]);
        expect(again.fields.slice(2, 2 + list.length * 2)).toEqual(
          list.flatMap((line) => [line.name, line.value]),
        );
      }),
      runs,
    );
  });

  test('of a response too', () => {
    fc.assert(
      fc.property(
        latin1Value,
        fields,
        framing,
        fc.constantFrom('keep', 'chunked'),
        (reason, list, framed, as) => {
          const head = responseHead([
            `HTTP/1.1 200 ${reason}`,
            ...raw(list).split('\r\n').slice(0, -1),
            ...framed,
          ]);
          const out = forwardResponseHead(head, 1, as, '', '', 'rp');
          checkLines(out);
          const again = responseHead(out.slice(0, -4).split('\r\n'));
          expect([again.status, again.reason]).toEqual([200, reason]);
          expect(again.fields.slice(0, list.length * 2)).toEqual(
            list.flatMap((line) => [line.name, line.value]),
          );
          const expected = as === 'keep' ? [head.framing, head.contentLength] : [BodyFraming.chunked, -1];
          expect([again.framing, again.contentLength]).toEqual(expected);
        },
      ),
      runs,
    );
  });

  test('is the same whether the fields were cut out before or not', () => {
    const lines = fc.array(
      fc.oneof(
        field.map((line) => raw([line]).slice(0, -2)),
        fc.constantFrom(
          'Via: 1.0 x',
          'Connection: qhop',
          'qhop: 1',
          'X_Forwarded_For: y',
          'X-Forwarded-For: z',
          'Cookie: a=b',
          'TE: trailers',
        ),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(lines, framing, fc.boolean(), (list, framed, isTrusted) => {
        const same = [0, 1].map((touch) => {
          const request = requestHead('PUT / HTTP/1.1', 'Host: a', ...list, ...framed);
          const response = responseHead(['HTTP/1.1 200 OK', ...list, ...framed]);
          const cut = touch === 1 ? request.fields.length + response.fields.length : 0;
          expect(cut > 0).toBe(request.lines === undefined);
          return [
            forwardRequestHead(request, { ...rules, trusted: isTrusted }, '', ''),
            forwardResponseHead(response, 1, 'keep', '', '', 'rp'),
          ];
        });
        expect(same[1]).toEqual(same[0]);
      }),
      runs,
    );
  });

  test('trailers parse again', () => {
    fc.assert(
      fc.property(fields, (list) => {
        const trailers = list.flatMap((line) => [line.name, line.value]);
        const bytes = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${encodeTrailers(trailers)}`;
        const events = replay(requests, Buffer.from(bytes, 'latin1'), []);
        expect(events.slice(3)).toEqual([
          ...list.map((line) => `trailer ${line.name}: ${line.value}`),
          'end',
        ]);
      }),
      runs,
    );
  });

  function checkLines(out: string): void {
    expect(out.endsWith('\r\n\r\n')).toBe(true);
    const [start, ...lines] = out.slice(0, -4).split('\r\n') as [string, ...string[]];
    expect(isReasonPhrase(start)).toBe(true);
    for (const line of lines) {
      const colon = line.indexOf(': ');
      const sound = isFieldName(line.slice(0, colon)) && isFieldValue(line.slice(colon + 2));
      expect([line, sound]).toEqual([line, true]);
    }
  }
});
