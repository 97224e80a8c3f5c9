import { PERCENT_PATTERN, DURATION_PATTERN, SIZE_PATTERN } from './units.ts';
import { formatDuration, formatSize, parseDuration, parsePercent, parseSize } from './units.ts';

/** A piece of JSON Schema, draft 2020-12. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/**
 * Says what is wrong with a value that has the right shape (a URL without a host, a duration out of range); in a
 * list, `index` says with which item.
 */
export type Fail = (message: string, index?: number) => void;

/** What stands in the file where an option is left out, as one would write it there; undefined: must be given. */
export type Fallback = string | number | boolean | readonly string[] | null | undefined;

interface OptionBase {
  /** One or two sentences for the reference: what it does, and its hazard. */
  readonly doc: string;
  /** The values that are allowed, in words: it follows "allowed: " in a message. */
  readonly allowed: string;
}

/** One value: a duration, a number, a choice. `T` is what it becomes in the typed configuration. */
export interface Leaf<T> extends OptionBase {
  readonly kind: 'leaf';
  readonly type?: T;
  readonly schema: JsonSchema;
  readonly fallback: Fallback;
  /** Never printed, neither in a message nor in the effective configuration. */
  readonly secret: boolean;
  /** Called for a value that the schema accepts; after `fail` the result is not used. */
  readonly read: (raw: unknown, fail: Fail) => T;
}

/** Tells whether a key stands in the file, in this section. */
export type Given = (key: string) => boolean;

/** A mapping with known keys. */
export interface Section<T> extends OptionBase {
  readonly kind: 'section';
  readonly type?: T;
  readonly fields: { readonly [K in keyof T]-?: Option<T[K]> };
  /** Fills in defaults that depend on other options; `given` tells which keys stand in the file. */
  readonly complete: ((value: T, given: Given) => T) | null;
}

/** A section that may be left out, which switches its feature off: null in the typed configuration. */
export interface OptionalSection<T> extends OptionBase {
  readonly kind: 'optionalSection';
  readonly type?: T | null;
  readonly section: Section<T>;
}

/** A sequence of sections. */
export interface List<T> extends OptionBase {
  readonly kind: 'list';
  readonly type?: readonly T[];
  readonly item: Section<T>;
  readonly minItems: number;
  readonly required: boolean;
}

/** A mapping from names of the user's choice to sections; becomes a list of sections with a `name`. */
export interface Named<T> extends OptionBase {
  readonly kind: 'named';
  readonly type?: readonly (T & { readonly name: string })[];
  readonly item: Section<T>;
  readonly pattern: string;
}

/** What the loader knows about an option without its type. */
export type AnyOption =
  | Leaf<unknown>
  | Section<Readonly<Record<string, unknown>>>
  | OptionalSection<Readonly<Record<string, unknown>>>
  | List<Readonly<Record<string, unknown>>>
  | Named<Readonly<Record<string, unknown>>>;

/** An option whose value in the typed configuration is a `T`. */
export interface Option<T> {
  readonly kind: AnyOption['kind'];
  readonly doc: string;
  readonly allowed: string;
  /** Carries `T` for the compiler; never there at run time. */
  readonly type?: T;
}

interface LeafSettings {
  readonly doc: string;
  readonly fallback?: Fallback;
}

const number = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);
const string = (value: unknown): string => (typeof value === 'string' ? value : '');

const leaf = <T>(
  settings: LeafSettings,
  allowed: string,
  schema: JsonSchema,
  read: Leaf<T>['read'],
  secret = false,
): Leaf<T> => ({
  kind: 'leaf',
  doc: settings.doc,
  allowed,
  schema,
  fallback: settings.fallback,
  secret,
  read,
});

const between = (min: string, max: string | null): string =>
  max === null ? `${min} or more` : `from ${min} to ${max}`;

/** A time with its unit; milliseconds in the typed configuration. `min` and `max` in milliseconds. */
export function duration(
  settings: LeafSettings & { readonly min?: number; readonly max?: number },
): Leaf<number> {
  const min = settings.min ?? 1;
  const max = settings.max ?? 24 * 3_600_000;
  const range = between(formatDuration(min), formatDuration(max));
  const allowed = `a time with its unit, such as 250ms, 10s, 5m or 24h, ${range}`;
  return leaf(settings, allowed, { type: 'string', pattern: DURATION_PATTERN }, (raw, fail) => {
    const ms = parseDuration(string(raw));
    if (!(ms >= min && ms <= max)) fail('this time is out of range');
    return ms;
  });
}

/** A size with its unit, powers of 1024; bytes in the typed configuration. `min` in bytes. */
export function size(settings: LeafSettings & { readonly min?: number }): Leaf<number> {
  const min = settings.min ?? 1;
  const range = between(formatSize(min), null);
  const allowed = `a size with its unit, such as 512B, 8KB, 100MB or 1GB, ${range}`;
  return leaf(settings, allowed, { type: 'string', pattern: SIZE_PATTERN }, (raw, fail) => {
    const bytes = parseSize(string(raw));
    if (!(bytes >= min && bytes <= Number.MAX_SAFE_INTEGER)) fail('this size is out of range');
    return bytes;
  });
}

/** A percentage; a number from 0 to 1 in the typed configuration. */
export function percent(settings: LeafSettings): Leaf<number> {
  const schema = { type: 'string', pattern: PERCENT_PATTERN };
  return leaf(settings, 'a percentage from 0% to 100%', schema, (raw, fail) => {
    const share = parsePercent(string(raw));
    if (Number.isNaN(share)) fail('this percentage is out of range');
    return share;
  });
}

/** A whole number in a range. */
export function integer(
  settings: LeafSettings & { readonly min: number; readonly max: number },
): Leaf<number> {
  const { min, max } = settings;
  const schema = { type: 'integer', minimum: min, maximum: max };
  return leaf(settings, `a whole number from ${min} to ${max}`, schema, number);
}

/** `true` or `false`. */
export function boolean(settings: LeafSettings & { readonly fallback: boolean }): Leaf<boolean> {
  return leaf(settings, 'true or false', { type: 'boolean' }, (raw) => raw === true);
}

/** One of a few words. */
export function choice<const T extends string>(
  words: readonly T[],
  settings: LeafSettings & { readonly fallback?: NoInfer<T> },
): Leaf<T> {
  const [first] = words;
  if (first === undefined) throw new TypeError('a choice needs at least one word');
  const read = (raw: unknown): T => words.find((word) => word === raw) ?? first;
  return leaf(settings, words.join(', '), { type: 'string', enum: words }, read);
}

interface TextSettings extends LeafSettings {
  readonly allowed: string;
  readonly pattern?: string;
  readonly secret?: boolean;
  /** What is wrong with the text, or null. */
  readonly mistake?: (text: string) => string | null;
}

/** Text that is not empty. */
export function text(settings: TextSettings): Leaf<string> {
  return parsed(settings, (raw) => raw);
}

/** Text that becomes something else in the typed configuration. */
export function parsed<T>(settings: TextSettings, parse: (text: string) => T): Leaf<T> {
  const schema = {
    type: 'string',
    minLength: 1,
    ...(settings.pattern === undefined ? {} : { pattern: settings.pattern }),
  };
  const read = (raw: unknown, fail: Fail): T => {
    const mistake = settings.mistake?.(string(raw)) ?? null;
    if (mistake !== null) fail(mistake);
    return parse(string(raw));
  };
  return leaf(settings, settings.allowed, schema, read, settings.secret ?? false);
}

/** A sequence of texts. */
export function texts(settings: TextSettings): Leaf<readonly string[]> {
  const item = {
    type: 'string',
    minLength: 1,
    ...(settings.pattern === undefined ? {} : { pattern: settings.pattern }),
  };
  return leaf(settings, `a list of ${settings.allowed}`, { type: 'array', items: item }, (raw, fail) => {
    const values = Array.isArray(raw) ? raw.map(string) : [];
    for (const [index, value] of values.entries()) {
      const mistake = settings.mistake?.(value) ?? null;
      if (mistake !== null) fail(mistake, index);
    }
    return values;
  });
}

/** A value of the user's own reading; for the few options that take more than one type. */
export function custom<T>(
  settings: LeafSettings & { readonly allowed: string; readonly schema: JsonSchema },
  read: Leaf<T>['read'],
): Leaf<T> {
  return leaf(settings, settings.allowed, settings.schema, read);
}

/** The same value, or null where it is left out. */
export function nullable<T>(option: Leaf<T>): Leaf<T | null> {
  const read = (raw: unknown, fail: Fail): T | null => (raw === null ? null : option.read(raw, fail));
  return { ...option, fallback: null, read };
}

/** A mapping with the fields of `T`: the compiler checks that none is missing and each has its type. */
export function section<T>(
  doc: string,
  fields: Section<T>['fields'],
  complete: Section<T>['complete'] = null,
): Section<T> {
  return { kind: 'section', doc, allowed: 'a mapping of options', fields, complete };
}

/** A section that switches its feature on by being there. */
export function optionalSection<T>(inner: Section<T>): OptionalSection<T> {
  return { kind: 'optionalSection', doc: inner.doc, allowed: inner.allowed, section: inner };
}

/** A sequence of sections; left out means empty unless `required`. */
export function list<T>(
  item: Section<T>,
  settings: { readonly doc: string; readonly minItems?: number; readonly required?: boolean },
): List<T> {
  return {
    kind: 'list',
    doc: settings.doc,
    allowed: 'a list',
    item,
    minItems: settings.minItems ?? 0,
    required: settings.required ?? false,
  };
}

/** Sections under names of the user's choice. */
export function named<T>(
  item: Section<T>,
  settings: { readonly doc: string; readonly pattern: string; readonly allowed: string },
): Named<T> {
  return { kind: 'named', doc: settings.doc, allowed: settings.allowed, item, pattern: settings.pattern };
}
