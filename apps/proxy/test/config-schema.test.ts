import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { rootOption, toJsonSchema } from '../src/config/index.ts';
import { referenceRows, referenceTable } from '../src/config/reference.ts';
import { CONTRACT, valid } from './support.ts';

const read = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const published = JSON.parse(read('proxy.schema.json')) as Record<string, unknown>;
const readme = read('README.md');

describe('the published schema', () => {
  it('is the one that the options give (else: node scripts/reference.ts)', () => {
    expect(published).toEqual(JSON.parse(JSON.stringify(toJsonSchema(rootOption, true))));
  });

  it('accepts the example of the contract, of the README, and variables in place of numbers', () => {
    const check = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(published);
    expect(check(parseYaml(CONTRACT))).toBe(true);
    expect(check(parseYaml(/```yaml\n([\s\S]*?)```/u.exec(readme)?.[1] ?? ''))).toBe(true);
    expect(check({ listeners: [{ port: '${PORT}' }], timeouts: { idle: '${IDLE:-10s}' } })).toBe(true);
    expect(check({ listeners: [{ port: 'eighty' }] })).toBe(false);
  });

  it('accepts every default that it names', () => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    const seen: unknown[] = [];
    const refused: unknown[] = [];
    JSON.stringify(toJsonSchema(rootOption, false), (_key, value: unknown) => {
      if (typeof value === 'object' && value !== null && 'default' in value && value.default !== '') {
        seen.push(value.default);
        if (!ajv.validate(value, value.default)) refused.push(value.default);
      }
      return value;
    });
    expect(refused).toEqual([]);
    expect(seen.length).toBeGreaterThan(50);
  });
});

describe('the README', () => {
  it('lists the options of the schema, no more and no less (else: node scripts/reference.ts)', () => {
    expect(readme).toContain(`<!-- options -->\n${referenceTable()}\n<!-- /options -->`);
    const listed = [...readme.matchAll(/^\| `([^`]+)` \|/gmu)].map(([, option]) => option);
    expect(listed).toEqual(expect.arrayContaining(optionsOf(published, '')));
    expect(referenceRows().map(({ option }) => option)).toEqual(optionsOf(published, ''));
  });

  it('has an example of a file that is valid', () => {
    const example = /```yaml\n([\s\S]*?)```/u.exec(readme)?.[1] ?? '';
    expect(valid(example).upstreams.map(({ name }) => name)).toEqual(['app', 'assets']);
  });
});

type Schema = Readonly<Record<string, unknown>>;

/** Names of all options below a schema, read from the schema itself. */
const optionsOf = (schema: Schema, path: string): string[] => {
  if (schema.properties !== undefined) {
    const entries = Object.entries(schema.properties as Record<string, Schema>).filter(
      ([key]) => key !== '$schema',
    );
    return entries.flatMap(([key, inner]) => {
      const name = path === '' ? key : `${path}.${key}`;
      return [name, ...optionsOf(inner, name)];
    });
  }
  if (typeof schema.additionalProperties === 'object')
    return optionsOf(schema.additionalProperties as Schema, `${path}.<name>`);
  return schema.items === undefined ? [] : optionsOf(schema.items as Schema, `${path}[]`);
};
