/**
 * Field names that mean something to a proxy. Those that never travel on come first and side by side, then
 * those that a proxy writes or guards, so that the common questions are one comparison.
 */
export const FieldId = {
  other: 0,
  // Hop-by-hop (RFC 9110 §7.6.1): never forwarded.
  connection: 1,
  keepAlive: 2,
  proxyConnection: 3,
  te: 4,
  transferEncoding: 5,
  upgrade: 6,
  http2Settings: 7,
  // For the next client on the way only (RFC 9110 §11.7.1), and a reverse proxy asks for no credentials.
  proxyAuthenticate: 8,
  /**
   * A name that is one of the guarded ones once `_` and `.` are read as `-`, as some backends do
   * (`X_Forwarded_For`, `Content_Length`): never forwarded.
   */
  lookalike: 9,
  // Guarded: written or checked by the proxy.
  proxyAuthorization: 10,
  contentLength: 11,
  host: 12,
  expect: 13,
  via: 14,
  forwarded: 15,
  xForwardedFor: 16,
  xForwardedProto: 17,
  xForwardedHost: 18,
  xForwardedPort: 19,
  xRequestId: 20,
  xRealIp: 21,
  maxForwards: 22,
  // The rest is only looked up often.
  authorization: 23,
  wwwAuthenticate: 24,
  cookie: 25,
  setCookie: 26,
  date: 27,
  age: 28,
  cacheControl: 29,
  cacheStatus: 30,
  contentType: 31,
  contentEncoding: 32,
  contentRange: 33,
  contentLocation: 34,
  location: 35,
  etag: 36,
  lastModified: 37,
  expires: 38,
  vary: 39,
  pragma: 40,
  range: 41,
  ifMatch: 42,
  ifNoneMatch: 43,
  ifModifiedSince: 44,
  ifUnmodifiedSince: 45,
  ifRange: 46,
  accept: 47,
  acceptEncoding: 48,
  acceptLanguage: 49,
  userAgent: 50,
  referer: 51,
  origin: 52,
  server: 53,
  retryAfter: 54,
  warning: 55,
  trailer: 56,
} as const;
export type FieldId = (typeof FieldId)[keyof typeof FieldId];

const lastHopByHop = FieldId.proxyAuthenticate;
const lastDropped = FieldId.lookalike;
const lastGuarded = FieldId.maxForwards;

/** True for `Connection` and the fields that only ever concern one connection (RFC 9110 §7.6.1). */
export function isHopByHop(id: FieldId): boolean {
  return id !== FieldId.other && id <= lastHopByHop;
}

/** True for what is never copied into a forwarded message: hop-by-hop fields and look-alikes. */
export function isNeverForwarded(id: FieldId): boolean {
  return id !== FieldId.other && id <= lastDropped;
}

/** Names in lower case, by id. */
const names: readonly string[] = Object.keys(FieldId).map((key) =>
  key === 'http2Settings' ? 'http2-settings' : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
);

/**
 * A perfect hash of length and three letters, found once by trying: no two known names share a slot, so a
 * name is compared with one candidate at most. A test walks every name.
 */
const slots = 256;
function slotOf(bytes: Uint8Array, at: number, length: number): number {
  const first = (bytes[at] as number) | 0x20;
  const lastButOne = (bytes[at + length - 2] as number) | 0x20;
  const last = (bytes[at + length - 1] as number) | 0x20;
  return (length + first * 6 + lastButOne * 76 + last) & (slots - 1);
}

const longestName = 32;
const scratch = new Uint8Array(longestName);
const nameBytes = new Uint8Array(names.length * longestName);
const lengths = new Uint8Array(names.length);
const table = new Uint8Array(slots);
for (let id = 1; id < names.length; id++) {
  if (id === FieldId.lookalike) continue;
  const name = Buffer.from(names[id] as string, 'latin1');
  nameBytes.set(name, id * longestName);
  lengths[id] = name.length;
  table[slotOf(name, 0, name.length)] = id;
}

const lowerCase = Uint8Array.from({ length: 256 }, (_, code) =>
  code >= 65 && code <= 90 ? code | 0x20 : code,
);

/** As {@link fieldId}, for the name in `bytes[at .. at + length)`. */
export function lookUpField(bytes: Uint8Array, at: number, length: number): FieldId {
  if (length < 2) return FieldId.other;
  const id = table[slotOf(bytes, at, length)] as number;
  if (id === 0 || lengths[id] !== length) return FieldId.other;
  const name = id * longestName;
  let lookalike = false;
  for (let i = 0; i < length; i++) {
    const code = bytes[at + i] as number;
    const wanted = nameBytes[name + i];
    if (lowerCase[code] === wanted) continue;
    if (wanted !== 0x2d || (code !== 0x5f && code !== 0x2e)) return FieldId.other;
    lookalike = true;
  }
  if (!lookalike) return id as FieldId;
  return id <= lastGuarded ? FieldId.lookalike : FieldId.other;
}

/** Which known field `name` is, whatever its case; `other` if none. */
export function fieldId(name: string): FieldId {
  const { length } = name;
  if (length > longestName) return FieldId.other;
  for (let i = 0; i < length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0x7f) return FieldId.other;
    scratch[i] = code;
  }
  return lookUpField(scratch, 0, length);
}
