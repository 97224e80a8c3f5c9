import { FieldId, fieldId } from './field-id.ts';

/** The line before a chunk of `length` bytes, 1 or more (RFC 9112 §7.1). Extensions are never sent. */
export function chunkHead(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** The end of a chunked body: last chunk, the trailers that may travel, empty line. */
export function encodeTrailers(trailers: readonly string[] | undefined): string {
  if (trailers === undefined) return '0\r\n\r\n';
  let out = '0\r\n';
  for (let i = 0; i + 1 < trailers.length; i += 2) {
    const name = trailers[i] as string;
    if (allowedTrailer(name)) out += `${name}: ${trailers[i + 1]}\r\n`;
  }
  return `${out}\r\n`;
}

/**
 * False for names that a trailer must not have, since whoever reads it after the body, or merges it into the
 * head, would frame, route, authorise, cache or interpret the message anew (RFC 9110 §6.5.1). Of the names
 * this package knows only `ETag`, `Date`, `Server`, `Server-Timing`-like ones and those it does not know may
 * travel.
 */
export function allowedTrailer(name: string): boolean {
  const id = fieldId(name);
  return id === FieldId.other || id === FieldId.etag || id === FieldId.date || id === FieldId.server;
}
