import { BodyFraming, type RequestHead, type ResponseHead } from '@rp/parser';

export type ResponseFraming = 'keep' | 'chunked' | 'close' | 'none';

/**
 * How a backend's response is framed for an HTTP/1 client (RFC 9112 §6.3): a length stays, everything else becomes
 * chunked, or close-delimited for HTTP/1.0, which knows no chunks.
 */
export function responseFraming(head: ResponseHead, request: RequestHead): ResponseFraming {
  switch (head.framing) {
    case BodyFraming.none:
      return 'none';
    case BodyFraming.length:
      return 'keep';
    default:
      return request.minor === 0 ? 'close' : 'chunked';
  }
}
