import type { AnyOption, Leaf } from './option.ts';
import { describe, type Path } from './problem.ts';
import type { Report } from './report.ts';
import { asAny, fieldsOf } from './schema.ts';
import type { Source } from './source.ts';

type Mapping = Readonly<Record<string, unknown>>;

/** Whether a value is a mapping. */
export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const own = (value: unknown, key: string): unknown =>
  isMapping(value) && Object.hasOwn(value, key) ? value[key] : undefined;

const typesOf = (leaf: Leaf<unknown>): readonly unknown[] =>
  Array.isArray(leaf.schema.type) ? leaf.schema.type : [leaf.schema.type];

/** A text from the environment as the type that its option wants; what does not fit stays for the schema to refuse. */
const retyped = (leaf: Leaf<unknown>, text: string): unknown => {
  const types = typesOf(leaf);
  if (types.includes('integer') && /^-?[0-9]{1,15}$/u.test(text)) return Number(text);
  if (types.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  return text;
};

/**
 * The values of the file, where those that come from the environment (always text) take the type of their
 * option: `port: ${PORT}` is a number.
 */
export function retypeFilled(option: AnyOption, value: unknown, path: Path, source: Source): unknown {
  if (option.kind === 'leaf') {
    return typeof value === 'string' && source.isFilled(path) ? retyped(option, value) : value;
  }
  if (option.kind === 'list') {
    if (!Array.isArray(value)) return value;
    return value.map((item, index) => retypeFilled(asAny(option.item), item, [...path, index], source));
  }
  if (!isMapping(value)) return value;
  const fields = fieldsOf(option);
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => {
    const field = option.kind === 'named' ? asAny(option.item) : own(fields, key);
    return [
      key,
      field === undefined ? inner : retypeFilled(field as AnyOption, inner, [...path, key], source),
    ];
  });
  return Object.fromEntries(entries);
}

/**
 * Turns checked values into the typed configuration, all defaults filled in. It never throws: what is broken
 * (and reported) takes its default or an empty value, so that checks of other places can still run.
 */
export class Resolver {
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  resolve(option: AnyOption, raw: unknown, path: Path): unknown {
    switch (option.kind) {
      case 'leaf':
        return this.#leaf(option, raw, path);
      case 'list':
        if (!Array.isArray(raw)) return [];
        return raw.map((item, index) => this.resolve(asAny(option.item), item, [...path, index]));
      case 'named':
        if (!isMapping(raw)) return [];
        return Object.entries(raw).map(([name, value]) => {
          const inner = this.resolve(asAny(option.item), value, [...path, name]);
          return { name, ...(inner as Mapping) };
        });
      case 'optionalSection':
        return raw === undefined ? null : this.#section(asAny(option.section), raw, path);
      default:
        return this.#section(option, raw, path);
    }
  }

  #section(option: AnyOption, raw: unknown, path: Path): unknown {
    const fields = fieldsOf(option) ?? {};
    const value: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(fields)) {
      value[key] = this.resolve(field, own(raw, key), [...path, key]);
    }
    const complete = option.kind === 'section' ? option.complete : null;
    return complete === null ? value : complete(value, (key) => own(raw, key) !== undefined);
  }

  #leaf(leaf: Leaf<unknown>, raw: unknown, path: Path): unknown {
    if (leaf.secret && raw !== undefined) this.#report.hideLine(path);
    const broken = raw === undefined || this.#report.isBroken(path);
    if (broken) return leaf.read(leaf.fallback ?? null, () => undefined);
    return leaf.read(raw, (message, index) => {
      const { allowed, secret } = leaf;
      const item = index === undefined ? path : [...path, index];
      const found = describe(index === undefined || !Array.isArray(raw) ? raw : raw[index]);
      this.#report.add({ code: 'CONFIG_BAD_VALUE', path: item, message, found, allowed, secret });
    });
  }
}
