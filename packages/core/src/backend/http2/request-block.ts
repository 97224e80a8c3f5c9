import {
  FieldId,
  fieldValues,
  forwardRequestHead,
  type ForwardRequest,
  type FrameWriter,
  type RequestHead,
} from '@rp/parser';

/**
 * The head of a request as a header block (RFC 9113 §8.3.1). What is forwarded, dropped and added is decided once, for
 * both versions, by `forwardRequestHead`; here its lines become fields.
 *
 * @param scheme of the connection: servers refuse what does not fit to it
 */
export function writeRequestHead(
  writer: FrameWriter,
  streamId: number,
  request: RequestHead,
  rules: ForwardRequest,
  scheme: 'http' | 'https',
  endStream: boolean,
): void {
  const text = forwardRequestHead(request, rules, '', '');
  const fields: string[] = [];
  const upgrade = request.upgrade !== '';
  let authority = '';
  for (let at = text.indexOf('\r\n') + 2; at < text.length - 2;) {
    const end = text.indexOf('\r\n', at);
    const colon = text.indexOf(':', at);
    const name = text.slice(at, colon).toLowerCase();
    const value = text.slice(colon + 1, end).trim();
    at = end + 2;
    if (name === 'host') authority = value;
    // The framing of HTTP/1; the body of a stream ends with the stream.
    else if (name !== 'transfer-encoding' && !(upgrade && name === 'sec-websocket-key'))
      fields.push(name, value);
  }
  writer.beginHeaders(streamId);
  writer.field(':method', upgrade ? 'CONNECT' : request.method);
  // RFC 8441 §4. The key of the handshake stays behind (§5).
  if (upgrade) writer.field(':protocol', request.upgrade.toLowerCase());
  writer.field(':scheme', scheme);
  if (authority !== '') writer.field(':authority', authority);
  writer.field(':path', request.path);
  for (let i = 0; i + 1 < fields.length; i += 2) writer.field(fields[i]!, fields[i + 1]!);
  // Trailers do reach whoever asked for them; gRPC servers insist on the question (RFC 9113 §8.2.2).
  if (takesTrailers(request)) writer.field('te', 'trailers');
  writer.endHeaders(endStream);
}

function takesTrailers(request: RequestHead): boolean {
  if (!request.ids.includes(FieldId.te)) return false;
  return fieldValues(request, FieldId.te).some((value) => /(?:^|[\s,])trailers(?:$|[\s,;])/i.test(value));
}
