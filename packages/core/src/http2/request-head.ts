import {
  BodyFraming,
  FieldId,
  crumbsJoined,
  fieldId,
  fieldValue,
  isAuthority,
  isCleanTarget,
  RequestHead,
  type RequestFields,
} from '@rp/parser';
import { ProxyFailure } from '../failure.ts';
import type { Limits } from '../settings.ts';

/** Methods for which a length of 0 says something that no length does not (RFC 9110 §8.6). */
function expectsContent(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

/**
 * A checked header list as the request that the rest of the engine knows (RFC 9113 §8.3.1): `:authority` is the host,
 * crumbs are one `Cookie` (§8.2.3), and the body is framed by the length that was given, or chunked.
 *
 * @param list flat, pseudo-fields first
 */
export function requestHeadOf(list: string[], request: RequestFields, endStream: boolean): RequestHead {
  const fields = request.cookies > 1 ? withOneCookie(list, request.regular) : list.slice(request.regular);
  const count = fields.length >>> 1;
  const ids = Array<FieldId>(count);
  for (let i = 0; i < count; i++) ids[i] = fieldId(fields[i * 2]!);
  const { method, path, authority } = request;
  let framing: BodyFraming = BodyFraming.none;
  let length = request.contentLength;
  if (length >= 0) {
    framing = BodyFraming.length;
  } else if (!endStream) {
    framing = BodyFraming.chunked;
  } else if (expectsContent(method)) {
    framing = BodyFraming.length;
    length = 0;
  }
  const expects = ids.indexOf(FieldId.expect) !== -1;
  return new RequestHead(method, path, 1, fields, ids, framing, length, authority, path, true, '', expects);
}

function withOneCookie(list: readonly string[], from: number): string[] {
  const fields: string[] = [];
  let placed = false;
  for (let at = from; at + 1 < list.length; at += 2) {
    const name = list[at]!;
    if (name !== 'cookie') {
      fields.push(name, list[at + 1]!);
    } else if (!placed) {
      placed = true;
      fields.push(name, crumbsJoined(list));
    }
  }
  return fields;
}

/** What is wrong with a request that is well-formed HTTP/2, but that we do not serve; undefined if nothing is. */
export function refusalOf(head: RequestHead, scheme: string, limits: Limits): ProxyFailure | undefined {
  if (head.ids.length > limits.headerCount) {
    return new ProxyFailure('FIELDS_TOO_LARGE', `more than ${limits.headerCount} fields`);
  }
  // As the request line that HTTP/1 would make of it.
  if (head.method.length + head.path.length + 10 > limits.requestLine) {
    return new ProxyFailure('TARGET_TOO_LONG', `more than ${limits.requestLine} bytes`);
  }
  if (!isAuthority(head.host)) return new ProxyFailure('BAD_REQUEST', 'not a valid :authority');
  if (head.method === 'CONNECT') return undefined;
  if (!isCleanTarget(head.path)) return new ProxyFailure('BAD_REQUEST', 'not a valid :path');
  const lower = scheme.toLowerCase();
  if (lower !== 'https' && lower !== 'http') return new ProxyFailure('BAD_REQUEST', 'not an HTTP scheme');
  if (head.expectContinue && fieldValue(head, FieldId.expect)?.toLowerCase() !== '100-continue') {
    return new ProxyFailure('EXPECTATION_FAILED', 'unknown expectation');
  }
  return undefined;
}
