import { BodyFraming, type RequestHead, type ResponseHead } from '@rp/parser';

export type ResponseFraming = 'keep' | 'chunked' | 'close';

/**
 * How a backend's response is framed for an HTTP/1 client (RFC 9112 §6.3): a length stays, also one that only tells
 * what GET would bring (HEAD, 304); everything else becomes chunked, or close-delimited for HTTP/1.0, which knows no
 * chunks.
 */
export function responseFraming(head: ResponseHead, request: RequestHead): ResponseFraming {
  if (head.framing === BodyFraming.none || head.framing === BodyFraming.length) return 'keep';
  return request.minor === 0 ? 'close' : 'chunked';
}
