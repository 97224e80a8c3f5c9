import { describe, expect, it } from 'vitest';
import { HpackEncoder, StreamState } from '../../src/http2/index.ts';
import { block, entries, frame, PREFACE, request, SETTINGS, word } from './frames.ts';
import { MiniServer } from './mini-server.ts';

const DATA = 0;
const HEADERS = 1;
const PRIORITY = 2;
const RST_STREAM = 3;
const SETTING = 4;
const PING = 6;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const END_HEADERS = 4;
const eight = [1, 2, 3, 4, 5, 6, 7, 8];
const protocolError = 'GOAWAY PROTOCOL_ERROR';

/** A server past its preface, whose first reaction (to SETTINGS) is left out. */
function server(options: ConstructorParameters<typeof MiniServer>[0] = {}): MiniServer {
  const mini = new MiniServer(options);
  mini.feed(Buffer.concat([PREFACE, SETTINGS, frame(SETTING, 1, 0)]));
  expect(mini.reactions.splice(0)).toEqual(['SETTINGS ACK']);
  return mini;
}

function reactions(...frames: readonly Buffer[]): string[] {
  const mini = server();
  mini.feed(Buffer.concat(frames));
  return mini.reactions;
}

function head(streamId: number, endStream: boolean, fields: readonly string[] = request()): Buffer {
  return frame(HEADERS, END_HEADERS | (endStream ? END_STREAM : 0), streamId, block(fields));
}
const post = (...more: readonly string[]): string[] => [
  ':method',
  'POST',
  ':scheme',
  'https',
  ':path',
  '/',
  ':authority',
  'example.com',
  ...more,
];

describe('RFC 9113 §5.1 stream states', () => {
  it.each([
    ['DATA', frame(DATA, END_STREAM, 1, [1])],
    ['RST_STREAM', frame(RST_STREAM, 0, 1, word(8))],
    ['WINDOW_UPDATE', frame(WINDOW_UPDATE, 0, 1, word(1))],
  ])('idle: %s is a connection error', (_, wire) => {
    expect(reactions(wire)).toEqual([protocolError]);
  });
  it('idle: PRIORITY is fine', () => {
    expect(reactions(frame(PRIORITY, 0, 5, [0, 0, 0, 1, 1]), head(7, true))).toEqual(['200 on 7']);
  });
  it('open: a request with content', () => {
    expect(reactions(head(1, false), frame(DATA, 0, 1, [1]), frame(DATA, END_STREAM, 1, [2]))).toEqual([
      '200 on 1',
    ]);
  });
  it('half-closed (remote): DATA and HEADERS are a stream error, WINDOW_UPDATE is fine', () => {
    for (const wire of [frame(DATA, 0, 1, [1]), head(1, true)]) {
      const mini = server();
      mini.feed(head(1, false));
      mini.streams.get(1)!.state = StreamState.halfClosedRemote;
      mini.feed(Buffer.concat([frame(WINDOW_UPDATE, 0, 1, word(5)), wire]));
      expect(mini.reactions).toEqual(['RST_STREAM 1 STREAM_CLOSED']);
    }
  });
  it('closed by END_STREAM: DATA and HEADERS are a connection error, RST and WINDOW_UPDATE are not', () => {
    const harmless = [frame(WINDOW_UPDATE, 0, 1, word(5)), frame(RST_STREAM, 0, 1, word(8))];
    for (const wire of [frame(DATA, 0, 1, [1]), head(1, true)]) {
      expect(reactions(head(1, true), ...harmless, wire)).toEqual(['200 on 1', 'GOAWAY STREAM_CLOSED']);
    }
  });
  it('closed by a reset from the peer: DATA and HEADERS are a stream error', () => {
    const reset = frame(RST_STREAM, 0, 1, word(8));
    for (const wire of [frame(DATA, 0, 1, [1]), head(1, true)]) {
      expect(reactions(head(1, false), reset, reset, wire)).toEqual(['RST_STREAM 1 STREAM_CLOSED']);
    }
  });
  it('closed by our reset: what was under way is ignored, but its header blocks are decoded', () => {
    const encoder = new HpackEncoder();
    const bad = frame(HEADERS, END_HEADERS, 1, block([...request('x-a', 'b'), 'te', 'gzip'], encoder));
    const trailers = frame(HEADERS, 5, 1, block(['x-late', 'trailer'], encoder));
    const next = frame(HEADERS, 5, 3, block(request('x-a', 'b', 'x-late', 'trailer'), encoder));
    const mini = server();
    mini.feed(bad);
    mini.feed(Buffer.concat([frame(DATA, 0, 1, [1]), frame(WINDOW_UPDATE, 0, 1, word(1)), trailers, next]));
    expect(mini.reactions).toEqual(['RST_STREAM 1 PROTOCOL_ERROR', '200 on 3']);
  });
  it('DATA on a stream that we have reset still counts for the connection', () => {
    const mini = server();
    mini.feed(frame(HEADERS, END_HEADERS, 1, block([...request(), 'te', 'gzip'])));
    mini.feed(frame(DATA, 0, 1, Buffer.alloc(1000)));
    expect(mini.receiveWindow.available).toBe(64_535);
    expect(mini.receiveWindow.held).toBe(0);
  });
});

describe('RFC 9113 §5.1.1 stream identifiers, §5.1.2 concurrency', () => {
  it('an even identifier from a client is a connection error', () => {
    expect(reactions(head(2, true))).toEqual([protocolError]);
  });
  it('an identifier lower than one before is a connection error', () => {
    expect(reactions(head(5, true), head(3, true))).toEqual(['200 on 5', protocolError]);
  });
  it('over SETTINGS_MAX_CONCURRENT_STREAMS is REFUSED_STREAM', () => {
    const mini = server({ maxStreams: 2 });
    mini.feed(Buffer.concat([head(1, false), head(3, false), head(5, false), frame(PING, 0, 0, eight)]));
    expect(mini.reactions).toEqual(['RST_STREAM 5 REFUSED_STREAM', 'PING ACK']);
  });
  it('§5.3.1 HEADERS that depend on themselves are a stream error', () => {
    const payload = Buffer.concat([Buffer.of(0, 0, 0, 1, 9), block(request())]);
    expect(reactions(frame(HEADERS, 0x25, 1, payload), head(3, true))).toEqual([
      'RST_STREAM 1 PROTOCOL_ERROR',
      '200 on 3',
    ]);
  });
});

describe('RFC 9113 §4.3 field section compression', () => {
  it('a block that does not decode is a connection error', () => {
    expect(reactions(frame(HEADERS, 5, 1, [0x80]))).toEqual(['GOAWAY COMPRESSION_ERROR']);
  });
  it('a list over the limit is answered with 431, and the connection goes on', () => {
    const encoder = new HpackEncoder();
    const mini = server({ maxHeaderListSize: 500 });
    const large = block(request('x-large', 'x'.repeat(500), 'x-after', 'y'), encoder);
    mini.feed(frame(HEADERS, 5, 1, large));
    mini.feed(frame(HEADERS, 5, 3, block(request('x-after', 'y'), encoder)));
    expect(mini.reactions).toEqual(['431 on 1', '200 on 3']);
  });
});

describe('RFC 9113 §6.5 SETTINGS', () => {
  it('are acknowledged', () => {
    expect(reactions(frame(SETTING, 0, 0, entries([3, 100])))).toEqual(['SETTINGS ACK']);
  });
  it('an acknowledgement of nothing is a connection error', () => {
    expect(reactions(frame(SETTING, 1, 0))).toEqual([protocolError]);
  });
  it.each([
    ['ENABLE_PUSH 2', entries([2, 2]), 'PROTOCOL_ERROR'],
    ['INITIAL_WINDOW_SIZE over 2^31-1', entries([4, 0x80000000]), 'FLOW_CONTROL_ERROR'],
    ['MAX_FRAME_SIZE under 16384', entries([5, 16_383]), 'PROTOCOL_ERROR'],
    ['MAX_FRAME_SIZE over 16777215', entries([5, 16_777_216]), 'PROTOCOL_ERROR'],
    ['ENABLE_CONNECT_PROTOCOL 2', entries([8, 2]), 'PROTOCOL_ERROR'],
  ])('%s is a connection error', (_, payload, name) => {
    expect(reactions(frame(SETTING, 0, 0, payload))).toEqual([`GOAWAY ${name}`]);
  });
  it('unknown identifiers are ignored', () => {
    expect(reactions(frame(SETTING, 0, 0, entries([0xffff, 1])))).toEqual(['SETTINGS ACK']);
  });
});

describe('RFC 9113 §6.9 flow control', () => {
  it('§6.9.1 a connection window over 2^31-1 is a connection error', () => {
    const most = frame(WINDOW_UPDATE, 0, 0, word(0x7fffffff));
    expect(reactions(most)).toEqual(['GOAWAY FLOW_CONTROL_ERROR']);
  });
  it('§6.9.1 a stream window over 2^31-1 is a stream error', () => {
    const most = frame(WINDOW_UPDATE, 0, 1, word(0x7fffffff));
    expect(reactions(head(1, false), most)).toEqual(['RST_STREAM 1 FLOW_CONTROL_ERROR']);
  });
  it('§6.9.1 DATA over the connection window is a connection error', () => {
    const mini = server();
    mini.receiveWindow.available = 10;
    mini.feed(Buffer.concat([head(1, false), frame(DATA, 0, 1, Buffer.alloc(11))]));
    expect(mini.reactions).toEqual(['GOAWAY FLOW_CONTROL_ERROR']);
  });
  it('§6.9.1 DATA over the stream window is a stream error, padding counted', () => {
    const mini = server();
    mini.feed(head(1, false));
    mini.streams.get(1)!.receive.available = 10;
    mini.feed(frame(DATA, 8, 1, [9, 1, ...Buffer.alloc(9)]));
    expect(mini.reactions).toEqual(['RST_STREAM 1 FLOW_CONTROL_ERROR']);
  });
  it('§6.9.2 a change of INITIAL_WINDOW_SIZE changes open streams, also below 0', () => {
    const mini = server();
    mini.feed(head(1, false));
    const stream = mini.streams.get(1)!;
    stream.send.consume(60_000);
    mini.feed(frame(SETTING, 0, 0, entries([4, 1000])));
    expect(stream.send.available).toBe(1000 - 60_000);
    mini.feed(frame(SETTING, 0, 0, entries([4, 100_000])));
    expect(stream.send.available).toBe(40_000);
    expect(mini.sendWindow.available).toBe(65_535);
  });
  it('§6.9.2 a change that makes a window overflow is a connection error', () => {
    const grow = frame(WINDOW_UPDATE, 0, 1, word(0x7fff0000));
    const settings = frame(SETTING, 0, 0, entries([4, 0x7fffffff]));
    expect(reactions(head(1, false), grow, settings)).toEqual(['GOAWAY FLOW_CONTROL_ERROR']);
  });
});

describe('RFC 9113 §8.1 messages', () => {
  it('trailers end a request', () => {
    expect(reactions(head(1, false, post()), frame(DATA, 0, 1, [1]), head(1, true, ['x-sum', '1']))).toEqual([
      '200 on 1',
    ]);
  });
  it('a second HEADERS without END_STREAM is a stream error', () => {
    expect(reactions(head(1, false, post()), head(1, false, ['x-sum', '1']))).toEqual([
      'RST_STREAM 1 PROTOCOL_ERROR',
    ]);
  });
  it('pseudo-fields in trailers are a stream error', () => {
    expect(reactions(head(1, false, post()), head(1, true, [':method', 'GET']))).toEqual([
      'RST_STREAM 1 PROTOCOL_ERROR',
    ]);
  });
  it.each([
    ['less', [1, 2], 1],
    ['more', [1, 2, 3, 4], 1],
    ['more, before the end', [1, 2, 3, 4], 0],
  ])('§8.1.1 DATA of %s than content-length is a stream error', (_, octets, flags) => {
    const wire = frame(DATA, flags, 1, octets);
    expect(reactions(head(1, false, post('content-length', '3')), wire)).toEqual([
      'RST_STREAM 1 PROTOCOL_ERROR',
    ]);
  });
  it('§8.1.1 content-length fits the sum of several DATA frames, padding not counted', () => {
    const pieces = [frame(DATA, 0, 1, [1]), frame(DATA, 8, 1, [2, 1, 0, 0]), frame(DATA, 1, 1, [3])];
    expect(reactions(head(1, false, post('content-length', '3')), ...pieces)).toEqual(['200 on 1']);
    expect(reactions(head(1, true, post('content-length', '3')))).toEqual(['RST_STREAM 1 PROTOCOL_ERROR']);
    expect(reactions(head(1, true, post('content-length', '0')))).toEqual(['200 on 1']);
  });
  it.each([
    ['capital letters in a name', request('X-a', 'b')],
    ['connection-specific field', request('connection', 'close')],
    ['te other than trailers', request('te', 'gzip')],
    ['unknown pseudo-field', [...request(), ':unknown', 'x']],
    [':status in a request', [':status', '200', ...request()]],
    ['pseudo-field behind a field', ['x-a', 'b', ...request()]],
    [':path missing', [':method', 'GET', ':scheme', 'https', ':authority', 'a']],
    [':path empty', [':method', 'GET', ':scheme', 'https', ':path', '', ':authority', 'a']],
    [':method repeated', [':method', 'GET', ...request()]],
  ])('§8.2, §8.3: %s is a stream error', (_, fields) => {
    // Written by hand: our encoder would lower-case names.
    const octets = Buffer.concat(
      Array.from({ length: fields.length / 2 }, (_unused, index) => {
        const [name, value] = [fields[index * 2] as string, fields[index * 2 + 1] as string];
        return Buffer.from(
          `\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`,
        );
      }),
    );
    expect(reactions(frame(HEADERS, 5, 1, octets), head(3, true))).toEqual([
      'RST_STREAM 1 PROTOCOL_ERROR',
      '200 on 3',
    ]);
  });
});

describe('floods end the connection with ENHANCE_YOUR_CALM', () => {
  function flood(limit: number, make: (index: number) => Buffer, kind: string): string[] {
    const mini = server({ flood: { [kind]: limit } });
    for (let index = 0; index <= limit; index++) {
      expect(mini.dead).toBe(false);
      mini.feed(make(index));
    }
    expect(mini.dead).toBe(true);
    return mini.reactions;
  }
  const calm = 'GOAWAY ENHANCE_YOUR_CALM';

  it('hazard "rapid reset" (CVE-2023-44487)', () => {
    const make = (index: number): Buffer =>
      Buffer.concat([head(index * 2 + 1, false), frame(RST_STREAM, 0, index * 2 + 1, word(8))]);
    expect(flood(50, make, 'resetReceived')).toEqual([calm]);
  });
  it('hazard "MadeYouReset" (CVE-2025-8671)', () => {
    const make = (index: number): Buffer =>
      Buffer.concat([head(index * 2 + 1, false), frame(WINDOW_UPDATE, 0, index * 2 + 1, word(0))]);
    expect(flood(50, make, 'resetCaused').at(-1)).toBe(calm);
  });
  it('hazard "SETTINGS flood"', () => {
    // The SETTINGS of the beginning are the first.
    const mini = server({ flood: { settings: 10 } });
    for (let index = 0; index < 9; index++) mini.feed(SETTINGS);
    expect(mini.dead).toBe(false);
    mini.feed(SETTINGS);
    expect(mini.reactions.at(-1)).toBe(calm);
  });
  it('hazard "PING flood"', () => {
    expect(flood(100, () => frame(PING, 0, 0, eight), 'ping').at(-1)).toBe(calm);
  });
  it('hazard "empty-DATA flood"', () => {
    const make = (index: number): Buffer =>
      index === 0 ? Buffer.concat([head(1, false), frame(DATA, 0, 1)]) : frame(DATA, 0, 1);
    expect(flood(100, make, 'emptyFrame')).toEqual([calm]);
  });
  it('PRIORITY and WINDOW_UPDATE floods', () => {
    expect(flood(100, () => frame(PRIORITY, 0, 3, [0, 0, 0, 1, 1]), 'priority')).toEqual([calm]);
    expect(flood(100, () => frame(WINDOW_UPDATE, 0, 0, word(1)), 'windowUpdate')).toEqual([calm]);
    expect(flood(100, () => frame(0x77, 0, 0, []), 'ignored')).toEqual([calm]);
  });
});
