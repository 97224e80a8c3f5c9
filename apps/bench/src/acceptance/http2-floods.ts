/** What a client begins with (RFC 9113 §3.4). */
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** Frame types. */
export const Type = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** A frame (RFC 9113 §4.1). */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const setting = (id: number, value: number): Buffer => {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id);
  bytes.writeUInt32BE(value, 2);
  return bytes;
};
const literal = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
/** GET (or POST), http, a path, an authority: static entries and literals without indexing (RFC 7541 §6). */
const block = (path: string, method = 0x82): Buffer =>
  Buffer.concat([Buffer.from([method, 0x86, 0x04]), literal(path), Buffer.from([0x01]), literal('a')]);
const END_STREAM = 1;
const END_HEADERS = 4;
const request = (stream: number, path = '/'): Buffer =>
  frame(Type.headers, END_STREAM | END_HEADERS, stream, block(path));

/** What one attacker does. */
export interface Flood {
  /** What it sends before it floods; the preface and SETTINGS went already. */
  readonly opening?: () => Buffer;
  /** The next burst; `round` counts from 0. Undefined: it has nothing more to send. */
  readonly burst?: (round: number) => Buffer | undefined;
  readonly settings?: Buffer;
  /** Default true; else it reads nothing. */
  readonly reads?: boolean;
  /** Whether rp must end the connection. */
  readonly ends: boolean;
}

const repeat = (count: number, make: (index: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
/** Streams of burst number `round`, of which each has `count`. */
const streams = (round: number, count: number, make: (stream: number) => Buffer): Buffer | undefined =>
  (round + 1) * count * 2 > 2 ** 31
    ? undefined
    : repeat(count, (index) => make((round * count + index) * 2 + 1));

const bomb = (): Buffer => {
  // One large field goes into the table, then each octet refers to it.
  const large = Buffer.alloc(4000, 'x');
  const entry = Buffer.concat([Buffer.from([0x40]), literal('k'), Buffer.from([0x7f, 0xa1, 0x1e]), large]);
  return Buffer.concat([block('/'), entry, Buffer.alloc(8_000, 0xbe)]);
};

/** Every flood by its name. */
export const FLOODS: Readonly<Record<string, Flood>> = {
  'rapid reset': {
    burst: (round) =>
      streams(round, 100, (id) => Buffer.concat([request(id), frame(Type.reset, 0, id, word(8))])),
    ends: true,
  },
  'made to reset (window overflow)': {
    burst: (round) =>
      streams(round, 100, (id) =>
        Buffer.concat([request(id, '/slow'), frame(Type.windowUpdate, 0, id, word(0x7fffffff))]),
      ),
    ends: true,
  },
  'malformed requests': {
    burst: (round) =>
      streams(round, 100, (id) => frame(Type.headers, END_STREAM | END_HEADERS, id, Buffer.from([0x82]))),
    ends: true,
  },
  'streams above the limit': {
    burst: (round) => streams(round, 500, (id) => request(id, '/slow')),
    ends: true,
  },
  CONTINUATION: {
    opening: () => frame(Type.headers, END_STREAM, 1, block('/')),
    burst: () => repeat(100, () => frame(Type.continuation, 0, 1, Buffer.alloc(1000, 0x82))),
    ends: true,
  },
  'empty CONTINUATION': {
    opening: () => frame(Type.headers, END_STREAM, 1, block('/')),
    burst: () => repeat(1000, () => frame(Type.continuation, 0, 1)),
    ends: true,
  },
  'a header block that never ends': {
    opening: () => frame(Type.headers, END_STREAM, 1, block('/')),
    burst: () => undefined,
    ends: true,
  },
  SETTINGS: {
    burst: () => repeat(200, () => frame(Type.settings, 0, 0, setting(4, 65_535))),
    ends: true,
  },
  'SETTINGS unread': {
    burst: () => repeat(200, () => frame(Type.settings, 0, 0, setting(4, 65_535))),
    reads: false,
    ends: true,
  },
  PING: { burst: () => repeat(200, () => frame(Type.ping, 0, 0, Buffer.alloc(8))), ends: true },
  'PING unread': {
    burst: () => repeat(200, () => frame(Type.ping, 0, 0, Buffer.alloc(8))),
    reads: false,
    ends: true,
  },
  'empty DATA': {
    opening: () => frame(Type.headers, END_HEADERS, 1, block('/slow', 0x83)),
    burst: () => repeat(500, () => frame(Type.data, 0, 1)),
    ends: true,
  },
  'padding only': {
    opening: () => frame(Type.headers, END_HEADERS, 1, block('/slow', 0x83)),
    burst: () => repeat(500, () => frame(Type.data, 8, 1, Buffer.concat([Buffer.from([0])]))),
    ends: true,
  },
  'WINDOW_UPDATE of 1': {
    burst: () => repeat(500, () => frame(Type.windowUpdate, 0, 0, word(1))),
    ends: true,
  },
  PRIORITY: {
    burst: () => repeat(500, () => frame(2, 0, 1, Buffer.from([0, 0, 0, 3, 15]))),
    ends: true,
  },
  'unknown frames': { burst: () => repeat(500, () => frame(0xfa, 0, 0, Buffer.alloc(4))), ends: true },
  'header bombs by reference': {
    burst: (round) => streams(round, 10, (id) => frame(Type.headers, END_STREAM | END_HEADERS, id, bomb())),
    // Each is answered with 431: an honest mistake looks the same.
    ends: false,
  },
  'table sizes': {
    burst: (round) =>
      round % 2 === 0
        ? frame(Type.settings, 0, 0, Buffer.concat([setting(1, 0), setting(1, 0xffffffff)]))
        : undefined,
    ends: false,
  },
  'a window of 0': {
    settings: setting(4, 0),
    opening: () => repeat(25, (index) => request(index * 2 + 1, '/large')),
    ends: false,
  },
  'windows that open by 1 octet': {
    settings: setting(4, 0),
    opening: () => repeat(25, (index) => request(index * 2 + 1, '/large')),
    burst: () => repeat(25, (index) => frame(Type.windowUpdate, 0, index * 2 + 1, word(1))),
    ends: true,
  },
  'large windows, nothing read': {
    settings: setting(4, 0x7fffffff),
    opening: () =>
      Buffer.concat([
        frame(Type.windowUpdate, 0, 0, word(0x7fff0000 - 65_535)),
        repeat(25, (index) => request(index * 2 + 1, '/large')),
      ]),
    reads: false,
    ends: false,
  },
  'windows that go up and down': {
    opening: () => repeat(25, (index) => request(index * 2 + 1, '/large')),
    burst: (round) => repeat(50, () => frame(Type.settings, 0, 0, setting(4, round % 2 === 0 ? 0 : 100_000))),
    ends: true,
  },
};
