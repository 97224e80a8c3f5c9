import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, FrameWriter, HpackDecoder, HpackEncoder, SlabPool } from '../../src/http2/index.ts';
import { entries, frame, PREFACE, readAll, SETTINGS, word } from './frames.ts';

function written(write: (writer: FrameWriter) => void, writer: FrameWriter = new FrameWriter()): Buffer {
  write(writer);
  const { pending } = writer;
  const octets = Buffer.concat(writer.take());
  expect(octets).toHaveLength(pending);
  expect(writer.pending).toBe(0);
  return octets;
}

describe('frames are written as RFC 9113 §6 has them', () => {
  it('preface, SETTINGS and acknowledgement', () => {
    const octets = written((writer) => {
      writer.preface();
      writer.settings([]);
      writer.settings([3, 100, 4, 0x7fffffff]);
      writer.settingsAck();
    });
    const settings = frame(4, 0, 0, entries([3, 100], [4, 0x7fffffff]));
    expect(octets).toEqual(Buffer.concat([PREFACE, SETTINGS, settings, frame(4, 1, 0)]));
  });
  it('PING, GOAWAY, RST_STREAM, WINDOW_UPDATE', () => {
    const eight = Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const octets = written((writer) => {
      writer.ping(eight, 1, false);
      writer.ping(eight, 0, true);
      writer.goaway(7, 0xb, 'why');
      writer.goaway(0x7fffffff, 0);
      writer.rstStream(0x7fffffff, 8);
      writer.windowUpdate(0, 0x7fffffff);
    });
    expect(octets).toEqual(
      Buffer.concat([
        frame(6, 0, 0, eight.subarray(1)),
        frame(6, 1, 0, eight.subarray(0, 8)),
        frame(7, 0, 0, Buffer.concat([word(7), word(11), Buffer.from('why')])),
        frame(7, 0, 0, Buffer.concat([word(0x7fffffff), word(0)])),
        frame(3, 0, 0x7fffffff, word(8)),
        frame(8, 0, 0, word(0x7fffffff)),
      ]),
    );
  });
  it('DATA is split by the peer’s SETTINGS_MAX_FRAME_SIZE, only the last ends the stream', () => {
    const body = Buffer.from(Array.from({ length: 40_000 }, (_, index) => index & 0xff));
    const expected = Buffer.concat([
      frame(0, 0, 1, body.subarray(0, 16_384)),
      frame(0, 0, 1, body.subarray(16_384, 32_768)),
      frame(0, 1, 1, body.subarray(32_768)),
    ]);
    expect(written((writer) => writer.data(1, body, 0, body.length, true))).toEqual(expected);
    expect(written((writer) => writer.dataByReference(1, body, 0, body.length, true))).toEqual(expected);
    const larger = new FrameWriter();
    larger.maxFrameSize = 40_000;
    expect(written((writer) => writer.data(3, body, 0, body.length, false), larger)).toEqual(
      frame(0, 0, 3, body),
    );
  });
  it('DATA of no octets can end a stream', () => {
    const nothing = Buffer.alloc(0);
    expect(written((writer) => writer.data(1, nothing, 0, 0, true))).toEqual(frame(0, 1, 1));
    expect(written((writer) => writer.dataByReference(1, nothing, 0, 0, true))).toEqual(frame(0, 1, 1));
  });
  it('DATA by reference is not copied', () => {
    const writer = new FrameWriter();
    const body = Buffer.alloc(5000, 'x');
    writer.settingsAck();
    writer.dataByReference(1, body, 1000, 5000, false);
    writer.settingsAck();
    const buffers = writer.take();
    expect(buffers.map((buffer) => buffer.length)).toEqual([18, 4000, 9]);
    expect(buffers[1]?.buffer).toBe(body.buffer);
  });
  it('HEADERS, and CONTINUATIONs for a block over the peer’s SETTINGS_MAX_FRAME_SIZE', () => {
    const fields = [':status', '200', 'x-large', 'ÿ'.repeat(30_000), 'x-more', 'ÿ'.repeat(10_000)];
    const octets = written((writer) => {
      writer.headers(5, fields, true);
      writer.settingsAck();
    });
    const block = new HpackEncoder();
    const output = Buffer.alloc(60_000);
    const expected = output.subarray(0, block.encode(fields, output, 0));
    expect(octets).toEqual(
      Buffer.concat([
        frame(1, 1, 5, expected.subarray(0, 16_384)),
        frame(9, 0, 5, expected.subarray(16_384, 32_768)),
        frame(9, 4, 5, expected.subarray(32_768)),
        frame(4, 1, 0),
      ]),
    );
  });
});

describe('RFC 7541 §7.1.3', () => {
  it('fields that came never-indexed are sent never-indexed', () => {
    const fields = [':method', 'GET', 'x-token', 'secret', 'x-other', 'open'];
    const octets = written((writer) => writer.headers(1, fields, true, [2]));
    const decoder = new HpackDecoder();
    expect(decoder.decode(octets, 9, octets.length)).toBe('ok');
    expect(decoder.fields).toEqual(fields);
    expect(decoder.sensitive).toEqual([2]);
  });
});

describe('memory of a writer', () => {
  it('is taken from the pool for the first frame and given back by recycle', () => {
    const pool = new SlabPool(1000, 4);
    const writer = new FrameWriter(new HpackEncoder(), pool);
    writer.settingsAck();
    const [first] = writer.take();
    writer.recycle();
    writer.settingsAck();
    const [second] = writer.take();
    expect(second?.buffer).toBe(first?.buffer);
    expect(second?.byteOffset).toBe(first?.byteOffset);
  });
  it('is not written again before recycle', () => {
    const writer = new FrameWriter(new HpackEncoder(), new SlabPool(1000, 4));
    const taken: Buffer[] = [];
    for (let turn = 0; turn < 500; turn++) {
      writer.rstStream(turn + 1, turn);
      taken.push(...writer.take());
    }
    const expected = Array.from({ length: 500 }, (_, turn) => frame(3, 0, turn + 1, word(turn)));
    expect(Buffer.concat(taken)).toEqual(Buffer.concat(expected));
  });
  it('recycle spares what was written but not taken', () => {
    const pool = new SlabPool(100, 10);
    const writer = new FrameWriter(new HpackEncoder(), pool);
    const other = new FrameWriter(new HpackEncoder(), pool);
    writer.rstStream(1, 1);
    writer.take();
    for (let id = 2; id < 30; id++) writer.rstStream(id, id);
    writer.recycle();
    for (let id = 0; id < 100; id++) other.settingsAck();
    const expected = Array.from({ length: 28 }, (_, index) => frame(3, 0, index + 2, word(index + 2)));
    expect(Buffer.concat(writer.take())).toEqual(Buffer.concat(expected));
  });

  const step = fc.oneof(
    fc.record({ kind: fc.constant('data'), size: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({ kind: fc.constant('reference'), size: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({ kind: fc.constant('headers'), size: fc.integer({ min: 0, max: 900 }) }),
    fc.record({ kind: fc.constant('take'), size: fc.constant(0) }),
    fc.record({ kind: fc.constant('recycle'), size: fc.constant(0) }),
  );
  it('any order of writing, taking and recycling gives the bytes that were written', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 50, max: 4000 }), (steps, size) => {
        const pool = new SlabPool(size, 3);
        const writer = new FrameWriter(new HpackEncoder(), pool);
        const sent: Buffer[] = [];
        const expected: string[] = ['settings '];
        const send = (): void => {
          // Copied at once, as a socket would that sends all of it at once.
          sent.push(...writer.take().map((buffer) => Buffer.from(buffer)));
        };
        for (const { kind, size: length } of steps) {
          if (kind === 'data') writer.data(1, Buffer.alloc(length, 1), 0, length, false);
          else if (kind === 'reference') writer.dataByReference(1, Buffer.alloc(length, 2), 0, length, false);
          else if (kind === 'headers') writer.headers(1, ['x-name', 'v'.repeat(length)], false);
          else send();
          if (kind === 'recycle') writer.recycle();
          if (kind === 'data' || kind === 'reference') {
            const octets = (kind === 'data' ? '01' : '02').repeat(length);
            expected.push(`data 1 ${octets} flow ${length} padding 0`);
          } else if (kind === 'headers') {
            expected.push(`headers 1 ${length}`);
          }
        }
        send();
        const reader = new FrameReader({ role: 'client' });
        const decoder = new HpackDecoder();
        const notes = readAll(reader, [SETTINGS, Buffer.concat(sent)]).map((note) => {
          if (!note.startsWith('headers')) return note;
          const octets = Buffer.from(note.split(' ')[2] ?? '', 'hex');
          expect(decoder.decode(octets, 0, octets.length)).toBe('ok');
          return `headers 1 ${decoder.fields[1]?.length}`;
        });
        expect(notes).toEqual(expected);
      }),
    );
  });
});
