import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { AnyOption } from './option.ts';
import { rootOption } from './options/root.ts';
import { describe, formatPath, type Path } from './problem.ts';
import type { Report } from './report.ts';
import { asAny, fieldsOf, toJsonSchema } from './schema.ts';
import { closest } from './suggest.ts';

let compiled: ValidateFunction | null = null;

const validator = (): ValidateFunction => {
  compiled ??= new Ajv2020({ allErrors: true, verbose: true, strict: true, allowUnionTypes: true }).compile(
    toJsonSchema(rootOption, false),
  );
  return compiled;
};

/** The option that stands at `path` in the tree, or null if the path leads out of it. */
export function optionAt(path: Path): AnyOption | null {
  let option: AnyOption = asAny(rootOption);
  for (const step of path) {
    const fields = fieldsOf(option);
    const next: AnyOption | undefined =
      fields === null
        ? option.kind === 'list' || option.kind === 'named'
          ? asAny(option.item)
          : undefined
        : Object.hasOwn(fields, String(step))
          ? fields[String(step)]
          : undefined;
    // What stands inside of a leaf (an item of a list of texts) belongs to the leaf.
    if (next === undefined) return option.kind === 'leaf' ? option : null;
    option = next;
  }
  return option;
}

const valueAt = (root: unknown, path: Path): unknown => {
  let value = root;
  for (const step of path) value = (value as Readonly<Record<string | number, unknown>>)[step];
  return value;
};

/** Steps of a JSON Pointer (RFC 6901); numbers where the value above is a list. */
const pathOf = (pointer: string, root: unknown): Path => {
  const path: (string | number)[] = [];
  let value = root;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const step = Array.isArray(value) ? Number(name) : name;
    path.push(step);
    value = (value as Readonly<Record<string | number, unknown>>)[step];
  }
  return path;
};

const unknownOption = (report: Report, section: Path, key: string): void => {
  const fields = Object.keys(fieldsOf(optionAt(section) ?? asAny(rootOption)) ?? {});
  report.add({
    code: 'CONFIG_UNKNOWN_OPTION',
    path: [...section, key],
    at: 'key',
    message: 'there is no such option',
    allowed: fields.join(', '),
    suggestion: closest(key, fields),
  });
};

const badValue = (report: Report, path: Path, raw: unknown): void => {
  if (report.isBrokenAt(path)) return;
  const option = optionAt(path);
  const secret = option?.kind === 'leaf' && option.secret;
  const empty = option?.kind === 'list' && Array.isArray(raw);
  const words = option?.kind === 'leaf' && Array.isArray(option.schema.enum) ? option.schema.enum : [];
  report.add({
    code: 'CONFIG_BAD_VALUE',
    path,
    message: empty ? 'this list needs at least one item' : 'this value is not allowed here',
    found: empty ? null : describe(raw),
    allowed: option?.allowed ?? null,
    suggestion:
      typeof raw === 'string' ? (closest(raw, words.map(String)) ?? unitSuggestion(option, raw)) : null,
    secret,
  });
};

/** `8kb`, `8 KB`, `8K` and `10sec` are understood well enough to be pointed out. */
const unitSuggestion = (option: AnyOption | null, raw: string): string | null => {
  const parts = /^([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)$/u.exec(raw.trim());
  if (option?.kind !== 'leaf' || parts === null) return null;
  const [, number = '', unit = ''] = parts;
  if (option.allowed.startsWith('a size')) {
    const letter = unit[0]?.toUpperCase() ?? '';
    return letter === 'B' ? `${number}B` : /^[KMGT]$/u.test(letter) ? `${number}${letter}B` : null;
  }
  if (!option.allowed.startsWith('a time')) return null;
  const word = unit.toLowerCase();
  if (/^(ms|millis.*|msec.*)$/u.test(word)) return `${number}ms`;
  if (/^d(ays?)?$/u.test(word)) return `${Number(number) * 24}h`;
  return /^(s|sec.*|m|min.*|h|hours?|hrs?)$/u.test(word) ? `${number}${word[0]}` : null;
};

const addError = (report: Report, error: ErrorObject, root: unknown): void => {
  const path = pathOf(error.instancePath, root);
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'additionalProperties':
      unknownOption(report, path, String(params.additionalProperty));
      return;
    case 'required': {
      const missing = [...path, String(params.missingProperty)];
      const message = `the option "${String(params.missingProperty)}" is missing`;
      const allowed = optionAt(missing)?.allowed ?? null;
      report.add({ code: 'CONFIG_MISSING_OPTION', path: missing, at: 'key', message, allowed });
      return;
    }
    case 'propertyNames': {
      const name = String(params.propertyName);
      const allowed = optionAt(path)?.allowed ?? null;
      const message = `"${name}" cannot be a name in ${formatPath(path)}`;
      report.add({ code: 'CONFIG_BAD_VALUE', path: [...path, name], at: 'key', message, allowed });
      return;
    }
    default:
      // The pattern inside of propertyNames is reported once more by propertyNames itself.
      if (error.propertyName === undefined) badValue(report, path, valueAt(root, path));
  }
};

/** Compares the values of a file with the schema; every mistake goes to the report. */
export function validate(value: unknown, report: Report): void {
  const check = validator();
  if (check(value)) return;
  for (const error of check.errors ?? []) addError(report, error, value);
}
