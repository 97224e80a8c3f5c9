import { forwardRequestHead, ParserEvent, RequestParser } from '@rp/parser';

const parser = new RequestParser({ headerBytes: 16_384 });
const chunk = Buffer.from(
  'GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n',
);
const event = parser.execute(chunk, 0, chunk.length);
if (event === ParserEvent.failed) throw new Error(parser.failure?.code); // answer parser.failure.status, close

const rules = {
  client: '192.0.2.1',
  proto: 'http',
  port: 80,
  trusted: false,
  requestId: '1',
  viaName: 'rp',
  forwarded: false,
} as const;
export const toBackend: string =
  parser.head === undefined ? '' : forwardRequestHead(parser.head, rules, '', '');
// GET /x HTTP/1.1, Host: a.example, X-Forwarded-For: 192.0.2.1, …, Via: 1.1 rp
parser.close();
