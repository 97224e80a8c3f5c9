import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocument, stringify } from 'yaml';
import { asAny, fieldsOf, isRequired } from '../src/config/schema.ts';
import type { AnyOption, Leaf } from '../src/config/option.ts';
import { formatProblems, printConfig, rootOption } from '../src/config/index.ts';
import { DURATION_PATTERN, PERCENT_PATTERN, SIZE_PATTERN } from '../src/config/units.ts';
import { optionAt } from '../src/config/validate.ts';
import { CONTRACT, parse, valid } from './support.ts';

/** Values for the options that the generic generator cannot guess; `null`: leave the option out. */
const special: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  url: fc.nat(60_000).map((port) => `https://backend.example:${port + 1}`),
  host: fc.constantFrom('a.example', '10.0.0.1'),
  path: fc.constantFrom('/', '/api', '/a/b'),
  paths: fc.subarray(['/private/**', '/x']),
  upstream: fc.constant('app'),
  defaultUpstream: fc.constant('app'),
  trustedProxies: fc.subarray(['10.0.0.0/8', 'fd00::/8', '::1']),
  address: fc.constantFrom('127.0.0.1', '::1'),
  token: fc.constant('a-token-of-enough-letters'),
  expectStatus: fc.constantFrom(['2xx'], ['200', 404], ['200-299', '300-399']),
  workers: fc.constantFrom('auto', 1, 8),
  weight: fc.integer({ min: 1, max: 9 }),
  port: fc.integer({ min: 1, max: 65_000 }),
  backoff: fc.constantFrom('0s', '20ms'),
  maxBackoff: fc.constantFrom('10ms', '30s'),
  statuses: fc.constantFrom([], [503], ['502-504', '5xx']),
  jitter: fc.nat(50).map((value) => `${value}%`),
  slowStartShare: fc.integer({ min: 1, max: 100 }).map((value) => `${value}%`),
  servers: fc.constantFrom([], ['127.0.0.1', '[::1]:5353']),
  passphrase: fc.constant('a-token-of-enough-letters'),
};

const leafValue = (key: string, leaf: Leaf<unknown>): fc.Arbitrary<unknown> => {
  const own = special[key];
  if (own !== undefined) return own;
  const { schema } = leaf;
  if (schema.pattern === DURATION_PATTERN)
    return fc.integer({ min: 60, max: 1000 }).map((value) => `${value}s`);
  if (schema.pattern === SIZE_PATTERN) return fc.integer({ min: 1, max: 900 }).map((value) => `${value}KB`);
  if (schema.pattern === PERCENT_PATTERN) return fc.nat(100).map((value) => `${value}%`);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as string[]));
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'array') return fc.subarray(['a', 'b_*']);
  if (schema.type === 'integer')
    return fc.integer({ min: Number(schema.minimum), max: Math.min(1000, Number(schema.maximum)) });
  return fc.constantFrom('some', 'text');
};

const valueOf = (key: string, option: AnyOption): fc.Arbitrary<unknown> => {
  if (option.kind === 'leaf') return leafValue(key, option);
  if (option.kind === 'list')
    return fc.array(valueOf(key, asAny(option.item)), { minLength: 1, maxLength: 2 });
  if (option.kind === 'named') return valueOf(key, asAny(option.item)).map((item) => ({ app: item }));
  const fields = Object.entries(fieldsOf(option) ?? {});
  const model = Object.fromEntries(fields.map(([name, field]) => [name, valueOf(name, field)]));
  const required = [
    ...fields.filter(([, field]) => isRequired(field)).map(([name]) => name),
    ...(key === '' ? ['upstreams'] : []),
  ];
  return fc.record(model, { requiredKeys: required });
};

/** The steps of a path as messages write it. */
const steps = (path: string): (string | number)[] =>
  [...path.matchAll(/\[(\d+)\]|([A-Za-z0-9]+)/gu)].map(([, index, key]) => key ?? Number(index));

/** Takes out of a file what contradicts something else, until nothing does. */
const withoutConflicts = (file: unknown): string => {
  const document = parseDocument(stringify(file));
  for (let round = 0; round < 40; round++) {
    const conflict = parse(document.toString()).problems.find(({ code }) => code === 'CONFIG_CONFLICT');
    if (conflict === undefined) break;
    const path = steps(conflict.path);
    // What a section cannot do without takes the section with it.
    const option = optionAt(path);
    document.deleteIn(option !== null && isRequired(option) ? path.slice(0, -1) : path);
  }
  return document.toString();
};

/** Files with every option now and then; many contradict themselves. */
const anyFile = valueOf('', asAny(rootOption));

describe('any file made of allowed values', () => {
  it('has no mistakes but contradictions, and prints itself so that it reads the same', () => {
    fc.assert(
      fc.property(anyFile, (file) => {
        const wrong = parse(stringify(file)).problems.filter(({ code }) => code !== 'CONFIG_CONFLICT');
        expect(formatProblems(wrong)).toBe('');
        const config = valid(withoutConflicts(file));
        const printed = printConfig(config).replaceAll('"***"', 'a-token-of-enough-letters');
        expect(valid(printed)).toEqual(config);
      }),
      { numRuns: 15, seed: 7 },
    );
  });

  it('never crashes the loader once it is damaged anywhere', () => {
    const damage = fc.tuple(fc.nat(), fc.nat(4), fc.string({ maxLength: 4, unit: 'binary' }));
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (changes) => {
        let text = CONTRACT;
        for (const [at, length, insert] of changes) {
          const start = at % text.length;
          text = text.slice(0, start) + insert + text.slice(start + length);
        }
        expect(misplaced(text)).toEqual([]);
      }),
      { numRuns: 150, seed: 11 },
    );
  });

  it('never crashes the loader when values are exchanged', () => {
    const junk = fc.oneof(
      fc.constantFrom(null, true, -1, 1.5, 1e300, '', '${X}', '$${', '__proto__', [], {}, [[]], [null], {
        a: 1,
      }),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const count = CONTRACT.match(/:/gu)?.length ?? 0;
    fc.assert(
      fc.property(fc.nat(count), junk, (which, value) => {
        const document = parseDocument(CONTRACT);
        const paths = scalarPaths(document.toJS(), []);
        document.setIn(paths[which % paths.length] ?? [], value);
        expect(misplaced(document.toString())).toEqual([]);
      }),
      { numRuns: 100, seed: 13 },
    );
  });
});

const scalarPaths = (
  value: unknown,
  path: readonly (string | number)[],
): (readonly (string | number)[])[] => {
  if (typeof value !== 'object' || value === null) return [path];
  const entries = Array.isArray(value)
    ? value.map((item, index) => [index, item] as const)
    : Object.entries(value);
  return [path, ...entries.flatMap(([key, inner]) => scalarPaths(inner, [...path, key]))].filter(
    ({ length }) => length > 0,
  );
};

/** What the loader does wrong with a text: every mistake must have a place inside of it and be showable. */
const misplaced = (text: string): readonly unknown[] => {
  const { config, problems } = parse(text);
  const lines = text.split(/\r\n|\r|\n/u).length;
  const wrong = problems.filter(
    ({ line, column, length }) => line < 1 || line > lines || column < 1 || length < 1,
  );
  const silent = (config === null) === problems.length > 0 ? [] : ['neither configuration nor problems'];
  return [
    ...wrong,
    ...silent,
    ...(problems.length > 0 && formatProblems(problems) === '' ? ['nothing shown'] : []),
  ];
};
