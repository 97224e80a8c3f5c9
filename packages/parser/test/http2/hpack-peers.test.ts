import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HpackDecoder, HpackEncoder, maxBlockSize } from '../../src/http2/index.ts';
import { STATIC_NAMES, STATIC_VALUES } from '../../src/http2/static-table.ts';
import { block } from './frames.ts';
import { compress, decompress, hpackJs } from './hpack-js.ts';

const token = fc.string({
  unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&*+^`|~'),
  minLength: 1,
  maxLength: 30,
});
const name = fc.oneof(
  token.map((text) => `x-${text}`),
  fc.constantFrom(...STATIC_NAMES.slice(1)),
  fc.constantFrom('x-a', 'x-b', 'x-c'),
);
const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 200,
});
const value = fc.oneof(
  latin1,
  fc.string({ maxLength: 40 }).map((text) => text.replaceAll(/[^\u0020-\u007e]/g, '?')),
  fc.constantFrom(...STATIC_VALUES),
  fc.constantFrom('one', 'two', 'x'.repeat(126), 'x'.repeat(127), 'x'.repeat(128), 'x'.repeat(1500)),
);
const list = fc.array(fc.tuple(name, value), { maxLength: 20 }).map((pairs) => pairs.flat());
const lists = fc.array(list, { minLength: 1, maxLength: 6 });

describe('HPACK with peers', () => {
  it('the static table is that of an independent implementation (RFC 7541 Appendix A)', () => {
    const table = hpackJs['static-table'].table;
    expect(table).toHaveLength(61);
    expect(table.map((entry) => entry.name)).toEqual(STATIC_NAMES.slice(1));
    expect(table.map((entry) => entry.value)).toEqual(STATIC_VALUES.slice(1));
  });

  it('our decoder reads what our encoder writes, through changes of the table size', () => {
    const step = fc.tuple(list, fc.option(fc.integer({ min: 0, max: 5000 })));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder(4096, 1_000_000);
        for (const [fields, size] of steps) {
          if (size !== null) encoder.setPeerTableSize(size);
          const wire = block(fields, encoder);
          expect(wire.length).toBeLessThanOrEqual(maxBlockSize(fields));
          expect(decoder.decode(wire, 0, wire.length)).toBe('ok');
          expect(decoder.fields).toEqual(fields);
          expect(decoder.tableSize).toBe(encoder.tableSize);
        }
      }),
    );
  });

  it('hpack.js reads what our encoder writes', () => {
    fc.assert(
      fc.property(lists, (messages) => {
        const encoder = new HpackEncoder();
        const peer = hpackJs.decompressor.create({ table: { maxSize: 4096 } });
        for (const fields of messages) expect(decompress(peer, block(fields, encoder))).toEqual(fields);
      }),
    );
  });

  it('our decoder reads what hpack.js writes', () => {
    const options = fc.record({
      neverIndex: fc.boolean(),
      huffman: fc.boolean(),
      incremental: fc.boolean(),
    });
    fc.assert(
      fc.property(lists, fc.infiniteStream(options), (messages, choices) => {
        const peer = hpackJs.compressor.create({ table: { maxSize: 4096 } });
        const decoder = new HpackDecoder(4096, 1_000_000);
        for (const fields of messages) {
          const secret: number[] = [];
          const input = Array.from({ length: fields.length / 2 }, (_, index) => {
            const choice = choices.next().value;
            if (choice.neverIndex) secret.push(index * 2);
            // hpack.js sets the bit of "never indexed" only without its choice of indexing.
            const incremental = choice.incremental && !choice.neverIndex;
            return {
              name: fields[index * 2] as string,
              value: fields[index * 2 + 1] as string,
              ...choice,
              incremental,
            };
          });
          const wire = compress(peer, input);
          expect(decoder.decode(wire, 0, wire.length)).toBe('ok');
          expect(decoder.fields).toEqual(fields);
          expect(decoder.sensitive).toEqual(secret.length === 0 ? null : secret);
        }
      }),
    );
  });
});
