import { headerName } from './header-names.ts';
import type { HeaderName } from './header-names.ts';
import { EncoderTable } from './hpack-encoder-table.ts';
import { huffmanEncode, huffmanLength } from './huffman-encode.ts';

/** Octets to set aside for the size updates at the start of a block. */
export const MAX_SIZE_UPDATES = 12;

/** Octets a field can need besides its name and value: representation and two lengths, six octets each. */
export const MAX_FIELD_OVERHEAD = 18;

/** Longer strings go out as they are. */
const MAX_HUFFMAN = 1024;

/** Shorter strings gain at most an octet from Huffman coding. */
const MIN_HUFFMAN = 5;

const scratch: Buffer = Buffer.allocUnsafeSlow(MAX_HUFFMAN);

/** Static indexes of the statuses that have one (RFC 7541 Appendix A). */
const STATUS_INDEX: ReadonlyMap<number, number> = new Map([
  [200, 8],
  [204, 9],
  [206, 10],
  [304, 11],
  [400, 12],
  [404, 13],
  [500, 14],
]);

/** RFC 7541 §5.1: `pattern` holds the bits before the prefix, `mask` is the prefix full of ones. */
function writeInteger(output: Buffer, offset: number, pattern: number, mask: number, value: number): number {
  if (value < mask) {
    output[offset] = pattern | value;
    return offset + 1;
  }
  output[offset++] = pattern | mask;
  value -= mask;
  while (value >= 0x80) {
    output[offset++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  output[offset] = value;
  return offset + 1;
}

/** RFC 7541 §5.2, as it is. */
function writePlain(output: Buffer, offset: number, text: string): number {
  const length = text.length;
  if (length < 8) {
    output[offset++] = length;
    for (let index = 0; index < length; index++) output[offset++] = text.charCodeAt(index);
    return offset;
  }
  offset = writeInteger(output, offset, 0, 0x7f, length);
  output.write(text, offset, 'latin1');
  return offset + length;
}

/** RFC 7541 §5.2, Huffman-coded where that is shorter. */
function writeCoded(output: Buffer, offset: number, text: string): number {
  const length = text.length;
  if (length < MIN_HUFFMAN || length > MAX_HUFFMAN) return writePlain(output, offset, text);
  scratch.write(text, 0, 'latin1');
  const coded = huffmanLength(scratch, 0, length);
  if (coded >= length) return writePlain(output, offset, text);
  offset = writeInteger(output, offset, 0x80, 0x7f, coded);
  return huffmanEncode(scratch, 0, length, output, offset);
}

/**
 * Encodes the header blocks of one direction of one connection (RFC 7541), in the order they are sent.
 *
 * Write a block as `begin`, then `status` or `field` for each field, each of which takes the offset and
 * returns the next one; or all at once with `encode`. The caller sees to the space: `MAX_SIZE_UPDATES`,
 * and `MAX_FIELD_OVERHEAD` plus the lengths of name and value for each field.
 *
 * Strings must be latin1 (as all text off the wire is); characters over 0xff would lose their high bits.
 * Names may have any case. Which fields enter the dynamic table: `header-names.ts`.
 */
export class HpackEncoder {
  /**
   * Changes with the dynamic table, and with what the next block must tell: a block whose writing did not change it
   * may be written again as it is for as long as it stays the same.
   */
  version: number = 0;
  readonly #table: EncoderTable;
  readonly #maxTableSize: number;
  /** Smallest and last size since the last block; -1 if there is nothing to tell (RFC 7541 §4.2). */
  #smallestUpdate = -1;
  #lastUpdate = -1;

  /**
   * @param maxTableSize the most we spend on the dynamic table, in octets, however much the peer allows
   *   (default 4096). Hazard: this much memory per connection, and again for its bookkeeping.
   */
  constructor(maxTableSize: number = 4096) {
    this.#maxTableSize = maxTableSize;
    this.#table = new EncoderTable(4096);
    if (maxTableSize < 4096) this.setPeerTableSize(4096);
  }

  /** Size of the dynamic table in octets, as RFC 7541 §4.1 counts. */
  get tableSize(): number {
    return this.#table.size;
  }

  /** Number of entries in the dynamic table. */
  get tableCount(): number {
    return this.#table.count;
  }

  /** Call for every SETTINGS_HEADER_TABLE_SIZE from the peer, in order; the next block tells of the change. */
  setPeerTableSize(size: number): void {
    const next = Math.min(size, this.#maxTableSize);
    if (next === this.#table.capacity) return;
    if (this.#smallestUpdate < 0 || next < this.#smallestUpdate) this.#smallestUpdate = next;
    this.#lastUpdate = next;
    this.version++;
    this.#table.resize(next);
  }

  /** Begins a block: writes size updates if there are any. */
  begin(output: Buffer, offset: number): number {
    if (this.#lastUpdate < 0) return offset;
    if (this.#smallestUpdate < this.#lastUpdate) {
      offset = writeInteger(output, offset, 0x20, 0x1f, this.#smallestUpdate);
    }
    offset = writeInteger(output, offset, 0x20, 0x1f, this.#lastUpdate);
    this.#smallestUpdate = -1;
    this.#lastUpdate = -1;
    this.version++;
    return offset;
  }

  /** Writes `:status`. */
  status(status: number, output: Buffer, offset: number): number {
    const index = STATUS_INDEX.get(status);
    if (index === undefined) return this.field(':status', String(status), output, offset);
    output[offset] = 0x80 | index;
    return offset + 1;
  }

  /**
   * Writes one field. `sensitive` makes it a never-indexed literal (RFC 7541 §7.1.3), as some names are
   * anyway: `authorization`, `cookie`, `proxy-authorization`, `set-cookie`.
   */
  field(name: string, value: string, output: Buffer, offset: number, sensitive: boolean = false): number {
    const header = headerName(name);
    const secret = sensitive || header.indexing === 'never';
    if (!secret && header.staticCount !== 0) {
      const index = header.staticMatch(value);
      if (index !== 0) {
        output[offset] = 0x80 | index;
        return offset + 1;
      }
    }
    if (header.indexing === 'without' || secret) {
      return this.#literal(header, value, secret ? 0x10 : 0, 0x0f, header.staticIndex, output, offset);
    }
    const table = this.#table;
    const index = table.find(header, value);
    if (index !== 0) return writeInteger(output, offset, 0x80, 0x7f, index);
    const nameIndex = header.staticIndex !== 0 ? header.staticIndex : table.nameIndex;
    if (!table.worthwhile(header, value)) {
      return this.#literal(header, value, 0, 0x0f, nameIndex, output, offset);
    }
    this.version++;
    table.add(header, value);
    return this.#literal(header, value, 0x40, 0x3f, nameIndex, output, offset);
  }

  /** Writes a whole block from a flat list; `sensitive` holds positions of names, as `HpackDecoder` gives them. */
  encode(
    fields: readonly string[],
    output: Buffer,
    offset: number,
    sensitive: readonly number[] | null = null,
  ): number {
    offset = this.begin(output, offset);
    for (let index = 0; index + 1 < fields.length; index += 2) {
      const secret = sensitive !== null && sensitive.includes(index);
      offset = this.field(fields[index] as string, fields[index + 1] as string, output, offset, secret);
    }
    return offset;
  }

  #literal(
    header: HeaderName,
    value: string,
    pattern: number,
    mask: number,
    nameIndex: number,
    output: Buffer,
    offset: number,
  ): number {
    offset = writeInteger(output, offset, pattern, mask, nameIndex);
    if (nameIndex === 0) {
      const literal = header.literal;
      if (header.text.length > 126) {
        offset = writePlain(output, offset, header.text);
      } else {
        const length = literal.length;
        for (let index = 0; index < length; index++) output[offset + index] = literal[index] as number;
        offset += length;
      }
    }
    // Coding takes five to eight times as long as copying and saves a quarter of the octets: worth it for
    // values that will come back as an index, not for those that are written out in every message.
    return mask === 0x3f ? writeCoded(output, offset, value) : writePlain(output, offset, value);
  }
}

/** An upper bound in octets for the block that `encode` writes from a flat list. */
export function maxBlockSize(fields: readonly string[]): number {
  let size = MAX_SIZE_UPDATES;
  for (let index = 0; index < fields.length; index++) size += (fields[index] as string).length;
  return size + (fields.length >>> 1) * MAX_FIELD_OVERHEAD;
}
