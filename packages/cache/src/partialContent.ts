import { equalsIgnoreCase, firstValue } from './fields.ts';
import type { Fields } from './fields.ts';
import { sliceChunks } from './range.ts';
import { headOf, notModifiedFields } from './storedFields.ts';
import type { StoredResponse } from './storedResponse.ts';

/** A 206 or 416 made from a stored 200. */
export interface PartialAnswer {
  readonly status: 206 | 416;
  readonly reason: string;
  readonly fields: string[];
  readonly head: string;
  readonly chunks: readonly Uint8Array[];
  readonly length: number;
}

/**
 * A 206 for one range, or `multipart/byteranges` for several (RFC 9110 §15.3.7).
 *
 * @param brief the request had `If-Range`: the client has the other fields already (§15.3.7, last paragraphs).
 * @param boundary a string that does not occur in the body; only used for several ranges.
 */
export function partialContent(
  stored: StoredResponse,
  positions: readonly number[],
  brief: boolean,
  boundary: string,
): PartialAnswer {
  const base = brief ? notModifiedFields(stored.fields) : withoutLength(stored.fields);
  if (positions.length === 2) {
    const first = positions[0] as number;
    const last = positions[1] as number;
    base.push('Content-Range', `bytes ${first}-${last}/${stored.length}`);
    return answer(base, sliceChunks(stored.body, first, last), last - first + 1);
  }
  const type = firstValue(stored.fields, 'content-type');
  const fields: string[] = [];
  for (let i = 0; i < base.length; i += 2) {
    if (!equalsIgnoreCase(base[i] as string, 'content-type')) {
      fields.push(base[i] as string, base[i + 1] as string);
    }
  }
  fields.push('Content-Type', `multipart/byteranges; boundary=${boundary}`);
  const chunks = multipart(stored, positions, type, boundary);
  let length = 0;
  for (const chunk of chunks) length += chunk.byteLength;
  return answer(fields, chunks, length);
}

/** A 416 that tells the length (RFC 9110 §15.5.17). */
export function rangeNotSatisfiable(stored: StoredResponse): PartialAnswer {
  const fields = ['Content-Range', `bytes */${stored.length}`];
  const date = firstValue(stored.fields, 'date');
  if (date !== undefined) fields.unshift('Date', date);
  const reason = 'Range Not Satisfiable';
  const head = headOf(416, reason, [...fields, 'Content-Length', '0']);
  return { status: 416, reason, fields, head, chunks: [], length: 0 };
}

function answer(fields: string[], chunks: readonly Uint8Array[], length: number): PartialAnswer {
  const reason = 'Partial Content';
  const head = headOf(206, reason, [...fields, 'Content-Length', String(length)]);
  return { status: 206, reason, fields, head, chunks, length };
}

function withoutLength(fields: Fields): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!equalsIgnoreCase(name, 'content-length') && !equalsIgnoreCase(name, 'content-range')) {
      kept.push(name, fields[i + 1] as string);
    }
  }
  return kept;
}

function multipart(
  stored: StoredResponse,
  positions: readonly number[],
  type: string | undefined,
  boundary: string,
): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const typeLine = type === undefined ? '' : `Content-Type: ${type}\r\n`;
  let separator = '--';
  for (let i = 0; i < positions.length; i += 2) {
    const first = positions[i] as number;
    const last = positions[i + 1] as number;
    const range = `Content-Range: bytes ${first}-${last}/${stored.length}`;
    chunks.push(Buffer.from(`${separator}${boundary}\r\n${typeLine}${range}\r\n\r\n`, 'latin1'));
    chunks.push(...sliceChunks(stored.body, first, last));
    separator = '\r\n--';
  }
  chunks.push(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'));
  return chunks;
}
