import { BodyFraming, FieldId, ResponseHead, fieldId, fieldValue, type ResponseFields } from '@rp/parser';
import { reasonPhrase } from '../../reason-phrases.ts';

/** Whether a response has no body whatever its fields say (RFC 9110 §6.4.1). */
export function isBodiless(status: number, method: string): boolean {
  return method === 'HEAD' || status < 200 || status === 204 || status === 304;
}

/**
 * A checked header list as the response that the rest of the engine knows.
 *
 * @param list flat, pseudo-fields first
 * @param endStream nothing follows the head
 */
export function responseHeadOf(
  list: readonly string[],
  response: ResponseFields,
  method: string,
  endStream: boolean,
): ResponseHead {
  const fields = list.slice(response.regular);
  const count = fields.length >>> 1;
  const ids = Array<FieldId>(count);
  for (let i = 0; i < count; i++) ids[i] = fieldId(fields[i * 2]!);
  const { status, contentLength } = response;
  const head = new ResponseHead(
    status,
    reasonPhrase(status),
    1,
    fields,
    ids,
    BodyFraming.none,
    -1,
    true,
    '',
    2,
  );
  if (isBodiless(status, method)) return head;
  if (endStream || (contentLength >= 0 && !mayHaveTrailers(head, contentLength))) {
    head.framing = BodyFraming.length;
    head.contentLength = endStream ? 0 : contentLength;
  } else {
    head.framing = BodyFraming.chunked;
  }
  return head;
}

/** A body that is framed by its length ends with its last octet: no trailers could follow it to the client. */
function mayHaveTrailers(head: ResponseHead, contentLength: number): boolean {
  if (contentLength === 0 || head.ids.includes(FieldId.trailer)) return true;
  return fieldValue(head, FieldId.contentType)?.toLowerCase().startsWith('application/grpc') === true;
}
