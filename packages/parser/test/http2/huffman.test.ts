import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CODE_LENGTHS, CODES } from '../../src/http2/huffman-code.ts';
import { huffmanDecoder } from '../../src/http2/huffman-decode.ts';
import { huffmanEncode, huffmanLength } from '../../src/http2/huffman-encode.ts';
import { classOf } from '../../src/http2/octet-class.ts';
import { hpackJs } from './hpack-js.ts';
import { hex } from './frames.ts';

function encoded(text: Uint8Array): Buffer {
  const output = Buffer.alloc(text.length * 4 + 4);
  return output.subarray(0, huffmanEncode(text, 0, text.length, output, 0));
}

function decoded(input: Uint8Array): Buffer | null {
  const length = huffmanDecoder.decode(input, 0, input.length);
  return length < 0 ? null : Buffer.from(huffmanDecoder.output.subarray(0, length));
}

/** The bits of a string of codes, padded with the given bits. */
function bits(codes: readonly (readonly [length: number, code: number])[], padding: string): Buffer {
  const text = codes.map(([length, code]) => code.toString(2).padStart(length, '0')).join('') + padding;
  expect(text.length % 8).toBe(0);
  return Buffer.from((text.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)));
}

const codeOf = (character: string): [number, number] => {
  const symbol = character.charCodeAt(0);
  return [CODE_LENGTHS[symbol] as number, CODES[symbol] as number];
};

describe('Huffman code (RFC 7541 Appendix B)', () => {
  it('has the codes that an independent implementation has', () => {
    expect(hpackJs.huffman.encode).toHaveLength(257);
    for (const [symbol, [length, code]] of hpackJs.huffman.encode.entries()) {
      expect([symbol, CODE_LENGTHS[symbol], CODES[symbol]]).toEqual([symbol, length, code >>> 0]);
    }
  });

  it('every octet comes back, alone and between others', () => {
    for (let octet = 0; octet < 256; octet++) {
      for (const text of [
        Buffer.of(octet),
        Buffer.of(octet, octet, octet, octet, octet),
        Buffer.from([0x61, octet, 0x7a]),
      ]) {
        expect(encoded(text)).toHaveLength(huffmanLength(text, 0, text.length));
        expect(decoded(encoded(text))).toEqual(text);
      }
    }
  });

  it('random octets come back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (text) => {
        expect(decoded(encoded(text))).toEqual(Buffer.from(text));
      }),
    );
  });

  it('the classes of all octets are told, wherever in the string they are', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 30 }),
        fc.constantFrom('', ' ', 'A', '#', '@', '\n', '\u00e4'),
        (text, one) => {
          const mixed = text.replaceAll(/[^a-z]/g, 'x') + one + text.slice(0, 5).replaceAll(/[^a-z]/g, 'y');
          decoded(encoded(Buffer.from(mixed, 'latin1')));
          expect(huffmanDecoder.classBits).toBe(classOf(mixed));
        },
      ),
    );
  });

  it('random input is refused or decodes to something that encodes to the same octets', () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (input) => {
        const text = decoded(input);
        expect(text === null ? input : encoded(text)).toEqual(text === null ? input : Buffer.from(input));
      }),
      { numRuns: 2000 },
    );
  });

  it('RFC 7541 §5.2: padding of 7 bits is accepted, of 8 and more refused', () => {
    expect(decoded(hex('1f'))?.toString()).toBe('a');
    expect(decoded(bits([codeOf('a'), codeOf('a'), codeOf('0')], '1'))?.toString()).toBe('aa0');
    expect(decoded(hex('ff'))).toBeNull();
    expect(decoded(hex('1f ff'))).toBeNull();
    expect(decoded(hex('ff ff'))).toBeNull();
    expect(decoded(hex('ff ff ff'))).toBeNull();
  });

  it('RFC 7541 §5.2: padding that is no prefix of EOS is refused', () => {
    for (const padding of ['000', '110', '011', '101']) {
      expect(decoded(bits([codeOf('a')], padding))).toBeNull();
    }
    expect(decoded(bits([codeOf('a')], '111'))?.toString()).toBe('a');
  });

  it('RFC 7541 §5.2: EOS inside a string is refused', () => {
    expect(decoded(hex('ff ff ff ff'))).toBeNull();
    expect(decoded(bits([[30, 0x3fffffff]], '11'))).toBeNull();
    expect(decoded(bits([codeOf('a'), [30, 0x3fffffff], codeOf('a')], ''))).toBeNull();
  });

  it('an empty string is one', () => {
    expect(decoded(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
    expect(encoded(Buffer.alloc(0))).toHaveLength(0);
  });
});
