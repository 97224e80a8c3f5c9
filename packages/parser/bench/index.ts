import {
  encodeTrailers,
  fieldId,
  ForwardingTail,
  forwardRequestHead,
  forwardResponseHead,
  ParserEvent,
  RequestParser,
  ResponseParser,
  type ForwardRequest,
  type MessageParser,
  type RequestHead,
  type ResponseHead,
} from '../src/index.ts';
import { browserRequest, chunkedResponse, minimalRequest, smallResponse } from './messages.ts';

/** Prints nanoseconds per operation: the median of seven rounds of about 100 ms each. */
function measure(name: string, operation: () => void): void {
  for (let i = 0; i < 20_000; i++) operation();
  const from = process.hrtime.bigint();
  for (let i = 0; i < 2_000; i++) operation();
  const count = Math.max(200, Math.round((2_000 * 1e8) / Number(process.hrtime.bigint() - from)));
  const rounds: number[] = [];
  for (let round = 0; round < 7; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) operation();
    rounds.push(Number(process.hrtime.bigint() - start) / count);
  }
  rounds.sort((a, b) => a - b);
  process.stdout.write(`${name.padEnd(44)}${(rounds[3] as number).toFixed(0).padStart(9)} ns/op\n`);
}

function parseAll(parser: MessageParser, chunk: Buffer, length: number): void {
  let event: ParserEvent = ParserEvent.needMore;
  let at = 0;
  do {
    event = parser.execute(chunk, at, length);
    at = parser.position;
  } while (event !== ParserEvent.end && event !== ParserEvent.needMore && event !== ParserEvent.failed);
  if (event !== ParserEvent.end) throw new Error(`The message did not end: ${parser.failure?.code}`);
}

// A backend socket reads into one large buffer of which a message fills only a part.
function received(message: Buffer): Buffer {
  const buffer = Buffer.alloc(Math.max(65_536, message.length + 1));
  message.copy(buffer);
  return buffer;
}

const requests = new RequestParser();
const responses = new ResponseParser();
for (const [name, message] of [
  ['parse minimal request', minimalRequest],
  ['parse browser request', browserRequest],
] as const) {
  const buffer = received(message);
  measure(`${name} (${message.length} B)`, () => parseAll(requests, buffer, message.length));
}
for (const [name, message] of [
  ['parse small response', smallResponse],
  ['parse chunked response', chunkedResponse],
] as const) {
  const buffer = received(message);
  measure(`${name} (${message.length} B)`, () => {
    responses.expect('GET');
    parseAll(responses, buffer, message.length);
  });
}
const bytewise = received(browserRequest);
measure('parse browser request byte by byte', () => {
  for (let at = 0; at < browserRequest.length; at++) requests.execute(bytewise, at, at + 1);
  requests.execute(bytewise, 0, 0);
});

const headOf = (message: Buffer): RequestHead => {
  requests.reset();
  requests.execute(message, 0, message.length);
  return requests.head as RequestHead;
};
const rules: ForwardRequest = {
  client: '192.0.2.1',
  proto: 'http',
  port: 8080,
  trusted: false,
  requestId: '5f2b8c1e-77',
  viaName: 'rp',
  forwarded: false,
  tail: new ForwardingTail('192.0.2.1', 'http', 8080),
};
const target = Buffer.alloc(65_536);
const write = (head: string): void => {
  target.write(head, 0, 'latin1');
};
const minimalHead = headOf(minimalRequest);
const browserHead = headOf(browserRequest);
measure('forward minimal request, with writing', () => write(forwardRequestHead(minimalHead, rules, '', '')));
measure('forward browser request, with writing', () => write(forwardRequestHead(browserHead, rules, '', '')));
responses.reset();
responses.expect('GET');
responses.execute(smallResponse, 0, smallResponse.length);
const responseHead = responses.head as ResponseHead;
measure('forward small response, with writing', () =>
  write(forwardResponseHead(responseHead, 1, 'keep', '', '', 'rp')),
);
measure('fieldId, known', () => void fieldId('Content-Length'));
measure('fieldId, unknown', () => void fieldId('Sec-Fetch-Mode'));
measure('encodeTrailers', () => void encodeTrailers(['Checksum', 'abc']));
requests.close();
responses.close();
