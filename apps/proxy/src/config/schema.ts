import type { AnyOption, JsonSchema, Leaf, Option } from './option.ts';
import { ENV_PATTERN } from './env.ts';

/** Where the published schema is found; also its identity. */
export const SCHEMA_ID = 'https://unpkg.com/@rp/proxy/proxy.schema.json';

/** The untyped view of an option: the loader walks the tree by kind. */
export function asAny(option: Option<unknown>): AnyOption {
  return option as unknown as AnyOption;
}

/** Fields of a section, by name. */
export function fieldsOf(option: AnyOption): Readonly<Record<string, AnyOption>> | null {
  const section = option.kind === 'optionalSection' ? option.section : option;
  if (section.kind !== 'section') return null;
  return section.fields as unknown as Readonly<Record<string, AnyOption>>;
}

/** Whether the option must stand in the file. */
export function isRequired(option: AnyOption): boolean {
  if (option.kind === 'leaf') return option.fallback === undefined;
  return option.kind === 'list' && option.required;
}

const leafSchema = (leaf: Leaf<unknown>, env: boolean): JsonSchema => {
  const fallback = leaf.fallback === undefined || leaf.fallback === null ? {} : { default: leaf.fallback };
  const about = { description: leaf.doc, ...fallback };
  const free = leaf.schema.type === 'string' && !('pattern' in leaf.schema) && !('enum' in leaf.schema);
  if (!env || free || leaf.schema.type === 'array') return { ...about, ...leaf.schema };
  return { ...about, anyOf: [leaf.schema, { $ref: '#/$defs/env' }] };
};

const sectionSchema = (option: AnyOption, env: boolean): JsonSchema => {
  const fields = Object.entries(fieldsOf(option) ?? {});
  const required = fields.filter(([, field]) => isRequired(field)).map(([key]) => key);
  return {
    description: option.doc,
    type: 'object',
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(fields.map(([key, field]) => [key, optionSchema(field, env)])),
  };
};

const optionSchema = (option: AnyOption, env: boolean): JsonSchema => {
  switch (option.kind) {
    case 'leaf':
      return leafSchema(option, env);
    case 'section':
    case 'optionalSection':
      return sectionSchema(option, env);
    case 'list':
      return {
        description: option.doc,
        type: 'array',
        ...(option.minItems === 0 ? {} : { minItems: option.minItems }),
        items: optionSchema(asAny(option.item), env),
      };
    default:
      return {
        description: option.doc,
        type: 'object',
        propertyNames: { pattern: option.pattern },
        additionalProperties: optionSchema(asAny(option.item), env),
      };
  }
};

/**
 * JSON Schema (draft 2020-12) of an option and everything below it. The published one (`env`) also accepts
 * `${NAME}` where a number or a duration is expected, because editors check the file before it is filled in;
 * the loader's own does not.
 */
export function toJsonSchema(option: Option<unknown>, env: boolean): JsonSchema {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: SCHEMA_ID,
    title: 'rp configuration',
    ...optionSchema(asAny(option), env),
  };
  if (!env) return schema;
  const properties = { $schema: { type: 'string' }, ...((schema as JsonSchema).properties as JsonSchema) };
  return { ...schema, properties, $defs: { env: { type: 'string', pattern: ENV_PATTERN } } };
}
