import { stringify } from 'yaml';
import type { AnyOption, Leaf } from './option.ts';
import { rootOption, type ProxyConfig } from './options/root.ts';
import { asAny, fieldsOf } from './schema.ts';
import {
  DURATION_PATTERN,
  formatDuration,
  formatPercent,
  formatSize,
  PERCENT_PATTERN,
  SIZE_PATTERN,
} from './units.ts';

/** What stands in place of a secret. */
export const MASK = '***';

const asWritten = (leaf: Leaf<unknown>, value: unknown): unknown => {
  if (leaf.secret) return MASK;
  if (typeof value === 'number') {
    if (leaf.schema.pattern === DURATION_PATTERN) return formatDuration(value);
    if (leaf.schema.pattern === SIZE_PATTERN) return formatSize(value);
    if (leaf.schema.pattern === PERCENT_PATTERN) return formatPercent(value);
  }
  // Values that were read into a structure of their own: backend URLs and ranges of statuses.
  if (typeof value === 'object' && value !== null && 'href' in value) return value.href;
  if (Array.isArray(value)) {
    return value.map((item: unknown) => (Array.isArray(item) ? item.join('-') : item));
  }
  return value;
};

const unread = (option: AnyOption, value: unknown): unknown => {
  if (option.kind === 'leaf') return asWritten(option, value);
  if (option.kind === 'list')
    return (value as readonly unknown[]).map((item) => unread(asAny(option.item), item));
  if (option.kind === 'named') {
    const items = value as readonly { readonly name: string }[];
    return Object.fromEntries(items.map((item) => [item.name, unread(asAny(option.item), item)]));
  }
  const record = value as Readonly<Record<string, unknown>>;
  const entries = Object.entries(fieldsOf(option) ?? {}).filter(([key]) => record[key] !== null);
  return Object.fromEntries(entries.map(([key, field]) => [key, unread(field, record[key])]));
};

/**
 * The configuration as one would write it, every default spelled out and secrets masked. Reading it again
 * gives the same configuration (but for the secrets).
 */
export function toPlain(config: ProxyConfig): Readonly<Record<string, unknown>> {
  return unread(asAny(rootOption), config) as Readonly<Record<string, unknown>>;
}

/** {@link toPlain} as YAML. */
export function printConfig(config: ProxyConfig): string {
  return stringify(toPlain(config), { lineWidth: 0, aliasDuplicateObjects: false });
}
