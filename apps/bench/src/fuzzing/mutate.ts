import type { Random } from '../random.ts';
import { TOKENS } from './corpus.ts';

/** Changes a message in one place. */
export type Mutator = (random: Random, bytes: Buffer) => Buffer;

const cut = (bytes: Buffer, from: number, to: number, between: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([bytes.subarray(0, from), between, bytes.subarray(to)]);

function range(random: Random, bytes: Buffer, longest: number): [number, number] {
  const from = random.below(bytes.length + 1);
  return [from, Math.min(bytes.length, from + random.below(longest) + 1)];
}

function lines(bytes: Buffer): string[] {
  return bytes.toString('latin1').split('\r\n');
}

const joined = (list: readonly string[]): Buffer => Buffer.from(list.join('\r\n'), 'latin1');

/** Every mutator by name. Pure: what comes out depends on the generator and the message only. */
export const MUTATORS: Readonly<Record<string, Mutator>> = {
  flipBit(random, bytes) {
    const at = random.below(bytes.length);
    return cut(bytes, at, at + 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << random.below(8))]));
  },
  setByte(random, bytes) {
    const at = random.below(bytes.length);
    return cut(bytes, at, at + 1, random.bytes(1));
  },
  insertBytes(random, bytes) {
    const at = random.below(bytes.length + 1);
    return cut(bytes, at, at, random.bytes(random.below(16) + 1));
  },
  insertToken(random, bytes) {
    const at = random.below(bytes.length + 1);
    return cut(bytes, at, at, Buffer.from(random.pick(TOKENS), 'latin1'));
  },
  insertTokenLine(random, bytes) {
    const list = lines(bytes);
    list.splice(1 + random.below(Math.max(1, list.length - 1)), 0, random.pick(TOKENS).replace(/\r\n$/, ''));
    return joined(list);
  },
  deleteRange(random, bytes) {
    const [from, to] = range(random, bytes, 32);
    return cut(bytes, from, to);
  },
  repeatRange(random, bytes) {
    const [from, to] = range(random, bytes, 64);
    return cut(bytes, to, to, bytes.subarray(from, to));
  },
  swapLines(random, bytes) {
    const list = lines(bytes);
    const [a, b] = [random.below(list.length), random.below(list.length)];
    const kept = list[a] ?? '';
    list[a] = list[b] ?? '';
    list[b] = kept;
    return joined(list);
  },
  repeatLine(random, bytes) {
    const list = lines(bytes);
    const at = random.below(list.length);
    list.splice(at, 0, list[at] ?? '');
    return joined(list);
  },
  bareLineEnds(random, bytes) {
    const list = lines(bytes);
    const at = random.below(list.length);
    return Buffer.from(
      `${list.slice(0, at + 1).join('\r\n')}${random.pick(['\n', '\r'])}${list.slice(at + 1).join('\r\n')}`,
      'latin1',
    );
  },
  changeNumber(random, bytes) {
    const text = bytes.toString('latin1');
    const numbers = [...text.matchAll(/\d+/g)];
    const found = numbers[random.below(numbers.length)];
    if (!found) return bytes;
    const other = random.pick([
      '0',
      '1',
      '-1',
      '99999',
      '4294967296',
      '9007199254740993',
      '0x10',
      '05',
      ' 5',
      '',
    ]);
    return cut(bytes, found.index, found.index + found[0].length, Buffer.from(other, 'latin1'));
  },
  truncate(random, bytes) {
    return bytes.subarray(0, random.below(bytes.length));
  },
};

const NAMES = Object.keys(MUTATORS) as [string, ...string[]];

/** Applies one to four mutations. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  let mutated = bytes;
  for (let left = 1 + random.below(4); left > 0 && mutated.length > 0; left--) {
    mutated = MUTATORS[random.pick(NAMES)]?.(random, mutated) ?? mutated;
  }
  return mutated;
}
