import {
  checkRequestFields,
  FrameEvent,
  FrameReader,
  FrameWriter,
  HpackDecoder,
  HpackEncoder,
  ReceiveWindow,
} from '../src/http2/index.ts';

/**
 * Prints nanoseconds of processor time per call, the best of five rounds: unlike wall-clock time it means
 * something on a machine that does other things too.
 */
function measure(name: string, work: () => number, rounds: number = 50_000): void {
  let sink = 0;
  for (let round = 0; round < rounds; round++) sink += work();
  let best = Infinity;
  for (let attempt = 0; attempt < 5; attempt++) {
    const before = process.cpuUsage();
    for (let round = 0; round < rounds; round++) sink += work();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1000) / rounds);
  }
  process.stdout.write(`${name.padEnd(66)} ${best.toFixed(0).padStart(7)} ns/op${sink === 0 ? ' ' : ''}\n`);
}

const browser = [
  [':method', 'GET'],
  [':authority', 'www.example.com'],
  [':scheme', 'https'],
  [':path', '/articles/2026/11/how-proxies-work?ref=front&page=2'],
  ['sec-ch-ua', '"Chromium";v="142", "Not?A_Brand";v="24"'],
  ['sec-ch-ua-mobile', '?0'],
  ['sec-ch-ua-platform', '"Linux"'],
  ['upgrade-insecure-requests', '1'],
  [
    'user-agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  ],
  ['accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'],
  ['sec-fetch-site', 'same-origin'],
  ['sec-fetch-mode', 'navigate'],
  ['sec-fetch-user', '?1'],
  ['sec-fetch-dest', 'document'],
  ['referer', 'https://www.example.com/articles'],
  ['accept-encoding', 'gzip, deflate, br, zstd'],
  ['accept-language', 'en-GB,en;q=0.9,de;q=0.8'],
  ['priority', 'u=0, i'],
].flat();
const small = [
  [':method', 'GET'],
  [':path', '/some/path?x=1'],
  [':scheme', 'https'],
  [':authority', '127.0.0.1:8443'],
  ['user-agent', 'h2load nghttp2/1.59.0'],
].flat();
const response = [
  ['Server', 'nginx/1.26.0'],
  ['Date', 'Mon, 23 Nov 2026 01:07:00 GMT'],
  ['Content-Type', 'text/html; charset=utf-8'],
  ['Content-Length', '10240'],
  ['Last-Modified', 'Sun, 22 Nov 2026 10:00:00 GMT'],
  ['ETag', '"6560a1b2-2800"'],
  ['Cache-Control', 'max-age=60'],
  ['Vary', 'Accept-Encoding'],
].flat();

/** Frames without their headers' first block: what the first and the following requests look like. */
function blocks(fields: readonly string[]): [Buffer, Buffer] {
  const encoder = new HpackEncoder();
  const first = Buffer.alloc(8192);
  const second = Buffer.alloc(8192);
  const firstEnd = encoder.encode(fields, first, 0);
  const secondEnd = encoder.encode(fields, second, 0);
  return [first.subarray(0, firstEnd), second.subarray(0, secondEnd)];
}

/** Fields as a parser gives them: fresh pieces of one fresh string, whose hash nobody has worked out yet. */
function cutter(head: readonly string[]): () => string[] {
  const octets = Buffer.from(head.join('\n'), 'latin1');
  const lengths = head.map((part) => part.length);
  return () => {
    const text = octets.toString('latin1');
    const pieces: string[] = [];
    let at = 0;
    for (const length of lengths) {
      pieces.push(text.slice(at, at + length));
      at += length + 1;
    }
    return pieces;
  };
}

for (const [name, fields] of [
  ['browser', browser],
  ['small', small],
] as const) {
  const [first, repeated] = blocks(fields);
  measure(`decode HEADERS of a ${name} request, first (${first.length} octets)`, () => {
    const decoder = new HpackDecoder();
    decoder.decode(first, 0, first.length);
    return decoder.fields.length;
  });
  const decoder = new HpackDecoder();
  decoder.decode(first, 0, first.length);
  measure(`decode HEADERS of a ${name} request, repeated (${repeated.length} octets)`, () => {
    decoder.decode(repeated, 0, repeated.length);
    return decoder.fields.length;
  });
  measure(`decode and check a ${name} request, repeated`, () => {
    decoder.decode(repeated, 0, repeated.length);
    return checkRequestFields(decoder.fields, decoder.kinds).regular;
  });
}

const writer = new FrameWriter();
function writeHead(fields: readonly string[]): void {
  writer.beginHeaders(1);
  writer.status(200);
  for (let index = 0; index < fields.length; index += 2) {
    writer.field(fields[index] as string, fields[index + 1] as string);
  }
  writer.endHeaders(false);
}

const cutResponse = cutter(response);
const fields = cutResponse();
measure('(cut the fields of a response head out of its octets)', () => cutResponse().length);
measure('encode a response head of 8 freshly cut fields, take, recycle', () => {
  writeHead(cutResponse());
  const length = writer.take().length;
  writer.recycle();
  return length;
});
measure('encode a response head of 8 fields seen before, take, recycle', () => {
  writeHead(fields);
  const length = writer.take().length;
  writer.recycle();
  return length;
});
let second = 0;
measure('the same, a new date every call', () => {
  fields[3] = `Mon, 23 Nov 2026 01:07:${10 + (second++ % 50)} GMT`;
  writeHead(fields);
  const length = writer.take().length;
  writer.recycle();
  return length;
});

const body = Buffer.alloc(16_384, 'x');
measure('write DATA of 16 KiB by copy, take, recycle', () => {
  writer.data(1, body, 0, body.length, false);
  const length = writer.take().length;
  writer.recycle();
  return length;
});
const payload = Buffer.alloc(100, 'x');
measure('write DATA of 100 B by copy', () => {
  writer.data(1, payload, 0, payload.length, true);
  const length = writer.take().length;
  writer.recycle();
  return length;
});

/** A connection past its SETTINGS, and a function that feeds it the same bytes again and again. */
function reading(frames: (writer: FrameWriter) => void): { reader: FrameReader; bytes: Buffer } {
  const reader = new FrameReader({ role: 'client' });
  const source = new FrameWriter();
  source.settings([]);
  const settings = Buffer.concat(source.take());
  reader.feed(settings, 0, settings.length);
  while (reader.next() !== FrameEvent.none);
  frames(source);
  return { reader, bytes: Buffer.concat(source.take()) };
}

const data = reading((source) => source.data(1, body, 0, body.length, false));
const window = new ReceiveWindow(1_048_576);
measure('read DATA of 16 KiB, account for its window', () => {
  data.reader.feed(data.bytes, 0, data.bytes.length);
  let increments = 0;
  while (data.reader.next() !== FrameEvent.none) {
    window.receive(data.reader.flowLength);
    increments += window.release(data.reader.end - data.reader.start);
  }
  return increments;
});

const smallBlocks = blocks(small);
const pair = reading((source) => {
  source.windowUpdate(1, 100);
  source.windowUpdate(0, 100);
});
const smallDecoder = new HpackDecoder();
smallDecoder.decode(smallBlocks[0], 0, smallBlocks[0].length);
measure('read two WINDOW_UPDATEs', () => {
  pair.reader.feed(pair.bytes, 0, pair.bytes.length);
  let count = 0;
  while (pair.reader.next() !== FrameEvent.none) count++;
  return count;
});

/** Everything the codec does for one small request and its answer of 100 octets. */
const request = Buffer.concat([Buffer.from([0, 0, smallBlocks[1].length, 1, 5, 0, 0, 0, 1]), smallBlocks[1]]);
const served = reading(() => undefined);
const cutAnswer = cutter(response.slice(0, 8));
measure('a request and its answer: read, decode, check, cut, encode, write', () => {
  served.reader.feed(request, 0, request.length);
  let total = 0;
  while (served.reader.next() !== FrameEvent.none) {
    smallDecoder.decode(served.reader.buffer, served.reader.start, served.reader.end);
    total += checkRequestFields(smallDecoder.fields, smallDecoder.kinds).regular;
    writeHead(cutAnswer());
    writer.data(1, payload, 0, payload.length, true);
  }
  total += writer.take().length;
  writer.recycle();
  return total;
});
