import { Random } from '../random.ts';
import { REQUESTS, RESPONSES } from './corpus.ts';
import { mutate } from './mutate.ts';

/** Which side misbehaves. */
export type CaseKind = 'randomClient' | 'mutatedClient' | 'hostileBackend' | 'both' | 'valid';

const KINDS: readonly [CaseKind, ...CaseKind[]] = [
  'randomClient',
  'mutatedClient',
  'hostileBackend',
  'both',
  'valid',
];

/** What the client does once it has sent everything. */
export type ClientEnd = 'wait' | 'halfClose' | 'reset';

/** One client connection, wholly determined by its seed. */
export interface FuzzCase {
  readonly seed: number;
  readonly kind: CaseKind;
  /** The bytes in the pieces they are written in. */
  readonly pieces: readonly Buffer[];
  /** Methods of the requests when they were sent as they should be; undefined when nothing is certain any more. */
  readonly methods: readonly string[] | undefined;
  readonly end: ClientEnd;
}

/** What the backend does with one request. */
export interface BackendAnswer {
  readonly pieces: readonly Buffer[];
  readonly end: 'keep' | 'close' | 'reset' | 'stall';
}

/** The path that tells the backend which case it is part of. */
export function casePath(seed: number): string {
  return `/f/${seed.toString(16)}`;
}

/** Finds the case in what a backend received. */
export function seedInPath(received: string): number | undefined {
  const found = /\/f\/([0-9a-f]{1,8})(?![0-9a-f])/.exec(received);
  return found ? Number.parseInt(found[1] ?? '0', 16) : undefined;
}

function kindOf(random: Random): CaseKind {
  return random.pick(KINDS);
}

function split(random: Random, bytes: Buffer): Buffer[] {
  if (random.chance(0.4)) return [bytes];
  const pieces: Buffer[] = [];
  const longest = random.pick([1, 7, 64, 1500]);
  // Byte by byte only for small messages: a long one would take longer than the timeouts.
  const step = Math.max(longest, Math.ceil(bytes.length / 60));
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random.below(step);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/** Makes the case of a seed. */
export function makeCase(seed: number): FuzzCase {
  const random = new Random(seed);
  const kind = kindOf(random);
  const messages = Array.from({ length: random.chance(0.7) ? 1 : 3 }, () => random.pick(REQUESTS));
  const text = messages.map(([, each]) => each.replaceAll('{path}', casePath(seed))).join('');
  const whole = Buffer.from(text, 'latin1');
  const certain = kind === 'valid' || kind === 'hostileBackend';
  const bytes =
    kind === 'randomClient' ? random.bytes(1 + random.below(2000)) : certain ? whole : mutate(random, whole);
  const end = certain ? 'wait' : random.pick<ClientEnd>(['wait', 'wait', 'halfClose', 'reset']);
  const methods = certain ? messages.map(([method]) => method) : undefined;
  return { seed, kind, pieces: split(random, bytes), methods, end };
}

/**
 * What the backend answers the n-th request of a case with. Its own generator: the client's part of the case can be
 * replayed alone, and the answer does not depend on when the request arrived.
 */
export function backendAnswer(seed: number, nth: number): BackendAnswer {
  const kind = kindOf(new Random(seed));
  const random = new Random((seed ^ 0xbac_0000 ^ Math.imul(nth, 0x01000193)) >>> 0);
  const [closes, text] = random.pick(RESPONSES);
  const whole = Buffer.from(text, 'latin1');
  if (kind !== 'hostileBackend' && kind !== 'both') {
    // A 101 that nobody asked for would be hostile.
    if (text.startsWith('HTTP/1.1 101'))
      return { pieces: [Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')], end: 'keep' };
    return { pieces: split(random, whole), end: closes ? 'close' : 'keep' };
  }
  const end = random.pick<BackendAnswer['end']>(['keep', 'keep', 'close', 'close', 'reset', 'stall']);
  const how = random.below(10);
  if (how === 0) return { pieces: [random.bytes(1 + random.below(500))], end };
  if (how === 1) return { pieces: [], end };
  if (how === 2) return { pieces: [whole, whole], end };
  if (how === 3) return { pieces: split(random, whole), end };
  return { pieces: split(random, mutate(random, whole)), end };
}
