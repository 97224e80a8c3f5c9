import { KNOWN_NAMES, kindOfField, kindOfName } from './field-kind.ts';
import type { FieldKind } from './field-kind.ts';
import { DecoderTable, ENTRY_OVERHEAD } from './hpack-decoder-table.ts';
import { huffmanDecoder } from './huffman-decode.ts';
import { OCTET_CLASS, classOf } from './octet-class.ts';
import { STATIC_NAMES, STATIC_TABLE_SIZE, STATIC_VALUES } from './static-table.ts';

/**
 * How a header block ended. `tooLarge`: the list is over the limit, answer 431; the connection is in order.
 * `compressionError`: the connection must be closed with COMPRESSION_ERROR (RFC 9113 §4.3).
 */
export type HpackResult = 'ok' | 'tooLarge' | 'compressionError';

const STATIC_NAME_KINDS: readonly FieldKind[] = STATIC_NAMES.map((name) => kindOfName(name, classOf(name)));
const STATIC_KINDS: readonly FieldKind[] = STATIC_VALUES.map((value, index) =>
  kindOfField(STATIC_NAME_KINDS[index] as FieldKind, value, classOf(value)),
);

/**
 * Decodes the header blocks of one direction of one connection (RFC 7541), in the order they were received.
 *
 * After `decode` the list stands in `fields` and what the message rules need in `kinds`. A list over
 * `maxHeaderListSize` is decoded to its end, so that the tables stay in step with the peer's, but nothing
 * of it is kept.
 */
export class HpackDecoder {
  /** The decoded list, flat: name, value, name, value, … in latin1. A new array for every block. */
  fields: string[] = [];
  /** A `FieldKind` for every field of `fields`; reused, valid until the next block. */
  kinds: Uint8Array = new Uint8Array(32);
  /** Positions in `fields` of the names of never-indexed literals (RFC 7541 §7.1.3); null if there are none. */
  sensitive: number[] | null = null;
  /** Size of the list by RFC 9113 §6.5.2: names, values, and 32 for each field. Counted on when too large. */
  listSize: number = 0;
  /** Why the last block was refused; empty if it was not. */
  reason: string = '';
  /** Changes with the dynamic table: while it is the same, the same octets are the same list. */
  version: number = 0;
  readonly #table: DecoderTable;
  readonly #maxHeaderListSize: number;
  #maxTableSize: number;
  #updateRequired = false;
  // What the reading functions leave behind besides their result.
  #position = 0;
  #text = '';
  #classBits = 0;

  /**
   * @param maxTableSize SETTINGS_HEADER_TABLE_SIZE that the peer was told, in octets (default 4096).
   * @param maxHeaderListSize limit of a decoded list in octets by RFC 9113 §6.5.2 (default 32 KiB). Hazard:
   *   it is what stops header bombs, which refer to one large entry again and again.
   */
  constructor(maxTableSize: number = 4096, maxHeaderListSize: number = 32_768) {
    this.#maxTableSize = maxTableSize;
    this.#maxHeaderListSize = maxHeaderListSize;
    this.#table = new DecoderTable(maxTableSize);
  }

  /** Size of the dynamic table in octets, as RFC 7541 §4.1 counts. */
  get tableSize(): number {
    return this.#table.size;
  }

  /** Number of entries in the dynamic table. */
  get tableCount(): number {
    return this.#table.count;
  }

  /**
   * Call when the peer has acknowledged a new SETTINGS_HEADER_TABLE_SIZE. If it is smaller than the table
   * in use, the next block must begin with a size update, or it is an error (RFC 7541 §4.2).
   */
  setMaxTableSize(size: number): void {
    this.#maxTableSize = size;
    this.version++;
    this.#updateRequired = this.#table.capacity > size;
  }

  /** Decodes one complete header block, `buffer[start, end)`. Never throws, whatever the octets are. */
  decode(buffer: Buffer, start: number, end: number): HpackResult {
    this.fields = [];
    this.sensitive = null;
    this.listSize = 0;
    this.reason = '';
    const table = this.#table;
    let first = true;
    let position = start;
    while (position < end) {
      const octet = buffer[position] as number;
      if (octet < 0x80 && (octet & 0xe0) === 0x20) {
        if (!first) return this.#fail('dynamic table size update after a field');
        this.#position = position + 1;
        if (!this.#sizeUpdate(buffer, octet, end)) return 'compressionError';
        position = this.#position;
        continue;
      }
      if (this.#updateRequired) return this.#fail('dynamic table size update is missing');
      first = false;
      if (octet < 0x80) {
        this.#position = position + 1;
        if (!this.#literal(buffer, octet, end)) return 'compressionError';
        position = this.#position;
        continue;
      }
      let index = octet & 0x7f;
      position++;
      if (index === 0x7f) {
        this.#position = position;
        index = this.#integer(buffer, 0x7f, end);
        position = this.#position;
      }
      if (index <= STATIC_TABLE_SIZE) {
        if (index <= 0) return this.#fail('bad index');
        this.#keep(
          STATIC_NAMES[index] as string,
          STATIC_VALUES[index] as string,
          STATIC_KINDS[index] as FieldKind,
        );
      } else {
        index -= STATIC_TABLE_SIZE + 1;
        if (index >= table.count) return this.#fail('bad index');
        this.#keep(table.name(index), table.value(index), table.kind(index));
      }
    }
    if (this.listSize <= this.#maxHeaderListSize) return 'ok';
    this.fields = [];
    this.sensitive = null;
    this.reason = 'header list too large';
    return 'tooLarge';
  }

  #fail(reason: string): HpackResult {
    this.fields = [];
    this.sensitive = null;
    this.reason = reason;
    return 'compressionError';
  }

  #keep(name: string, value: string, kind: FieldKind): void {
    this.listSize += name.length + value.length + ENTRY_OVERHEAD;
    if (this.listSize > this.#maxHeaderListSize) return;
    const fields = this.fields;
    const at = fields.length >>> 1;
    if (at === this.kinds.length) {
      const kinds = new Uint8Array(at * 2);
      kinds.set(this.kinds);
      this.kinds = kinds;
    }
    this.kinds[at] = kind;
    fields.push(name, value);
  }

  /** RFC 7541 §6.2: with incremental indexing (01), without indexing (0000), never indexed (0001). */
  #literal(buffer: Buffer, octet: number, end: number): boolean {
    const indexing = octet >= 0x40;
    const mask = indexing ? 0x3f : 0x0f;
    let index = octet & mask;
    if (index === mask) index = this.#integer(buffer, mask, end);
    let name: string;
    let nameKind: FieldKind;
    if (index === 0) {
      if (!this.#string(buffer, end)) return false;
      const known = KNOWN_NAMES.get(this.#text);
      name = known === undefined ? this.#text : known.text;
      nameKind = known === undefined ? kindOfName(name, this.#classBits) : known.kind;
    } else if (index > 0 && index <= STATIC_TABLE_SIZE) {
      name = STATIC_NAMES[index] as string;
      nameKind = STATIC_NAME_KINDS[index] as FieldKind;
    } else {
      index -= STATIC_TABLE_SIZE + 1;
      if (index < 0 || index >= this.#table.count) {
        this.#fail('bad index');
        return false;
      }
      name = this.#table.name(index);
      nameKind = this.#table.nameKind(index);
    }
    if (!this.#string(buffer, end)) return false;
    const value = this.#text;
    const kind = kindOfField(nameKind, value, this.#classBits);
    if (indexing) {
      this.version++;
      this.#table.add(name, value, nameKind, kind);
    } else if ((octet & 0x10) !== 0) (this.sensitive ??= []).push(this.fields.length);
    this.#keep(name, value, kind);
    return true;
  }

  /** RFC 7541 §6.3. */
  #sizeUpdate(buffer: Buffer, octet: number, end: number): boolean {
    let size = octet & 0x1f;
    if (size === 0x1f) size = this.#integer(buffer, 0x1f, end);
    if (size < 0 || size > this.#maxTableSize) {
      this.#fail('dynamic table size update over the limit');
      return false;
    }
    this.#updateRequired = false;
    this.version++;
    this.#table.resize(size);
    return true;
  }

  /**
   * The octets of an integer behind its full prefix (RFC 7541 §5.1), from `#position` on. -1 if it is cut
   * off or longer than four octets: no honest length or index needs 2^28.
   */
  #integer(buffer: Buffer, prefix: number, end: number): number {
    let position = this.#position;
    let value = prefix;
    for (let shift = 0; shift < 28; shift += 7) {
      if (position >= end) return -1;
      const octet = buffer[position++] as number;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) {
        this.#position = position;
        return value;
      }
    }
    return -1;
  }

  /** A string literal (RFC 7541 §5.2) into `#text` and `#classBits`. */
  #string(buffer: Buffer, end: number): boolean {
    if (this.#position >= end) {
      this.#fail('header block is cut off');
      return false;
    }
    const octet = buffer[this.#position++] as number;
    let length = octet & 0x7f;
    if (length === 0x7f) length = this.#integer(buffer, 0x7f, end);
    const start = this.#position;
    if (length < 0 || length > end - start) {
      this.#fail('string is cut off or too long');
      return false;
    }
    this.#position = start + length;
    if (octet >= 0x80) return this.#huffmanString(buffer, start, start + length);
    let classBits = 0;
    for (let index = start; index < start + length; index++) {
      classBits |= OCTET_CLASS[buffer[index] as number] as number;
    }
    this.#classBits = classBits;
    this.#text = length === 0 ? '' : buffer.toString('latin1', start, start + length);
    return true;
  }

  #huffmanString(buffer: Buffer, start: number, end: number): boolean {
    const length = huffmanDecoder.decode(buffer, start, end);
    if (length < 0) {
      this.#fail('bad Huffman code');
      return false;
    }
    this.#classBits = huffmanDecoder.classBits;
    this.#text = length === 0 ? '' : huffmanDecoder.output.toString('latin1', 0, length);
    return true;
  }
}
