import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HpackDecoder, HpackEncoder } from '../../src/http2/index.ts';
import { block, hex } from './frames.ts';

function decode(decoder: HpackDecoder, wire: Buffer): string {
  return decoder.decode(wire, 0, wire.length);
}

const field = '4001 6101 62'; // a: b, with indexing

describe('COMPRESSION_ERROR (RFC 9113 §4.3, RFC 7541)', () => {
  it.each([
    ['§2.3.3 index 0', '80'],
    ['§2.3.3 index over both tables', 'be'],
    ['§2.3.3 index far over both tables', 'ff ff ff 7f'],
    ['§2.3.3 name index over both tables, with indexing', '7e 0161'],
    ['§2.3.3 name index over both tables, without indexing', '0f 30 0161'],
    ['§2.3.3 name index over both tables, never indexed', '1f 30 0161'],
    ['§5.1 integer is cut off', 'ff'],
    ['§5.1 integer is cut off in the middle', 'ff 80'],
    ['§5.1 integer of five octets', 'ff 80 80 80 80 01'],
    ['§5.1 integer of ten octets', 'ff ff ff ff ff ff ff ff ff ff 0f'],
    ['§5.1 padded zero', '3f 80 80 80 80 80 00'],
    ['§5.2 string length is missing', '40'],
    ['§5.2 string is cut off', '40 05 61'],
    ['§5.2 value is missing', '40 01 61'],
    ['§5.2 value is cut off', '41 0a 61'],
    ['§5.2 string length of 2^28', '41 7f 80 80 80 80 01'],
    ['§5.2 Huffman padding of 8 bits', '41 82 1f ff'],
    ['§5.2 Huffman padding of zeros', '41 81 18'],
    ['§5.2 EOS in a string', '41 84 ff ff ff ff'],
    ['§4.2 size update after a field', '82 3f e1 1f'],
    ['§4.2 size update at the end of a block', '82 20'],
    ['§6.3 size update over the limit', '3f e2 1f'],
    ['§6.3 size update is cut off', '3f'],
  ])('%s', (_, wire) => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, hex(wire))).toBe('compressionError');
    expect(decoder.fields).toEqual([]);
    expect(decoder.reason).not.toBe('');
  });

  it('random octets never throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (wires) => {
        const decoder = new HpackDecoder(300, 400);
        for (const wire of wires) {
          const result = decode(decoder, Buffer.from(wire));
          expect(['ok', 'tooLarge', 'compressionError']).toContain(result);
          expect(decoder.tableSize).toBeLessThanOrEqual(300);
          expect(result === 'ok' || decoder.fields.length === 0).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('dynamic table size (RFC 7541 §4)', () => {
  it('§4.3 size update evicts', () => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, hex(`${field} 4001 6301 64`))).toBe('ok');
    expect(decoder.tableCount).toBe(2);
    expect(decode(decoder, hex('3f03 be'))).toBe('ok'); // 34 octets: room for one entry
    expect(decoder.fields).toEqual(['c', 'd']);
    expect(decoder.tableCount).toBe(1);
    expect(decode(decoder, hex('20 3f e1 1f'))).toBe('ok');
    expect(decoder.tableCount).toBe(0);
  });

  it('§4.2 a smaller limit must be answered with a size update in the next block', () => {
    const decoder = new HpackDecoder();
    decoder.setMaxTableSize(100);
    expect(decode(decoder, hex('82'))).toBe('compressionError');

    const obedient = new HpackDecoder();
    obedient.setMaxTableSize(100);
    expect(decode(obedient, hex('3f 45 82'))).toBe('ok'); // 100
    expect(decode(obedient, hex('3f 46 82'))).toBe('compressionError'); // 101
  });

  it('§4.2 a larger limit may be used after a size update only', () => {
    const decoder = new HpackDecoder();
    decoder.setMaxTableSize(8192);
    expect(decode(decoder, hex('82'))).toBe('ok');
    expect(decode(decoder, hex('3f e1 3f 82'))).toBe('ok'); // 8192
  });

  it('§4.4 an entry larger than the table empties it and is delivered all the same', () => {
    const decoder = new HpackDecoder(64);
    expect(decode(decoder, hex(field))).toBe('ok');
    expect(decoder.tableCount).toBe(1);
    const large = block(['name', 'x'.repeat(100)]);
    expect(decode(decoder, large)).toBe('ok');
    expect(decoder.fields).toEqual(['name', 'x'.repeat(100)]);
    expect(decoder.tableCount).toBe(0);
    expect(decoder.tableSize).toBe(0);
  });

  it('§4.4 a name may come from the entry that its own insertion evicts', () => {
    const decoder = new HpackDecoder(40);
    expect(decode(decoder, hex('4003 616263 0131'))).toBe('ok');
    expect(decode(decoder, hex('7e 0132'))).toBe('ok');
    expect(decoder.fields).toEqual(['abc', '2']);
    expect(decode(decoder, hex('be'))).toBe('ok');
    expect(decoder.fields).toEqual(['abc', '2']);
  });

  it('§4.2 the encoder tells of the smallest and the last size', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    expect(decode(decoder, block(['a', 'b'], encoder))).toBe('ok');
    encoder.setPeerTableSize(0);
    encoder.setPeerTableSize(4096);
    const wire = block([':method', 'GET'], encoder);
    expect(wire).toEqual(hex('20 3f e1 1f 82'));
    expect(decode(decoder, wire)).toBe('ok');
    expect(decoder.tableCount).toBe(0);
    expect(block([':method', 'GET'], encoder)).toEqual(hex('82'));
  });

  it('§4.2 the encoder takes no more than it wants to spend', () => {
    const encoder = new HpackEncoder(100);
    expect(block([':method', 'GET'], encoder)).toEqual(hex('3f 45 82'));
    encoder.setPeerTableSize(1_000_000);
    expect(block([':method', 'GET'], encoder)).toEqual(hex('82'));
    encoder.setPeerTableSize(50);
    expect(block([':method', 'GET'], encoder)).toEqual(hex('3f 13 82'));
  });
});
