import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BodyFraming,
  FieldId,
  fieldValue,
  forwardRequestHead,
  forwardResponseHead,
  ParserEvent,
  RepeatedRequest,
  RequestHead,
  RequestParser,
  ResponseParser,
  setField,
  type ForwardRequest,
  type WireLimits,
} from '../../src/index.ts';

const rules = {
  client: '192.0.2.1',
  proto: 'http' as const,
  port: 80,
  trusted: false,
  requestId: 'id',
  viaName: 'rp',
  forwarded: false,
};

const requestOf = (text: string, limits?: Partial<WireLimits>) => {
  const parser = new RequestParser(limits);
  const bytes = Buffer.from(text, 'latin1');
  const event = parser.execute(bytes, 0, bytes.length);
  const { head, failure } = parser;
  parser.close();
  return { event, head, failure };
};

const get = (path: string, ...lines: string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: example.com', ...lines, '', ''].join('\r\n');

test('a head that comes again is the same head', () => {
  const text = get('/again', 'Accept: text/plain', 'X-One: 1');
  const first = requestOf(text);
  const second = requestOf(text);
  expect(second.event).toBe(ParserEvent.head);
  expect(second.head).not.toBe(first.head);
  expect(forwardRequestHead(second.head!, rules, '', '')).toBe(
    forwardRequestHead(first.head!, rules, '', ''),
  );
});

test('what is changed in one does not show in the next', () => {
  const text = get('/changed', 'Accept: text/plain');
  requestOf(text);
  const changed = requestOf(text).head!;
  setField(changed, 'Accept', 'text/html');
  setField(changed, 'X-Added', 'yes');
  const next = requestOf(text).head!;
  expect(fieldValue(next, FieldId.accept)).toBe('text/plain');
  expect(next.fields).not.toContain('X-Added');
  expect(next.ids).toHaveLength(next.fields.length / 2);
});

test('a head that one parser took is refused by another with narrower limits', () => {
  const text = get('/limits', 'A: 1', 'B: 2');
  expect(requestOf(text).event).toBe(ParserEvent.head);
  expect(requestOf(text).event).toBe(ParserEvent.head);
  const refused = requestOf(text, { headerCount: 2 });
  expect(refused.event).toBe(ParserEvent.failed);
  expect(refused.failure?.status).toBe(431);
});

test('random requests, each three times: always what a parser says that saw it for the first time', () => {
  const name = fc.constantFrom(
    'Accept',
    'Connection',
    'X-A',
    'Content-Length',
    'Transfer-Encoding',
    'Bad Name',
  );
  const value = fc.constantFrom('close', '5', 'chunked', 'x', '', 'keep-alive, x-a');
  const line = fc.tuple(name, value).map(([n, v]) => `${n}: ${v}`);
  fc.assert(
    fc.property(
      fc.nat(3),
      fc.array(line, { maxLength: 4 }),
      fc.constantFrom('', 'abcde'),
      (path, lines, body) => {
        const text = get(`/${path}`, ...lines) + body;
        const seen = [0, 1, 2].map(() => {
          const { event, head, failure } = requestOf(text);
          const forwarded = event === ParserEvent.head ? forwardRequestHead(head!, rules, '', '') : '';
          return [event, failure?.code, forwarded, event === ParserEvent.head ? head!.fields : []];
        });
        expect(seen[1]).toEqual(seen[0]);
        expect(seen[2]).toEqual(seen[0]);
      },
    ),
    { numRuns: 2_000 },
  );
});

/** The same head, but as if nobody had seen it before. */
const unknown = (head: RequestHead): RequestHead =>
  new RequestHead(
    head.method,
    head.target,
    head.minor,
    [...head.sharedFields],
    [...head.ids],
    head.framing,
    head.contentLength,
    head.host,
    head.path,
    head.keepAlive,
    head.upgrade,
    head.expectContinue,
  );

test('what is kept of a repeated request is not forwarded where anything else differs', () => {
  const text = get('/kept', 'Via: 1.0 before', 'X-Request-Id: theirs', 'Connection: upgrade', 'Upgrade: x');
  const rule = fc.constantFrom<Partial<ForwardRequest>>(
    {},
    { requestId: 'another' },
    { requestId: '' },
    { client: '192.0.2.2' },
    { port: 81 },
    { proto: 'https' },
    { trusted: true },
    { trusted: true, requestIdPolicy: 'new' },
    { requestIdPolicy: 'off' },
    { xForwarded: false },
    { forwarded: true },
    { viaName: 'other' },
    { host: 'inner' },
    { version: '2.0' },
  );
  const change = fc.constantFrom<Partial<RequestHead>>(
    {},
    { path: '/changed' },
    { method: 'DELETE' },
    { host: 'other.example' },
    { framing: BodyFraming.chunked },
    { framing: BodyFraming.length, contentLength: 5 },
    { framing: BodyFraming.length, contentLength: 6 },
    { upgrade: 'y' },
  );
  const connection = fc.constantFrom<('' | 'close' | 'upgrade')[]>('', 'close', 'upgrade');
  requestOf(text);
  fc.assert(
    fc.property(fc.array(fc.tuple(rule, change, connection), { maxLength: 6 }), (requests) => {
      for (const [differently, changes, option] of requests) {
        const head = Object.assign(requestOf(text).head!, changes);
        const all = { ...rules, ...differently };
        const fresh = forwardRequestHead(unknown(head), all, 'X-Extra: 1\r\n', option);
        for (let i = 0; i < 2; i++)
          expect(forwardRequestHead(head, all, 'X-Extra: 1\r\n', option)).toBe(fresh);
      }
    }),
  );
});

test('a head that did not come as text is repeated by copies that do not know of each other', () => {
  const first = unknown(requestOf(get('/copied', 'Accept: text/plain', 'Empty:')).head!);
  const repeated = new RepeatedRequest(first);
  const plain = forwardRequestHead(first, rules, '', '');
  const changed = repeated.copy();
  expect(forwardRequestHead(changed, rules, '', '')).toBe(plain);
  setField(changed, 'Accept', 'text/html');
  setField(first, 'Accept', 'image/png');
  changed.path = '/changed';
  for (let i = 0; i < 3; i++) expect(forwardRequestHead(repeated.copy(), rules, '', '')).toBe(plain);
  expect(repeated.copy().fields).toEqual(['Host', 'example.com', 'Accept', 'text/plain', 'Empty', '']);
});

test('what is kept of a repeated response is not forwarded where a hook changed its start line or length', () => {
  const parser = new ResponseParser();
  const bytes = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na';
  for (let i = 0; i < 3; i++) {
    respond(parser, 'GET', bytes);
    expect(forwardResponseHead(parser.head!, 1, 'keep', '', '', 'rp')).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  }
  parser.head!.status = 404;
  parser.head!.reason = 'Gone Fishing';
  parser.head!.contentLength = 7;
  const text = forwardResponseHead(parser.head!, 1, 'keep', '', '', 'rp');
  expect(text).toMatch(/^HTTP\/1.1 404 Gone Fishing\r\nContent-Length: 7\r\n/);
  parser.close();
});

const respond = (parser: ResponseParser, method: string, text: string): string[] => {
  const events: string[] = [];
  parser.expect(method);
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  do {
    const event = parser.execute(bytes, at, bytes.length);
    at = parser.position;
    events.push(event === ParserEvent.body ? `body ${parser.bodyLength}` : String(event));
    if (event === ParserEvent.failed) break;
  } while (at < bytes.length || parser.complete);
  return events;
};

test('a response head that comes again with the same or another body, and after HEAD', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\n';
  const parser = new ResponseParser();
  expect(respond(parser, 'GET', `${head}abc`)).toEqual(['1', 'body 3', '3']);
  const text = forwardResponseHead(parser.head!, 1, 'keep', '', '', 'rp');
  expect(respond(parser, 'GET', `${head}def`)).toEqual(['1', 'body 3', '3']);
  expect(forwardResponseHead(parser.head!, 1, 'keep', '', '', 'rp')).toBe(text);
  expect(forwardResponseHead(parser.head!, 1, 'keep', '', '', 'rp')).toBe(text);
  expect(forwardResponseHead(parser.head!, 1, 'keep', 'close', '', 'rp')).toContain('Connection: close\r\n');
  expect(forwardResponseHead(parser.head!, 1, 'keep', '', 'Date: x\r\n', 'rp')).toContain('Date: x\r\n');
  // The same bytes mean something else in answer to HEAD: no body follows.
  expect(respond(parser, 'HEAD', head)).toEqual(['1', '3']);
  expect(respond(parser, 'HEAD', head)).toEqual(['1', '3']);
  expect(respond(parser, 'GET', `${head}abc`)).toEqual(['1', 'body 3', '3']);
  parser.close();
});

test('a response head whose beginning is that of the last one is read anew', () => {
  const parser = new ResponseParser();
  const one = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na';
  expect(respond(parser, 'GET', one)).toEqual(['1', 'body 1', '3']);
  expect(respond(parser, 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-A: 1\r\n\r\na')).toEqual([
    '1',
    'body 1',
    '3',
  ]);
  expect(parser.head!.fields).toEqual(['Content-Length', '1', 'X-A', '1']);
  expect(respond(parser, 'GET', one)).toEqual(['1', 'body 1', '3']);
  parser.close();
});
