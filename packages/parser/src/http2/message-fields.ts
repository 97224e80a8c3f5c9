import { FieldKind, classifyFields } from './field-kind.ts';

/**
 * A request's header list after the rules of RFC 9113 §8, and of RFC 8441 for extended CONNECT. If
 * `malformed` is not empty, the stream must be reset with PROTOCOL_ERROR (§8.1.1) and nothing else counts.
 */
export class RequestFields {
  /** Why the request is malformed: a constant text for logs; empty if it is not. */
  malformed: string = '';
  method: string = '';
  /** Empty for CONNECT without `:protocol`. */
  scheme: string = '';
  /** `:authority`, or `host` where there is none. Never empty. */
  authority: string = '';
  /** `:path`: begins with `/`, or is `*` for OPTIONS. Empty for CONNECT without `:protocol`. */
  path: string = '';
  /** `:protocol` of an extended CONNECT (RFC 8441); empty otherwise. */
  protocol: string = '';
  /** Position in the list of the name of the first field that is no pseudo-field. */
  regular: number = 0;
  /** `content-length` in octets; -1 if there is none. */
  contentLength: number = -1;
  /** Position in the list of the name of the `host` field; -1 if there is none. */
  host: number = -1;
  /** Number of `cookie` fields; more than one must be joined for HTTP/1 (`crumbsJoined`). */
  cookies: number = 0;
}

/** A response's header list after the rules of RFC 9113 §8. */
export class ResponseFields {
  /** Why the response is malformed: a constant text for logs; empty if it is not. */
  malformed: string = '';
  /** 100 to 999, never 101. */
  status: number = 0;
  /** Position in the list of the name of the first field that is no pseudo-field. */
  regular: number = 0;
  /** `content-length` in octets; -1 if there is none. */
  contentLength: number = -1;
}

/** Why a field of this kind makes any message malformed. */
function reason(kind: number): string {
  switch (kind) {
    case FieldKind.connectionSpecific:
      return 'connection-specific field';
    case FieldKind.unknownPseudo:
      return 'unknown pseudo-field';
    case FieldKind.badName:
      return 'bad field name';
    default:
      return 'bad field value';
  }
}

/**
 * Checks the header list of a request (RFC 9113 §8.2, §8.3.1, §8.5).
 * @param fields flat list: name, value, …
 * @param kinds the `HpackDecoder`'s for the same list; worked out if not given.
 * @param connectProtocol whether we have said SETTINGS_ENABLE_CONNECT_PROTOCOL; otherwise `:protocol` is unknown.
 */
export function checkRequestFields(
  fields: readonly string[],
  kinds: Uint8Array = classifyFields(fields),
  connectProtocol: boolean = false,
): RequestFields {
  const request = new RequestFields();
  const count = fields.length >>> 1;
  let index = 0;
  let seen = 0;
  for (; index < count; index++) {
    const kind = kinds[index] as number;
    if (kind < FieldKind.method) break;
    const bit = 1 << kind;
    if (kind > FieldKind.protocol || (kind === FieldKind.protocol && !connectProtocol)) {
      request.malformed = kind < FieldKind.connectionSpecific ? 'unknown pseudo-field' : reason(kind);
      return request;
    }
    if ((seen & bit) !== 0) {
      request.malformed = 'repeated pseudo-field';
      return request;
    }
    seen |= bit;
    const value = fields[index * 2 + 1] as string;
    if (kind === FieldKind.method) request.method = value;
    else if (kind === FieldKind.path) request.path = value;
    else if (kind === FieldKind.authority) request.authority = value;
    else if (kind === FieldKind.scheme) request.scheme = value;
    else request.protocol = value;
  }
  request.regular = index * 2;
  for (; index < count; index++) {
    const kind = kinds[index] as number;
    if (kind !== FieldKind.regular && !takeRegular(request, fields, index, kind)) return request;
  }
  checkTarget(request, fields, (seen & (1 << FieldKind.authority)) !== 0);
  return request;
}

/** A field of a request that is no pseudo-field, and has a rule of its own. */
function takeRegular(
  request: RequestFields,
  fields: readonly string[],
  index: number,
  kind: number,
): boolean {
  if (kind >= FieldKind.method) {
    request.malformed = kind < FieldKind.connectionSpecific ? 'pseudo-field after a field' : reason(kind);
  } else if (kind === FieldKind.cookie) {
    request.cookies++;
  } else if (kind === FieldKind.host) {
    if (request.host >= 0) request.malformed = 'repeated host';
    request.host = index * 2;
  } else if (kind === FieldKind.contentLength) {
    if (request.contentLength >= 0) request.malformed = 'repeated content-length';
    request.contentLength = Number(fields[index * 2 + 1]);
  }
  return request.malformed === '';
}

/** Which pseudo-fields must be there, and which must not (RFC 9113 §8.3.1, §8.5; RFC 8441 §4). */
function checkTarget(request: RequestFields, fields: readonly string[], hasAuthority: boolean): void {
  const host = request.host < 0 ? '' : (fields[request.host + 1] as string);
  const { method, path } = request;
  if (method === '') {
    request.malformed = ':method is missing';
  } else if (method === 'CONNECT' && request.protocol === '') {
    if (request.scheme !== '' || path !== '') request.malformed = 'CONNECT with :scheme or :path';
  } else if (request.protocol !== '' && method !== 'CONNECT') {
    request.malformed = ':protocol without CONNECT';
  } else if (request.scheme === '' || path === '') {
    request.malformed = ':scheme or :path is missing';
  } else if (path === '*' && method !== 'OPTIONS') {
    request.malformed = ':path * without OPTIONS';
  }
  if (!hasAuthority && method !== 'CONNECT') request.authority = host;
  if (request.malformed !== '') return;
  if (request.authority === '') {
    request.malformed = ':authority is missing';
  } else if (request.host >= 0 && host !== request.authority && !sameHost(host, request.authority)) {
    request.malformed = ':authority and host differ';
  }
}

/** Hosts do not depend on case (RFC 3986 §3.2.2). */
function sameHost(host: string, authority: string): boolean {
  return host.length === authority.length && host.toLowerCase() === authority.toLowerCase();
}

/**
 * Checks the header list of a response, final or interim (RFC 9113 §8.2, §8.3.2).
 * @param fields flat list: name, value, …
 * @param kinds the `HpackDecoder`'s for the same list; worked out if not given.
 */
export function checkResponseFields(
  fields: readonly string[],
  kinds: Uint8Array = classifyFields(fields),
): ResponseFields {
  const response = new ResponseFields();
  const count = fields.length >>> 1;
  response.regular = 2;
  if (count === 0 || kinds[0] !== FieldKind.status) {
    const kind = count === 0 ? FieldKind.regular : (kinds[0] as number);
    response.malformed = kind >= FieldKind.connectionSpecific ? reason(kind) : ':status is missing';
    return response;
  }
  response.status = Number(fields[1]);
  // RFC 9113 §8.6: HTTP/2 has no upgrades.
  if (response.status === 101) response.malformed = 'status 101';
  for (let index = 1; index < count; index++) {
    const kind = kinds[index] as number;
    if (kind === FieldKind.regular) continue;
    if (kind >= FieldKind.method) {
      response.malformed = kind < FieldKind.connectionSpecific ? 'misplaced pseudo-field' : reason(kind);
    } else if (kind === FieldKind.contentLength) {
      if (response.contentLength >= 0) response.malformed = 'repeated content-length';
      response.contentLength = Number(fields[index * 2 + 1]);
    }
  }
  return response;
}

/**
 * Checks a trailer section (RFC 9113 §8.1): no pseudo-fields, otherwise the rules of all fields.
 * @returns why it is malformed; empty if it is not.
 */
export function checkTrailerFields(
  fields: readonly string[],
  kinds: Uint8Array = classifyFields(fields),
): string {
  const count = fields.length >>> 1;
  for (let index = 0; index < count; index++) {
    const kind = kinds[index] as number;
    if (kind >= FieldKind.method) {
      return kind < FieldKind.connectionSpecific ? 'pseudo-field in trailers' : reason(kind);
    }
  }
  return '';
}

/**
 * All `cookie` fields of a list as one value, joined with `; ` (RFC 9113 §8.2.3), as HTTP/1 wants it.
 * Empty if there is none.
 */
export function crumbsJoined(fields: readonly string[]): string {
  let joined = '';
  for (let index = 0; index + 1 < fields.length; index += 2) {
    if (fields[index] !== 'cookie') continue;
    joined = joined === '' ? (fields[index + 1] as string) : `${joined}; ${fields[index + 1] as string}`;
  }
  return joined;
}
