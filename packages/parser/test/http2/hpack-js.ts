import { createRequire } from 'node:module';

/** The part of the independent implementation `hpack.js` that the tests use; it has no types of its own. */
interface HpackJsField {
  readonly name: string;
  readonly value: string;
  readonly neverIndex?: boolean;
  readonly huffman?: boolean;
  readonly incremental?: boolean;
}
interface Compressor {
  write(fields: readonly HpackJsField[]): boolean;
  read(): Buffer | null;
  updateTableSize(size: number): void;
}
interface Decompressor {
  write(block: Buffer): boolean;
  execute(): void;
  read(): HpackJsField | null;
  updateTableSize(size: number): void;
}
interface HpackJs {
  readonly compressor: { create(options: { table: { maxSize: number } }): Compressor };
  readonly decompressor: { create(options: { table: { maxSize: number } }): Decompressor };
  readonly huffman: { readonly encode: readonly (readonly [length: number, code: number])[] };
  readonly 'static-table': { readonly table: readonly { readonly name: string; readonly value: string }[] };
}

export const hpackJs = createRequire(import.meta.url)('hpack.js') as HpackJs;

/** A header block by hpack.js. */
export function compress(compressor: Compressor, fields: readonly HpackJsField[]): Buffer {
  compressor.write(fields);
  const chunks: Buffer[] = [];
  for (let chunk = compressor.read(); chunk !== null; chunk = compressor.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The flat list that hpack.js finds in a header block. */
export function decompress(decompressor: Decompressor, block: Buffer): string[] {
  decompressor.write(block);
  decompressor.execute();
  const fields: string[] = [];
  for (let field = decompressor.read(); field !== null; field = decompressor.read()) {
    fields.push(field.name, field.value);
  }
  return fields;
}
