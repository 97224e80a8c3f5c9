import { describe, expect, it } from 'vitest';
import { FrameEvent, FrameReader } from '../../src/http2/index.ts';
import { frame, PREFACE, readAll, serverEvents, SETTINGS, word } from './frames.ts';

const DATA = 0;
const HEADERS = 1;
const PRIORITY = 2;
const RST_STREAM = 3;
const SETTING = 4;
const PUSH_PROMISE = 5;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED = 8;
const PRIO = 0x20;
const eight = [1, 2, 3, 4, 5, 6, 7, 8];

function fresh(chunk: Buffer, role: 'client' | 'server' = 'server'): string[] {
  return readAll(new FrameReader({ role }), [chunk]);
}

describe('RFC 9113 §3.4 connection preface', () => {
  it('preface and SETTINGS begin a connection', () => {
    expect(fresh(Buffer.concat([PREFACE, SETTINGS]))).toEqual(['settings ']);
  });
  it('a wrong preface is a connection error at its first wrong octet', () => {
    expect(fresh(Buffer.from('PRI * HTTP/1'))).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(fresh(Buffer.from('GET / HTTP/1.1\r\n'))).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(fresh(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n'))).toEqual([]);
  });
  it('the first frame must be SETTINGS, from either side', () => {
    const ping = frame(PING, 0, 0, eight);
    expect(fresh(Buffer.concat([PREFACE, ping]))).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(fresh(ping, 'client')).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(fresh(frame(SETTING, ACK, 0), 'client')).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(fresh(SETTINGS, 'client')).toEqual(['settings ']);
  });
});

describe('RFC 9113 §4.1 frame format, §5.5 extensions', () => {
  it('frames of unknown types are ignored, also large ones', () => {
    const after = frame(PING, 0, 0, eight);
    expect(serverEvents(Buffer.concat([frame(0x16, 0xff, 0, [1, 2, 3]), after]))).toEqual([
      'unknown 22',
      'ping 0102030405060708',
    ]);
    expect(serverEvents(Buffer.concat([frame(0xff, 0, 7), after]))[1]).toBe('ping 0102030405060708');
  });
  it('PRIORITY_UPDATE (RFC 9218 §7.1) is ignored', () => {
    expect(serverEvents(frame(0x10, 0, 0, [0, 0, 0, 1]))).toEqual(['unknown 16']);
  });
  it('unknown flags are ignored', () => {
    expect(serverEvents(frame(PING, 0x56, 0, eight))).toEqual(['ping 0102030405060708']);
  });
  it('the reserved bit is ignored', () => {
    expect(serverEvents(frame(PING, 0, 0x80000000, eight))).toEqual(['ping 0102030405060708']);
    expect(serverEvents(frame(WINDOW_UPDATE, 0, 0x80000001, word(0x80000005)))).toEqual(['windowUpdate 1 5']);
  });
  it('a frame of an unknown type inside of a header block is a connection error', () => {
    const wire = Buffer.concat([frame(HEADERS, 0, 1, [0x82]), frame(0x16, 0, 1)]);
    expect(serverEvents(wire)).toEqual(['connection 0 PROTOCOL_ERROR']);
  });
});

describe('RFC 9113 §4.2 frame size', () => {
  it('a payload of SETTINGS_MAX_FRAME_SIZE passes, one octet more is FRAME_SIZE_ERROR before it is read', () => {
    const most = Buffer.alloc(16_384, 1);
    expect(serverEvents(frame(DATA, 0, 1, most))[0]).toContain('flow 16384');
    expect(serverEvents(frame(DATA, 0, 1, [], 16_385))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
    expect(serverEvents(frame(HEADERS, 0, 1, [], 16_385))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
    expect(serverEvents(frame(0x55, 0, 1, [], 16_385))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
  it('the limit follows SETTINGS', () => {
    const reader = new FrameReader({ role: 'server', maxFrameSize: 20_000 });
    const data = frame(DATA, 0, 1, Buffer.alloc(20_000));
    expect(readAll(reader, [PREFACE, SETTINGS, data])[1]).toContain('flow 20000');
    reader.setMaxFrameSize(16_384);
    expect(readAll(reader, [data])).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
});

describe('RFC 9113 §4.3, §6.10 header blocks', () => {
  it('HEADERS and CONTINUATIONs make one block', () => {
    const wire = Buffer.concat([
      frame(HEADERS, END_STREAM, 1, [0x82, 0x86]),
      frame(CONTINUATION, 0, 1, []),
      frame(CONTINUATION, 0, 1, [0x84]),
      frame(CONTINUATION, END_HEADERS, 1, [0x41, 0x00]),
    ]);
    expect(serverEvents(wire)).toEqual(['headers 1 8286844100 end']);
  });
  it('an empty block is one', () => {
    expect(serverEvents(frame(HEADERS, END_HEADERS, 1))).toEqual(['headers 1 ']);
  });
  it.each([
    ['DATA', frame(DATA, 0, 1, [1])],
    ['PRIORITY', frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1])],
    ['PING', frame(PING, 0, 0, eight)],
    ['HEADERS of the same stream', frame(HEADERS, END_HEADERS, 1, [0x82])],
    ['HEADERS of another stream', frame(HEADERS, END_HEADERS, 3, [0x82])],
    ['CONTINUATION of another stream', frame(CONTINUATION, END_HEADERS, 3, [0x82])],
    ['CONTINUATION of stream 0', frame(CONTINUATION, END_HEADERS, 0, [0x82])],
  ])('%s inside of a block is a connection error', (_, inside) => {
    const wire = Buffer.concat([frame(HEADERS, 0, 1, [0x82]), inside]);
    expect(serverEvents(wire)).toEqual(['connection 0 PROTOCOL_ERROR']);
  });
  it('CONTINUATION that continues nothing is a connection error', () => {
    const headers = frame(HEADERS, END_HEADERS, 1, [0x82]);
    const lone = frame(CONTINUATION, END_HEADERS, 1, [0x82]);
    expect(serverEvents(lone)).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(serverEvents(Buffer.concat([headers, lone]))[1]).toBe('connection 0 PROTOCOL_ERROR');
    const data = Buffer.concat([headers, frame(DATA, 0, 1, [1]), lone]);
    expect(serverEvents(data)[2]).toBe('connection 0 PROTOCOL_ERROR');
  });
  it('hazard "CONTINUATION flood": their number is bounded', () => {
    const start = frame(HEADERS, 0, 1, [0x82]);
    const more = Array.from({ length: 16 }, () => frame(CONTINUATION, 0, 1, []));
    const last = frame(CONTINUATION, END_HEADERS, 1, [0x86]);
    expect(serverEvents(Buffer.concat([start, ...more.slice(1), last]))).toEqual(['headers 1 8286']);
    expect(serverEvents(Buffer.concat([start, ...more, last]))).toEqual(['connection 0 ENHANCE_YOUR_CALM']);
  });
  it('hazard "CONTINUATION flood": their octets are bounded, also in pieces', () => {
    const piece = Buffer.alloc(1000, 0x82);
    const options = { maxHeaderBlockSize: 3000 };
    const start = frame(HEADERS, 0, 1, piece);
    const more = frame(CONTINUATION, 0, 1, piece);
    const last = frame(CONTINUATION, END_HEADERS, 1, piece);
    const over = frame(CONTINUATION, END_HEADERS, 1, Buffer.alloc(1001));
    expect(serverEvents(Buffer.concat([start, more, last]), options)).toHaveLength(1);
    expect(serverEvents(Buffer.concat([start, more, over]), options)).toEqual([
      'connection 0 ENHANCE_YOUR_CALM',
    ]);
    expect(serverEvents(frame(HEADERS, 0, 1, Buffer.alloc(3001)), options)).toEqual([
      'connection 0 ENHANCE_YOUR_CALM',
    ]);
  });
});

describe('RFC 9113 §5.3.1 priority', () => {
  it('PRIORITY is read and means nothing', () => {
    expect(serverEvents(frame(PRIORITY, 0, 3, [0x80, 0, 0, 1, 255]))).toEqual(['priority 3']);
  });
  it('PRIORITY on itself is a stream error', () => {
    expect(serverEvents(frame(PRIORITY, 0, 3, [0x80, 0, 0, 3, 255]))).toEqual(['stream 3 PROTOCOL_ERROR']);
  });
  it('HEADERS on itself are delivered with a mark, for their block must be decoded', () => {
    const wire = frame(HEADERS, END_HEADERS | PRIO, 3, [0, 0, 0, 3, 255, 0x82]);
    expect(serverEvents(wire)).toEqual(['headers 3 82 selfDependent']);
    const other = frame(HEADERS, END_HEADERS | PRIO, 3, [0, 0, 0, 1, 255, 0x82]);
    expect(serverEvents(Buffer.concat([wire, other]))[1]).toBe('headers 3 82');
  });
});

describe('RFC 9113 §6.1 DATA', () => {
  it('on stream 0 is a connection error', () => {
    expect(serverEvents(frame(DATA, 0, 0, [1]))).toEqual(['connection 0 PROTOCOL_ERROR']);
  });
  it('padding is taken off and counts for the windows', () => {
    const wire = frame(DATA, PADDED | END_STREAM, 1, [3, 0xaa, 0xbb, 0, 0, 0]);
    expect(serverEvents(wire)).toEqual(['data 1 aabb flow 6 padding 4 end']);
  });
  it('padding alone is a frame without data', () => {
    expect(serverEvents(frame(DATA, PADDED, 1, [2, 0, 0]))).toEqual(['data 1  flow 3 padding 3']);
    expect(serverEvents(frame(DATA, PADDED, 1, [0]))).toEqual(['data 1  flow 1 padding 1']);
  });
  it('padding as long as the payload or longer is a connection error', () => {
    expect(serverEvents(frame(DATA, PADDED, 1, [2, 0]))).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(serverEvents(frame(DATA, PADDED, 1, [6, 1, 2, 3, 4, 5]))).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(serverEvents(frame(DATA, PADDED, 1))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
  it('empty frames are events, with and without END_STREAM', () => {
    const wire = Buffer.concat([frame(DATA, 0, 1), frame(DATA, END_STREAM, 1)]);
    expect(serverEvents(wire)).toEqual(['data 1  flow 0 padding 0', 'data 1  flow 0 padding 0 end']);
  });
  it('comes in the pieces in which it is fed, and nothing of it is held', () => {
    const reader = new FrameReader({ role: 'client' });
    const wire = Buffer.concat([SETTINGS, frame(DATA, PADDED | END_STREAM, 1, [2, 10, 11, 12, 0, 0])]);
    const seen: string[] = [];
    for (let at = 0; at < wire.length; at++) {
      reader.feed(wire, at, at + 1);
      for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) {
        if (event !== FrameEvent.data) continue;
        expect(reader.buffer).toBe(wire);
        expect(reader.heldBytes).toBe(0);
        seen.push(
          `${reader.start} ${reader.end} ${reader.flowLength} ${reader.paddingLength} ${reader.endStream}`,
        );
      }
    }
    expect(seen).toEqual(['19 20 6 3 false', '20 21 0 0 false', '21 22 0 0 true']);
  });
});

describe('RFC 9113 §6.2 HEADERS', () => {
  it('on stream 0 is a connection error', () => {
    expect(serverEvents(frame(HEADERS, END_HEADERS, 0, [0x82]))).toEqual(['connection 0 PROTOCOL_ERROR']);
  });
  it('padding and priority are taken off', () => {
    const wire = frame(HEADERS, END_HEADERS | PADDED | PRIO, 1, [2, 0, 0, 0, 0, 9, 0x82, 0x86, 0, 0]);
    expect(serverEvents(wire)).toEqual(['headers 1 8286']);
  });
  it('padding over the payload is a connection error', () => {
    const padded = END_HEADERS | PADDED;
    expect(serverEvents(frame(HEADERS, padded, 1, [2, 0x82]))).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(serverEvents(frame(HEADERS, padded | PRIO, 1, [1, 0, 0, 0, 0, 9]))).toEqual([
      'connection 0 PROTOCOL_ERROR',
    ]);
  });
  it('without room for pad length or priority is FRAME_SIZE_ERROR', () => {
    expect(serverEvents(frame(HEADERS, PADDED, 1))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
    expect(serverEvents(frame(HEADERS, PRIO, 1, [1, 2, 3, 4]))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
    expect(serverEvents(frame(HEADERS, PRIO | PADDED, 1, [1, 2, 3, 4, 5]))).toEqual([
      'connection 0 FRAME_SIZE_ERROR',
    ]);
  });
  it('padding of the first frame does not get into the block', () => {
    const wire = Buffer.concat([
      frame(HEADERS, PADDED, 1, [3, 0x82, 9, 9, 9]),
      frame(CONTINUATION, END_HEADERS, 1, [0x86]),
    ]);
    expect(serverEvents(wire)).toEqual(['headers 1 8286']);
  });
});

describe('RFC 9113 §6.3 PRIORITY, §6.4 RST_STREAM', () => {
  it('PRIORITY on stream 0 is a connection error', () => {
    expect(serverEvents(frame(PRIORITY, 0, 0, [0, 0, 0, 1, 1]))).toEqual(['connection 0 PROTOCOL_ERROR']);
  });
  it('PRIORITY of another length than 5 is a stream error, and the next frame is found', () => {
    const wire = Buffer.concat([frame(PRIORITY, 0, 1, [0, 0, 0, 1]), frame(PING, ACK, 0, eight)]);
    expect(serverEvents(wire)).toEqual(['stream 1 FRAME_SIZE_ERROR', 'pingAck 0102030405060708']);
  });
  it('RST_STREAM gives its code, also an unknown one', () => {
    expect(serverEvents(frame(RST_STREAM, 0, 1, word(8)))).toEqual(['rstStream 1 8']);
    expect(serverEvents(frame(RST_STREAM, 0, 1, word(0xfffffff0)))).toEqual(['rstStream 1 4294967280']);
  });
  it('RST_STREAM on stream 0 is a connection error', () => {
    expect(serverEvents(frame(RST_STREAM, 0, 0, word(8)))).toEqual(['connection 0 PROTOCOL_ERROR']);
  });
  it('RST_STREAM of another length than 4 is a connection error', () => {
    expect(serverEvents(frame(RST_STREAM, 0, 1, [0, 0, 8]))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
});

describe('RFC 9113 §6.5 SETTINGS', () => {
  it('an acknowledgement is told apart', () => {
    expect(serverEvents(frame(SETTING, ACK, 0))).toEqual(['settingsAck 0']);
  });
  it('an acknowledgement with a payload is FRAME_SIZE_ERROR', () => {
    const payload = [0, 1, 0, 0, 0, 0];
    expect(serverEvents(frame(SETTING, ACK, 0, payload))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
  it('on a stream is a connection error', () => {
    expect(serverEvents(frame(SETTING, 0, 1))).toEqual(['connection 0 PROTOCOL_ERROR']);
  });
  it('a length that is no multiple of 6 is FRAME_SIZE_ERROR', () => {
    expect(serverEvents(frame(SETTING, 0, 0, [0, 3, 0]))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
  it('hazard "SETTINGS flood": more entries than 32 in one frame', () => {
    expect(serverEvents(frame(SETTING, 0, 0, Buffer.alloc(6 * 32)))).toHaveLength(1);
    expect(serverEvents(frame(SETTING, 0, 0, Buffer.alloc(6 * 33)))).toEqual([
      'connection 0 ENHANCE_YOUR_CALM',
    ]);
  });
});

describe('RFC 9113 §6.6 PUSH_PROMISE, §8.4', () => {
  it('is a connection error from a client and from a server (push is disabled)', () => {
    const wire = frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2, 0x82]);
    expect(serverEvents(wire)).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(fresh(Buffer.concat([SETTINGS, wire]), 'client')).toEqual([
      'settings ',
      'connection 0 PROTOCOL_ERROR',
    ]);
  });
});

describe('RFC 9113 §6.7 PING, §6.8 GOAWAY', () => {
  it('PING and its answer give their octets', () => {
    expect(serverEvents(frame(PING, 0, 0, eight))).toEqual(['ping 0102030405060708']);
    expect(serverEvents(frame(PING, ACK, 0, eight))).toEqual(['pingAck 0102030405060708']);
  });
  it('PING on a stream, or of another length than 8', () => {
    expect(serverEvents(frame(PING, 0, 1, eight))).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(serverEvents(frame(PING, 0, 0, eight.slice(1)))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
  it('GOAWAY gives last stream, code and debug data', () => {
    const payload = Buffer.concat([word(0x80000007), word(0xb), Buffer.from([1, 2])]);
    expect(serverEvents(frame(GOAWAY, 0, 0, payload))).toEqual(['goaway 7 11 0102']);
  });
  it('GOAWAY keeps no more than 256 octets of debug data, and the next frame is found', () => {
    const payload = Buffer.concat([word(0), word(0), Buffer.alloc(9000, 1)]);
    const wire = Buffer.concat([frame(GOAWAY, 0, 0, payload), frame(PING, 0, 0, eight)]);
    const [goaway, ping] = serverEvents(wire);
    expect(goaway).toBe(`goaway 0 0 ${'01'.repeat(256)}`);
    expect(ping).toBe('ping 0102030405060708');
  });
  it('GOAWAY on a stream, or too short', () => {
    expect(serverEvents(frame(GOAWAY, 0, 1, eight))).toEqual(['connection 0 PROTOCOL_ERROR']);
    expect(serverEvents(frame(GOAWAY, 0, 0, eight.slice(1)))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
});

describe('RFC 9113 §6.9 WINDOW_UPDATE', () => {
  it('an increment of 0 is an error of the stream, or of the connection', () => {
    const ping = frame(PING, 0, 0, eight);
    expect(serverEvents(Buffer.concat([frame(WINDOW_UPDATE, 0, 3, word(0)), ping]))).toEqual([
      'stream 3 PROTOCOL_ERROR',
      'ping 0102030405060708',
    ]);
    expect(serverEvents(Buffer.concat([frame(WINDOW_UPDATE, 0, 0, word(0)), ping]))).toEqual([
      'connection 0 PROTOCOL_ERROR',
    ]);
  });
  it('the largest increment', () => {
    expect(serverEvents(frame(WINDOW_UPDATE, 0, 3, word(0x7fffffff)))).toEqual(['windowUpdate 3 2147483647']);
  });
  it('of another length than 4 is a connection error', () => {
    expect(serverEvents(frame(WINDOW_UPDATE, 0, 1, [0, 0, 1]))).toEqual(['connection 0 FRAME_SIZE_ERROR']);
  });
});

describe('after a connection error', () => {
  it('nothing is read any more and nothing is held', () => {
    const reader = new FrameReader({ role: 'client' });
    expect(readAll(reader, [SETTINGS, frame(HEADERS, 0, 1, [0x82]), frame(PING, 0, 0, eight)])).toEqual([
      'settings ',
      'connection 0 PROTOCOL_ERROR',
    ]);
    expect(reader.heldBytes).toBe(0);
    expect(readAll(reader, [SETTINGS, frame(PING, 0, 0, eight)])).toEqual([]);
  });
});
