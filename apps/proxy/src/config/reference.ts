import type { AnyOption } from './option.ts';
import { rootOption } from './options/root.ts';
import { asAny, fieldsOf, isRequired } from './schema.ts';

/** One option as the reference lists it. */
export interface ReferenceRow {
  /** `upstreams.<name>.backends[].url` */
  readonly option: string;
  readonly fallback: string;
  readonly allowed: string;
  readonly doc: string;
}

const fallbackText = (option: AnyOption): string => {
  if (isRequired(option)) return '**required**';
  if (option.kind === 'optionalSection') return 'off';
  if (option.kind !== 'leaf') return '';
  const { fallback } = option;
  if (fallback === null || fallback === undefined || fallback === '') return 'none';
  return `\`${Array.isArray(fallback) ? `[${fallback.join(', ')}]` : String(fallback)}\``;
};

const collect = (option: AnyOption, path: string, rows: ReferenceRow[]): void => {
  const below = option.kind === 'list' || option.kind === 'named' ? asAny(option.item) : option;
  const prefix = option.kind === 'list' ? `${path}[]` : option.kind === 'named' ? `${path}.<name>` : path;
  for (const [key, field] of Object.entries(fieldsOf(below) ?? {})) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    const allowed = field.kind === 'named' ? `names: ${field.allowed}` : field.allowed;
    rows.push({ option: name, fallback: fallbackText(field), allowed, doc: field.doc });
    collect(field, name, rows);
  }
};

/** Every option of the file, in order, sections before what is in them. */
export function referenceRows(): readonly ReferenceRow[] {
  const rows: ReferenceRow[] = [];
  collect(asAny(rootOption), '', rows);
  return rows;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** The reference as a Markdown table. */
export function referenceTable(): string {
  const rows = referenceRows().map(
    ({ option, fallback, allowed, doc }) =>
      `| \`${option}\` | ${fallback} | ${cell(allowed)} | ${cell(doc)} |`,
  );
  return ['| option | default | allowed | what it does |', '|---|---|---|---|', ...rows].join('\n');
}
