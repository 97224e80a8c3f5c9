import {
  BodyFraming,
  FieldId,
  allowedTrailer,
  checkedField,
  connectionOptions,
  fieldValue,
  isNeverForwarded,
  joinedValue,
  parseContentLength,
  type FrameWriter,
  type ResponseHead,
} from '@rp/parser';
import type { LocalAnswer } from '../answers.ts';
import type { StoredAnswer } from '../cache-contract.ts';

/**
 * The head of a backend's response as a header block (RFC 9113 §8.3.2): end-to-end fields in their order, names in
 * lower case, no framing but an informative length.
 *
 * @param status what to say in `:status`
 * @param extra checked `Name: value` lines, each with its CRLF, or ''
 */
export function writeResponseHead(
  writer: FrameWriter,
  streamId: number,
  status: number,
  head: ResponseHead,
  extra: string,
  via: string,
  endStream: boolean,
): void {
  writer.beginHeaders(streamId);
  writer.status(status);
  const { ids } = head;
  const named = ids.indexOf(FieldId.connection) === -1 ? undefined : connectionOptions(head);
  let lengthTold = false;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id === FieldId.contentLength) {
      if (!lengthTold) writeLength(writer, head);
      lengthTold = true;
      continue;
    }
    if (id === FieldId.via || isNeverForwarded(id)) continue;
    const name = head.nameAt(i);
    if (id === FieldId.other && named !== undefined && named.includes(name.toLowerCase())) continue;
    writer.field(name, head.valueAt(i));
  }
  // Whoever gave the head a body of its own need not have given it the field.
  if (!lengthTold && head.framing === BodyFraming.length) writeLength(writer, head);
  const before = joinedValue(head, FieldId.via);
  const own = `${head.receivedProtocol} ${via}`;
  writer.field('via', before === undefined || before === '' ? own : `${before}, ${own}`);
  writeLines(writer, extra);
  writer.endHeaders(endStream);
}

/** RFC 9110 §8.6: none with 1xx and 204; with HEAD and 304 it says what the body would have been. */
function writeLength(writer: FrameWriter, head: ResponseHead): void {
  if (head.status < 200 || head.status === 204) return;
  let length = -1;
  if (head.framing === BodyFraming.length) length = head.contentLength;
  else if (head.framing === BodyFraming.none)
    length = parseContentLength(fieldValue(head, FieldId.contentLength) ?? '');
  if (length !== -1) writer.field('content-length', String(length));
}

function writeLines(writer: FrameWriter, lines: string): void {
  for (let at = 0; at < lines.length;) {
    const colon = lines.indexOf(': ', at);
    const end = lines.indexOf('\r\n', colon);
    writer.field(lines.slice(at, colon), lines.slice(colon + 2, end));
    at = end + 2;
  }
}

/** The head of a response from the cache. */
export function writeStoredHead(
  writer: FrameWriter,
  streamId: number,
  answer: StoredAnswer,
  extra: string,
  endStream: boolean,
): void {
  const { fields, contentLength } = answer;
  writer.beginHeaders(streamId);
  writer.status(answer.status);
  for (let i = 0; i + 1 < fields.length; i += 2) writer.field(fields[i]!, fields[i + 1]!);
  if (contentLength >= 0) writer.field('content-length', String(contentLength));
  writeLines(writer, answer.lines);
  writeLines(writer, extra);
  writer.endHeaders(endStream);
}

/** The head of an answer of our own. Throws a `TypeError` for a field that HTTP does not allow. */
export function writeAnswerHead(
  writer: FrameWriter,
  streamId: number,
  answer: LocalAnswer,
  length: number,
  date: string,
  endStream: boolean,
): void {
  const fields = answer.fields ?? [];
  // Checked before the block begins: a hook's mistake must not leave half of one behind.
  for (let i = 0; i + 1 < fields.length; i += 2) checkedField(fields[i]!, fields[i + 1]!);
  writer.beginHeaders(streamId);
  writer.status(answer.status);
  writer.field('date', date);
  for (let i = 0; i + 1 < fields.length; i += 2) writer.field(fields[i]!, fields[i + 1]!);
  if (length !== -1) writer.field('content-length', String(length));
  writer.endHeaders(endStream);
}

/** The trailers that may travel, in lower case; undefined if there are none (RFC 9110 §6.5.1). */
export function trailersToSend(trailers: readonly string[] | undefined): string[] | undefined {
  if (trailers === undefined) return undefined;
  const kept: string[] = [];
  for (let i = 0; i + 1 < trailers.length; i += 2) {
    const name = trailers[i]!.toLowerCase();
    if (allowedTrailer(name)) kept.push(name, trailers[i + 1]!);
  }
  return kept.length === 0 ? undefined : kept;
}
