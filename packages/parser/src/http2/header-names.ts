import { STATIC_NAMES, STATIC_VALUES } from './static-table.ts';
import { huffmanEncode, huffmanLength } from './huffman-encode.ts';
import { ownCopy } from './own-copy.ts';

/**
 * What the encoder does with a field's value. `index`: into the dynamic table, as long as that pays;
 * `without`: values that seldom come twice would only push others out; `never`: secrets, which
 * intermediaries must not index either (RFC 7541 §7.1.3).
 */
export type Indexing = 'index' | 'without' | 'never';

/**
 * Values that differ from message to message. Others that turn out to do so are noticed by the encoder
 * (`HpackEncoder`), so the list need not be complete.
 */
const WITHOUT: ReadonlySet<string> = new Set([
  ':path',
  'age',
  'content-length',
  'content-range',
  'etag',
  'expires',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'last-modified',
  'location',
  'range',
  'referer',
  'traceparent',
  'tracestate',
  'x-forwarded-for',
  'x-request-id',
]);

/**
 * Secrets: an attacker who can add fields to a connection and watch lengths could guess them. Connections
 * to backends are shared by clients, so their cookies must not meet in one table either.
 */
const NEVER: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization', 'set-cookie']);

/** A field name as the encoder needs it: lower-cased, packed, and with its place in the static table. */
export class HeaderName {
  /** In lower case (RFC 9113 §8.2.1). */
  readonly text: string;
  readonly indexing: Indexing;
  /** Lowest index in the static table; 0 if it is not there. */
  readonly staticIndex: number;
  /** Whether the static table has values for this name, or an empty one. */
  readonly staticCount: number;
  /** The name as a string literal (RFC 7541 §5.2) with its length. */
  readonly literal: Uint8Array;
  /** Which hash chain of an encoder's table it belongs to. */
  readonly bucket: number;

  constructor(text: string, bucket: number) {
    this.text = text;
    this.indexing = NEVER.has(text) ? 'never' : WITHOUT.has(text) ? 'without' : 'index';
    this.staticIndex = Math.max(0, STATIC_NAMES.indexOf(text, 1));
    this.staticCount = this.staticIndex === 0 ? 0 : STATIC_NAMES.filter((name) => name === text).length;
    this.literal = packed(text);
    this.bucket = bucket;
  }

  /** Index of the static entry with this value, or 0. */
  staticMatch(value: string): number {
    const end = this.staticIndex + this.staticCount;
    for (let index = this.staticIndex; index < end; index++) {
      if (STATIC_VALUES[index] === value) return index;
    }
    return 0;
  }
}

/** Longest name in octets whose length fits into one octet before it; longer ones are never cached. */
const MAX_CACHED_NAME = 126;

function packed(text: string): Uint8Array {
  const raw = Buffer.from(text, 'latin1');
  if (raw.length > MAX_CACHED_NAME) return raw;
  const length = huffmanLength(raw, 0, raw.length);
  if (length >= raw.length) return Uint8Array.of(raw.length, ...raw);
  const literal = new Uint8Array(length + 1);
  literal[0] = 0x80 | length;
  huffmanEncode(raw, 0, raw.length, literal, 1);
  return literal;
}

/** Number of hash chains in an encoder's table. */
export const NAME_BUCKETS = 64;

/** Backends and hooks choose names, so what is remembered of them is bounded. */
const MAX_NAMES = 1024;

/** A name in one of its spellings. */
interface Spelling {
  readonly text: string;
  readonly header: HeaderName;
}

const spellings = new Map<string, Spelling>();
let bucket = 0;

/**
 * Spellings looked up last, placed by length and three characters. Names are mostly fresh pieces of a
 * head's text, and a `Map` must hash all of such a string: 42 ns, against 17 ns for this.
 */
const RECENT = 256;
const recent: Spelling[] = Array.from({ length: RECENT }, () => remember(''));

/** The `HeaderName` of a name in any case. Remembered per thread, by the name as given. */
export function headerName(name: string): HeaderName {
  const length = name.length;
  const place =
    (length * 37 +
      name.charCodeAt(0) * 5 +
      name.charCodeAt(length >>> 1) * 11 +
      name.charCodeAt(length - 1)) &
    (RECENT - 1);
  const candidate = recent[place] as Spelling;
  if (candidate.text === name) return candidate.header;
  const spelling = spellings.get(name) ?? remember(name);
  if (length <= MAX_CACHED_NAME) recent[place] = spelling;
  return spelling.header;
}

function remember(name: string): Spelling {
  if (spellings.size >= MAX_NAMES) spellings.clear();
  const text = ownCopy(name);
  const lower = text.toLowerCase();
  // The same object for all spellings, because encoders compare names by identity.
  const header = spellings.get(lower)?.header ?? new HeaderName(lower, bucket++ & (NAME_BUCKETS - 1));
  const spelling = { text, header };
  if (text.length > MAX_CACHED_NAME) return spelling;
  if (lower !== text && !spellings.has(lower)) spellings.set(lower, { text: lower, header });
  spellings.set(text, spelling);
  return spelling;
}
