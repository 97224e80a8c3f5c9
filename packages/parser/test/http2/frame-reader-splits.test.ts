import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader } from '../../src/http2/index.ts';
import { block, entries, frame, PREFACE, readAll, request, SETTINGS, word } from './frames.ts';

const blockOctets = block(request('user-agent', 'test'));
const third = Math.floor(blockOctets.length / 3);

/** A conversation with every kind of frame, padding, empty ones, and a stream error. */
const conversation = Buffer.concat([
  PREFACE,
  frame(4, 0, 0, entries([1, 4096], [4, 100_000])),
  frame(4, 1, 0),
  frame(8, 0, 0, word(1000)),
  frame(1, 4 | 8 | 0x20, 1, [2, 0, 0, 0, 0, 15, ...blockOctets, 0, 0]),
  frame(0, 0, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
  frame(0, 8, 1, [4, 1, 2, 3, 0, 0, 0, 0]),
  frame(0, 0, 1),
  frame(2, 0, 5, [0, 0, 0, 1, 9]),
  frame(2, 0, 5, [0, 0, 0, 5, 9]),
  frame(0x10, 0, 0, [0, 0, 0, 1, 0x75]),
  frame(1, 0, 3, blockOctets.subarray(0, third)),
  frame(9, 0, 3, blockOctets.subarray(third, third * 2)),
  frame(9, 0, 3),
  frame(9, 4, 3, blockOctets.subarray(third * 2)),
  frame(8, 0, 3, word(0)),
  frame(3, 0, 3, word(8)),
  frame(6, 0, 0, [8, 7, 6, 5, 4, 3, 2, 1]),
  frame(6, 1, 0, [1, 1, 1, 1, 2, 2, 2, 2]),
  frame(0, 8 | 1, 1, [1, 0]),
  frame(1, 5, 5),
  frame(7, 0, 0, [0, 0, 0, 3, 0, 0, 0, 0, 0x62, 0x79, 0x65]),
]);

function events(chunks: readonly Buffer[]): string[] {
  return readAll(new FrameReader({ role: 'server' }), chunks);
}

const whole = events([conversation]);

describe('any split of the bytes gives the same events', () => {
  it('the conversation has all of them', () => {
    const kinds = new Set(whole.map((note) => note.split(' ')[0]));
    expect([...kinds].sort()).toEqual(
      [
        'data',
        'goaway',
        'headers',
        'ping',
        'pingAck',
        'priority',
        'rstStream',
        'settings',
        'settingsAck',
        'stream',
        'unknown',
        'windowUpdate',
      ].sort(),
    );
    expect(whole).toHaveLength(18);
  });

  it('fed octet by octet', () => {
    expect(events(Array.from(conversation, (octet) => Buffer.of(octet)))).toEqual(whole);
  });

  it('split once, at every place', () => {
    for (let at = 0; at <= conversation.length; at++) {
      expect(events([conversation.subarray(0, at), conversation.subarray(at)])).toEqual(whole);
    }
  });

  it('split anywhere, into a buffer that is reused', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
        const reader = new FrameReader({ role: 'server' });
        const reused = Buffer.alloc(40);
        const notes: string[] = [];
        for (let at = 0, turn = 0; at < conversation.length; turn++) {
          const size = sizes[turn % sizes.length] as number;
          const count = conversation.copy(reused, 0, at, at + size);
          notes.push(...readAll(reader, [reused.subarray(0, count)]));
          at += count;
        }
        // Pieces of one frame's data that came in different chunks are joined here.
        const joined: string[] = [];
        for (const note of notes) {
          const previous = joined.at(-1);
          const piece = /^data 1 (\w+) flow 0 padding 0( end)?$/.exec(note);
          if (piece === null || previous === undefined) joined.push(note);
          else joined[joined.length - 1] = previous.replace(/ flow/, `${piece[1]} flow`) + (piece[2] ?? '');
        }
        expect(joined).toEqual(whole);
      }),
    );
  });
});

describe('hostile bytes', () => {
  const header = fc.tuple(
    fc.integer({ min: 0, max: 12 }),
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0, 1, 2, 3, 5, 0x80000001),
    fc.uint8Array({ maxLength: 30 }),
    fc.option(fc.integer({ min: 0, max: 20_000 })),
  );

  it('never throw, whatever they are, and what is held is bounded', () => {
    fc.assert(
      fc.property(fc.array(header, { maxLength: 12 }), fc.integer({ min: 1, max: 50 }), (frames, size) => {
        const wire = Buffer.concat([
          PREFACE,
          SETTINGS,
          ...frames.map(([type, flags, id, payload, length]) =>
            frame(type, flags, id, payload, length ?? payload.length),
          ),
        ]);
        const reader = new FrameReader({ role: 'server', maxHeaderBlockSize: 100 });
        for (let at = 0; at < wire.length; at += size) {
          readAll(reader, [wire.subarray(at, at + size)]);
          expect(reader.heldBytes).toBeLessThanOrEqual(100 + 8 + 256);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('random octets never throw', () => {
    fc.assert(
      fc.property(fc.constantFrom('client', 'server'), fc.uint8Array({ maxLength: 200 }), (role, octets) => {
        const reader = new FrameReader({ role });
        readAll(reader, [role === 'server' ? PREFACE : Buffer.alloc(0), SETTINGS, Buffer.from(octets)]);
        readAll(reader, [Buffer.from(octets)]);
        expect(reader.heldBytes).toBeLessThanOrEqual(400);
      }),
      { numRuns: 500 },
    );
  });
});
