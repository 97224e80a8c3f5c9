import { connectionOptions } from './connection.ts';
import { copyFields, isNamed, type FieldRewriter } from './copy-fields.ts';
import { BodyFraming } from './events.ts';
import { FieldId, isNeverForwarded } from './field-id.ts';
import { ForwardedResponse } from './forwarded-response.ts';
import { parseContentLength } from './framing.ts';
import { fieldValue, joinedValue, type ResponseHead } from './heads.ts';

/**
 * How the body goes on to the client: `keep` as it came (a length, chunked, or none, then with
 * `Content-Length` for information), `chunked` anew, `close` by the end of the connection, `none` without
 * body and without `Content-Length`.
 */
export type ResponseBodyAs = 'keep' | 'chunked' | 'close' | 'none';

/**
 * The head of the response to the client, whole, with the empty line. End-to-end fields keep name case,
 * order and value; there is at most one framing, written by us; nothing chunked goes to HTTP/1.0.
 *
 * @param clientMinor minor version of the client's HTTP/1
 * @param connection what to say in `Connection`; `upgrade` also sends `head.upgrade`
 * @param extra lines for the end, checked already (see {@link checkedField}), each with its CRLF; or `''`
 * @param viaName pseudonym of this proxy in `Via`
 */
export function forwardResponseHead(
  head: ResponseHead,
  clientMinor: 0 | 1,
  framing: ResponseBodyAs,
  connection: '' | 'close' | 'keep-alive' | 'upgrade',
  extra: string,
  viaName: string,
): string {
  const { lines } = head;
  if (lines?.repeated !== true) return makeHead(head, clientMinor, framing, connection, extra, viaName);
  const known = lines.forwardedResponse;
  if (known?.fits(head, clientMinor, framing, connection, extra, viaName) === true) return known.text;
  const text = makeHead(head, clientMinor, framing, connection, extra, viaName);
  const made = new ForwardedResponse(head, clientMinor, framing, connection, extra, viaName, text);
  lines.forwardedResponse = made;
  return made.text;
}

function makeHead(
  head: ResponseHead,
  clientMinor: 0 | 1,
  framing: ResponseBodyAs,
  connection: '' | 'close' | 'keep-alive' | 'upgrade',
  extra: string,
  viaName: string,
): string {
  const { ids } = head;
  const bodiless = head.status < 200 || head.status === 204;
  const withLength = framing === 'keep' && !bodiless;
  let out = `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
  const named = ids.indexOf(FieldId.connection) === -1 ? undefined : connectionOptions(head);
  out += copyFields(head, new ResponseRewriter(withLength, named));
  const before = joinedValue(head, FieldId.via);
  out += `Via: ${before ? `${before}, ` : ''}${head.receivedProtocol} ${viaName}\r\n`;
  const chunked = framing === 'chunked' || (framing === 'keep' && head.framing === BodyFraming.chunked);
  if (chunked && clientMinor === 1 && !bodiless) out += 'Transfer-Encoding: chunked\r\n';
  // Whoever gave the head a body of its own need not have given it the field.
  else if (withLength && head.framing === BodyFraming.length && ids.indexOf(FieldId.contentLength) === -1) {
    out += `Content-Length: ${head.contentLength}\r\n`;
  }
  if (connection === 'upgrade') out += `Connection: upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
  else if (connection !== '') out += `Connection: ${connection}\r\n`;
  return `${out}${extra}\r\n`;
}

class ResponseRewriter implements FieldRewriter<ResponseHead> {
  readonly #withLength: boolean;
  readonly #named: readonly string[] | undefined;

  constructor(withLength: boolean, named: readonly string[] | undefined) {
    this.#withLength = withLength;
    this.#named = named;
  }

  rewrite(head: ResponseHead, id: FieldId, index: number): string | undefined {
    if (id === FieldId.other) return isNamed(head, index, this.#named) ? '' : undefined;
    if (id === FieldId.via || isNeverForwarded(id)) return '';
    if (id !== FieldId.contentLength) return undefined;
    const length = this.#withLength && head.ids.indexOf(id) === index ? lengthToTell(head) : -1;
    return length === -1 ? '' : `${head.nameAt(index)}: ${length}\r\n`;
  }
}

/** The length that goes into `Content-Length`: that of the body, or for information where none follows. */
function lengthToTell(head: ResponseHead): number {
  if (head.framing === BodyFraming.length) return head.contentLength;
  if (head.framing !== BodyFraming.none) return -1;
  return parseContentLength(fieldValue(head, FieldId.contentLength) ?? '');
}
