import { BodyFraming } from './events.ts';
import type { WireFailureCode } from './failure.ts';
import { listMembers } from './connection.ts';
import { isFieldName } from './field-syntax.ts';

/** How long a message body is, or why that cannot be told. */
export interface FramingDecision {
  readonly framing: BodyFraming;
  /** Bytes if `framing` is `length`, else -1. */
  readonly contentLength: number;
  /** Reason to refuse the message, or undefined. */
  readonly fault: WireFailureCode | undefined;
}

const none: FramingDecision = { framing: BodyFraming.none, contentLength: -1, fault: undefined };
const chunked: FramingDecision = { framing: BodyFraming.chunked, contentLength: -1, fault: undefined };
const untilClose: FramingDecision = { framing: BodyFraming.close, contentLength: -1, fault: undefined };
const refuse = (fault: WireFailureCode): FramingDecision => ({
  framing: BodyFraming.none,
  contentLength: -1,
  fault,
});
const ambiguous = refuse('ERR_AMBIGUOUS_FRAMING');
const badLength = refuse('ERR_BAD_CONTENT_LENGTH');
const badCoding = refuse('ERR_BAD_TRANSFER_ENCODING');
const unknownCoding = refuse('ERR_TRANSFER_CODING_UNKNOWN');

/**
 * The length of a request body (RFC 9112 §6.3), for every method alike. Repeated fields are given joined by
 * commas (RFC 9110 §5.3), which makes a repeated `Content-Length` an invalid one, equal or not.
 */
export function requestFraming(
  minor: 0 | 1,
  transferEncoding: string | undefined,
  contentLength: string | undefined,
): FramingDecision {
  // 3. Both present: the RFC lets a proxy choose; choosing is how smuggling works, so it is refused.
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) return ambiguous;
    // 4. A transfer coding; HTTP/1.0 has none (§6.1).
    return minor === 0 ? badCoding : byTransferEncoding(transferEncoding);
  }
  // 5. and 6. A length, valid or not.
  if (contentLength !== undefined) return byContentLength(contentLength);
  // 7. Neither: a request has no body then.
  return none;
}

/**
 * The length of a response body (RFC 9112 §6.3).
 * @param method of the request that is answered
 */
export function responseFraming(
  method: string,
  status: number,
  minor: 0 | 1,
  transferEncoding: string | undefined,
  contentLength: string | undefined,
): FramingDecision {
  // 3. before 1.: where no body follows, contradicting fields still tell of a broken or hostile backend.
  if (transferEncoding !== undefined && contentLength !== undefined) return ambiguous;
  const declared = contentLength === undefined ? undefined : byContentLength(contentLength);
  if (declared?.fault !== undefined) return declared;
  // 1. No body, whatever the fields say, in answers to HEAD, in 1xx, 204 and 304.
  if (status < 200) {
    // Neither field may be in an interim response (§6.1, RFC 9110 §8.6); a length of 0 does no harm.
    if (transferEncoding !== undefined) return badCoding;
    return declared !== undefined && declared.contentLength !== 0 ? badLength : none;
  }
  if (method === 'HEAD' || status === 204 || status === 304) return none;
  // 2. A tunnel after a successful CONNECT.
  if (method === 'CONNECT' && status < 300) return none;
  // 4. A transfer coding.
  if (transferEncoding !== undefined) {
    if (minor === 0) return badCoding;
    return isForeignCoding(transferEncoding) ? untilClose : byTransferEncoding(transferEncoding);
  }
  // 5. and 6. A length.
  if (declared !== undefined) return declared;
  // 8. Until the connection closes.
  return untilClose;
}

/** Exactly one coding, `chunked`, is understood; `chunked` before another or twice is never valid (§7). */
function byTransferEncoding(value: string): FramingDecision {
  if (value === 'chunked') return chunked;
  const codings = listMembers(value);
  if (codings.pop() !== 'chunked' || codings.includes('chunked')) return badCoding;
  // An empty member is valid in a list, yet no client writes one, and parsers disagree about it.
  if (codings.length === 0) return value.includes(',') ? badCoding : chunked;
  return unknownCoding;
}

/**
 * A response whose coding is none of HTTP's (§7) is read until the connection closes (§6.3, rule 4): servers that
 * send such a name have coded nothing. One of HTTP's own that we do not decode is refused: without its name the
 * content would mean something else. So is whatever looks like `chunked` and is not.
 */
function isForeignCoding(value: string): boolean {
  const codings = listMembers(value);
  return codings.length > 0 && codings.every(isFieldName) && !/chunk|gzip|compress|deflate/iu.test(value);
}

function byContentLength(value: string): FramingDecision {
  const length = parseContentLength(value);
  return length === -1 ? badLength : { framing: BodyFraming.length, contentLength: length, fault: undefined };
}

/** `1*DIGIT` (RFC 9110 §8.6) of at most 20 digits, up to `Number.MAX_SAFE_INTEGER`; -1 for anything else. */
export function parseContentLength(value: string): number {
  if (value.length === 0 || value.length > 20) return -1;
  let length = 0;
  for (let at = 0; at < value.length; at++) {
    const digit = value.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}
