/** One column of a table. */
export interface Column {
  readonly title: string;
  /** Numbers go right, names left. Default: `right`. */
  readonly align?: 'left' | 'right';
}

/** A Markdown table whose columns line up in a monospaced font as well. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, index) =>
    Math.max(3, [...column.title].length, ...rows.map((row) => [...(row[index] ?? '')].length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${columns.map((column, i) => pad(cells[i] ?? '', widths[i] ?? 3, column.align ?? 'right')).join(' | ')} |`;
  const rule = columns.map((column, i) => {
    const dashes = '-'.repeat((widths[i] ?? 3) - 1);
    return column.align === 'left' ? `:${dashes}` : `${dashes}:`;
  });
  return [line(columns.map((column) => column.title)), line(rule), ...rows.map((row) => line(row))].join(
    '\n',
  );
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const missing = ' '.repeat(Math.max(0, width - [...text].length));
  return align === 'left' ? text + missing : missing + text;
}

/** A number for a table: fixed digits, or `–` where nothing was measured. */
export function cell(value: number | undefined, digits: number = 1): string {
  return value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits);
}
