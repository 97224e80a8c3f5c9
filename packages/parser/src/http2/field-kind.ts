import {
  NOT_IN_AUTHORITY,
  NOT_IN_NAME,
  NOT_IN_PATH,
  NOT_IN_TOKEN,
  NOT_IN_VALUE,
  classOf,
} from './octet-class.ts';
import { STATIC_NAMES } from './static-table.ts';

/**
 * What the message rules of RFC 9113 §8 need to know about one field. The decoder works it out once, when
 * the field enters its dynamic table; a field that comes back by index is never looked at again.
 *
 * Kinds from `method` on are pseudo-fields, from `connectionSpecific` on they make the message malformed.
 */
export const FieldKind = {
  /** Any field without a rule of its own. */
  regular: 0,
  cookie: 1,
  host: 2,
  contentLength: 3,
  /** `te: trailers`, the only value allowed (RFC 9113 §8.2.2). */
  te: 4,
  method: 8,
  scheme: 9,
  authority: 10,
  path: 11,
  protocol: 12,
  status: 13,
  /** Of meaning for one HTTP/1 connection only, or `te` with another value (RFC 9113 §8.2.2). */
  connectionSpecific: 16,
  /** Begins with a colon, but RFC 9113 and RFC 8441 know no such name (§8.3). */
  unknownPseudo: 17,
  /** Empty, has capital letters or characters that are no token (RFC 9113 §8.2.1). */
  badName: 18,
  /** Has controls, white space at an end (RFC 9113 §8.2.1), or is not of the form its name demands. */
  badValue: 19,
} as const;

/** One of the kinds of fields. */
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

const SPECIAL: readonly (readonly [string, FieldKind])[] = [
  ['cookie', FieldKind.cookie],
  ['host', FieldKind.host],
  ['content-length', FieldKind.contentLength],
  ['te', FieldKind.te],
  [':method', FieldKind.method],
  [':scheme', FieldKind.scheme],
  [':authority', FieldKind.authority],
  [':path', FieldKind.path],
  [':protocol', FieldKind.protocol],
  [':status', FieldKind.status],
  ['connection', FieldKind.connectionSpecific],
  ['keep-alive', FieldKind.connectionSpecific],
  ['proxy-connection', FieldKind.connectionSpecific],
  ['transfer-encoding', FieldKind.connectionSpecific],
  ['upgrade', FieldKind.connectionSpecific],
];

const WELL_KNOWN: readonly string[] = [
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-request-headers',
  'access-control-request-method',
  'alt-svc',
  'cdn-cache-control',
  'content-security-policy',
  'dnt',
  'early-data',
  'forwarded',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-message',
  'grpc-status',
  'grpc-timeout',
  'origin',
  'pragma',
  'priority',
  'purpose',
  'sec-ch-ua',
  'sec-ch-ua-mobile',
  'sec-ch-ua-platform',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-fetch-user',
  'sec-gpc',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'traceparent',
  'tracestate',
  'trailer',
  'upgrade-insecure-requests',
  'x-content-type-options',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-frame-options',
  'x-requested-with',
  'x-request-id',
  'x-xss-protection',
];

/** A field name and its kind, one object per well-known name and thread. */
export class FieldName {
  /** The one string all decoders of the thread use for this name. */
  readonly text: string;
  readonly kind: FieldKind;

  constructor(text: string, kind: FieldKind) {
    this.text = text;
    this.kind = kind;
  }
}

/** Names worth sharing between connections. Never grows: peers cannot add to it. */
export const KNOWN_NAMES: ReadonlyMap<string, FieldName> = (() => {
  const names = new Map<string, FieldName>();
  for (const name of [...STATIC_NAMES.slice(1), ...WELL_KNOWN]) {
    names.set(name, new FieldName(name, FieldKind.regular));
  }
  for (const [name, kind] of SPECIAL) names.set(name, new FieldName(name, kind));
  return names;
})();

/** Whether RFC 9113 §8.2.2 forbids a field with this lower-case name in any message (`te` is not one). */
export function isConnectionSpecific(name: string): boolean {
  return KNOWN_NAMES.get(name)?.kind === FieldKind.connectionSpecific;
}

/** The kind of a name without its value. `classBits` are those of all its octets (`octet-class.ts`). */
export function kindOfName(name: string, classBits: number): FieldKind {
  const known = KNOWN_NAMES.get(name);
  if (known !== undefined) return known.kind;
  if (name.charCodeAt(0) === 0x3a) return FieldKind.unknownPseudo;
  return name.length === 0 || (classBits & NOT_IN_NAME) !== 0 ? FieldKind.badName : FieldKind.regular;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function isDigits(value: string): boolean {
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if (code < 0x30 || code > 0x39) return false;
  }
  return value.length > 0;
}

/** Three digits, 100 or more (RFC 9110 §15). */
function isStatus(value: string): boolean {
  return value.length === 3 && isDigits(value) && value.charCodeAt(0) !== 0x30;
}

/** Only digits, and few enough to be exact as a number (RFC 9110 §8.6: nothing else may stand there). */
function isLength(value: string): boolean {
  return value.length <= 15 && isDigits(value);
}

/** RFC 3986 §3.1: a letter, then letters, digits, `+`, `-`, `.`. */
function isScheme(value: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*$/.test(value);
}

function isPath(value: string, classBits: number): boolean {
  return (value.charCodeAt(0) === 0x2f || value === '*') && (classBits & NOT_IN_PATH) === 0;
}

/** The kind of a field, from the kind of its name and its value with the class bits of all its octets. */
export function kindOfField(nameKind: FieldKind, value: string, classBits: number): FieldKind {
  if (nameKind >= FieldKind.connectionSpecific) return nameKind;
  const length = value.length;
  if (
    (classBits & NOT_IN_VALUE) !== 0 ||
    (length > 0 && (isSpace(value.charCodeAt(0)) || isSpace(value.charCodeAt(length - 1))))
  ) {
    return FieldKind.badValue;
  }
  let valid = true;
  switch (nameKind) {
    case FieldKind.te:
      return value.toLowerCase() === 'trailers' ? nameKind : FieldKind.connectionSpecific;
    case FieldKind.contentLength:
      valid = isLength(value);
      break;
    case FieldKind.host:
      // Empty is legal for an HTTP/1 request without authority; the request rules decide about it.
      valid = (classBits & NOT_IN_AUTHORITY) === 0;
      break;
    case FieldKind.authority:
      valid = (classBits & NOT_IN_AUTHORITY) === 0;
      break;
    case FieldKind.method:
    case FieldKind.protocol:
      valid = length > 0 && (classBits & NOT_IN_TOKEN) === 0;
      break;
    case FieldKind.scheme:
      valid = isScheme(value);
      break;
    case FieldKind.path:
      valid = isPath(value, classBits);
      break;
    case FieldKind.status:
      valid = isStatus(value);
      break;
    default:
      break;
  }
  return valid ? nameKind : FieldKind.badValue;
}

/** The kinds of all fields of a flat list, for lists that did not come out of an `HpackDecoder`. */
export function classifyFields(fields: readonly string[]): Uint8Array {
  const kinds = new Uint8Array(fields.length >>> 1);
  for (let index = 0; index < kinds.length; index++) {
    const name = fields[index * 2] as string;
    const value = fields[index * 2 + 1] as string;
    kinds[index] = kindOfField(kindOfName(name, classOf(name)), value, classOf(value));
  }
  return kinds;
}
