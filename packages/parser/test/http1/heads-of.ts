import {
  ParserEvent,
  RequestParser,
  ResponseParser,
  type RequestHead,
  type ResponseHead,
} from '../../src/index.ts';

/** The head of a request given as lines without CRLF. */
export function requestHead(...lines: string[]): RequestHead {
  const parser = new RequestParser();
  const chunk = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const event = parser.execute(chunk, 0, chunk.length);
  const { head, failure } = parser;
  parser.close();
  if (event !== ParserEvent.head || head === undefined) throw new Error(failure?.code);
  return head;
}

/** The head of a response to a GET, or to another method, given as lines without CRLF. */
export function responseHead(lines: readonly string[], method = 'GET'): ResponseHead {
  const parser = new ResponseParser();
  parser.expect(method);
  const chunk = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const event = parser.execute(chunk, 0, chunk.length);
  const { head, failure } = parser;
  parser.close();
  if (event !== ParserEvent.head || head === undefined) throw new Error(failure?.code);
  return head;
}
