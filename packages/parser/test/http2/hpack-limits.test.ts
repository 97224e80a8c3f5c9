import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HpackDecoder, HpackEncoder } from '../../src/http2/index.ts';
import { block, hex } from './frames.ts';

function decode(decoder: HpackDecoder, wire: Buffer): string {
  return decoder.decode(wire, 0, wire.length);
}

describe('header bombs: decoded size is bounded before it is kept', () => {
  it('hazard "header bombs": one large entry, referred to again and again', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(4096, 32_768);
    const bomb = block(['bomb', 'x'.repeat(2000)], encoder);
    expect(decode(decoder, Buffer.concat([bomb, Buffer.alloc(15, 0xbe)]))).toBe('ok');
    expect(decoder.listSize).toBe(16 * 2036);
    expect(decode(decoder, Buffer.alloc(17, 0xbe))).toBe('tooLarge');
    expect(decode(decoder, Buffer.alloc(60_000, 0xbe))).toBe('tooLarge');
    expect(decoder.fields).toEqual([]);
    expect(decoder.listSize).toBe(60_000 * 2036);
    // Not even for a moment: what is kept for each field has room for no more than the limit allows.
    expect(decoder.kinds.length).toBeLessThanOrEqual(32_768 / 32);
  });

  it('RFC 9113 §6.5.2: at the limit passes, one octet over is refused', () => {
    const decoder = new HpackDecoder(4096, 100);
    expect(decode(decoder, block(['name', 'x'.repeat(64)]))).toBe('ok');
    expect(decode(decoder, block(['name', 'x'.repeat(65)]))).toBe('tooLarge');
  });

  it('a list that is too large leaves the tables in step', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(4096, 200);
    const large = ['first', 'a'.repeat(100), 'second', 'b'.repeat(100), 'third', 'c'];
    expect(decode(decoder, block(large, encoder))).toBe('tooLarge');
    expect(decoder.tableCount).toBe(3);
    expect(decode(decoder, block(['third', 'c', 'second', 'b'.repeat(100)], encoder))).toBe('ok');
    expect(decoder.fields).toEqual(['third', 'c', 'second', 'b'.repeat(100)]);
  });

  it('the dynamic tables of both sides stay under their sizes, whatever is sent', () => {
    const value = fc.string({ unit: 'grapheme-ascii', maxLength: 120 });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 700 }),
        fc.array(fc.array(fc.tuple(fc.constantFrom('a', 'bc', 'def', 'server'), value), { maxLength: 8 })),
        (size, lists) => {
          const encoder = new HpackEncoder();
          encoder.setPeerTableSize(size);
          const decoder = new HpackDecoder();
          for (const list of lists) {
            expect(decode(decoder, block(list.flat(), encoder))).toBe('ok');
            expect(decoder.fields).toEqual(list.flat());
            expect(decoder.tableSize).toBe(encoder.tableSize);
            expect(decoder.tableCount).toBe(encoder.tableCount);
            expect(decoder.tableSize).toBeLessThanOrEqual(size);
          }
        },
      ),
    );
  });

  it('empty entries count 32 octets each', () => {
    const decoder = new HpackDecoder(4096, 1_000_000);
    const wire = Buffer.concat(Array.from({ length: 1000 }, () => hex('40 00 00')));
    expect(decode(decoder, wire)).toBe('ok');
    expect(decoder.tableCount).toBe(128);
    expect(decoder.tableSize).toBe(4096);
  });
});

describe('memory of the tables', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;

  it('an entry does not keep alive the head that it was cut from', () => {
    collect();
    const before = getHeapStatistics().used_heap_size;
    const encoders: HpackEncoder[] = [];
    for (let count = 0; count < 50; count++) {
      const head = Buffer.alloc(1_000_000, `a long name of a field: the value of field ${count}. `).toString(
        'latin1',
      );
      const encoder = new HpackEncoder();
      block(
        [`x-${head.slice(2, 20).replaceAll(' ', '-')}`, head.slice(24, 50), head.slice(1, 30), 'v'],
        encoder,
      );
      encoders.push(encoder);
    }
    collect();
    expect(getHeapStatistics().used_heap_size - before).toBeLessThan(10_000_000);
    expect(encoders.every((encoder) => encoder.tableCount === 2)).toBe(true);
  });
});

describe('what the encoder indexes', () => {
  it('repeated fields shrink to one octet each', () => {
    const encoder = new HpackEncoder();
    const fields = ['server', 'nginx', 'content-type', 'text/html', 'date', 'Mon, 23 Nov 2026 01:07:00 GMT'];
    block(fields, encoder);
    expect(block(fields, encoder)).toHaveLength(3);
  });

  it('secrets are never indexed (RFC 7541 §7.1.3)', () => {
    for (const name of ['authorization', 'cookie', 'proxy-authorization', 'set-cookie', 'Set-Cookie']) {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder();
      const wire = block([name, 'secret'], encoder);
      expect(encoder.tableCount).toBe(0);
      expect(decode(decoder, wire)).toBe('ok');
      expect(decoder.sensitive).toEqual([0]);
      expect(decoder.fields).toEqual([name.toLowerCase(), 'secret']);
    }
  });

  it('what came never-indexed can be sent never-indexed', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    const output = Buffer.alloc(200);
    const end = encoder.encode([':method', 'GET', 'x-token', 'secret'], output, 0, [2]);
    expect(decode(decoder, output.subarray(0, end))).toBe('ok');
    expect(decoder.sensitive).toEqual([2]);
    expect(encoder.tableCount).toBe(0);
  });

  it('a name whose values never come twice stops filling the table', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    block(['server', 'nginx'], encoder);
    for (let round = 0; round < 200; round++) block(['x-unique', `value ${round}`], encoder);
    expect(encoder.tableCount).toBeLessThan(30);
    expect(block(['server', 'nginx'], encoder)).toHaveLength(1);
    expect(decode(decoder, block(['x-unique', 'last']))).toBe('ok');
  });

  it('a value over half of the table is not put into it', () => {
    const encoder = new HpackEncoder();
    block(['x-large', 'v'.repeat(2100)], encoder);
    expect(encoder.tableCount).toBe(0);
  });

  it('names are lower-cased', () => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, block(['X-Forwarded-FOR', 'A', 'CONTENT-Type', 'B']))).toBe('ok');
    expect(decoder.fields).toEqual(['x-forwarded-for', 'A', 'content-type', 'B']);
  });

  it('very many and very long names are encoded all the same', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(4096, 1_000_000);
    for (let round = 0; round < 3000; round++) {
      const fields = [`x-name-${round}`, 'v', 'x-same', 'w', `X-${'long'.repeat(40)}-${round}`, 'y'];
      expect(decode(decoder, block(fields, encoder))).toBe('ok');
      expect(decoder.fields).toEqual(fields.map((text) => text.toLowerCase()));
    }
  });
});
