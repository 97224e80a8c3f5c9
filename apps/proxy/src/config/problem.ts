/** Steps from the root of the file to a value. */
export type Path = readonly (string | number)[];

/** Kinds of mistakes; stable, for programs. */
export type ProblemCode =
  | 'CONFIG_UNREADABLE'
  | 'CONFIG_SYNTAX'
  | 'CONFIG_DUPLICATE_KEY'
  | 'CONFIG_UNKNOWN_OPTION'
  | 'CONFIG_MISSING_OPTION'
  | 'CONFIG_BAD_VALUE'
  | 'CONFIG_ENV'
  | 'CONFIG_CONFLICT'
  | 'CONFIG_FILE'
  /** What is configured cannot be had now: an address that is in use, a certificate that cannot be served. */
  | 'CONFIG_LISTEN';

/** One mistake in a configuration. */
export interface Problem {
  readonly code: ProblemCode;
  /** Name of the file as it was given, or `<text>`. */
  readonly file: string;
  /** From 1; 0 where there is no position (the file could not be read). */
  readonly line: number;
  /** From 1, in UTF-16 units; 0 where there is no position. */
  readonly column: number;
  /** Characters from `column` that are meant; at least 1. */
  readonly length: number;
  /** Where in the configuration, such as `upstreams.app.backends[0].url`; empty for the whole. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
  /** What stands there, shortened; null where nothing does or where it is a secret. */
  readonly found: string | null;
  /** What may stand there; null where the message says it all. */
  readonly allowed: string | null;
  /** What the writer most likely meant. */
  readonly suggestion: string | null;
  /** The line of the file; null where there is none or where it holds a secret. */
  readonly sourceLine: string | null;
}

/** `['upstreams', 'app', 'backends', 0]` → `upstreams.app.backends[0]`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z0-9_-]+$/u.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Longest line of the file that is shown. */
const MAX_SOURCE = 160;

// Whatever stands in the file goes to a terminal: no control character may pass (terminal escapes).
const visible = (text: string): string =>
  text.replaceAll('\t', ' ').replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');

/** A value as it is shown in a message: short, quoted, on one line. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing (an empty value)';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value as number | boolean | bigint);
  return text.length <= 80 ? visible(text) : `${visible(text.slice(0, 76))}…"`;
}

const BOLD = '\u001B[1m';
const RED = '\u001B[31m';
const PLAIN = '\u001B[0m';

const sourceLines = (problem: Problem, color: boolean): string => {
  const line = problem.sourceLine;
  if (line === null || problem.line === 0) return '';
  const start = Math.max(0, problem.column - 1 - (MAX_SOURCE >> 1));
  const shown = visible(line.slice(start, start + MAX_SOURCE));
  const offset = problem.column - 1 - start;
  const length = Math.max(1, Math.min(problem.length, shown.length - offset));
  const number = String(problem.line).padStart(5);
  const caret = `${' '.repeat(offset)}${color ? RED : ''}${'^'.repeat(length)}${color ? PLAIN : ''}`;
  return `${number} | ${shown}\n${' '.repeat(number.length)} | ${caret}\n`;
};

const formatProblem = (problem: Problem, color: boolean): string => {
  const position = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const where = problem.path === '' ? '' : `${visible(problem.path)}: `;
  const found = problem.found === null ? '' : `; found ${problem.found}`;
  const meant = problem.suggestion === null ? '' : `; did you mean "${problem.suggestion}"?`;
  const head = color ? `${BOLD}${position}${PLAIN}` : position;
  const allowed = problem.allowed === null ? '' : `        allowed: ${problem.allowed}\n`;
  return `${head}: ${where}${visible(problem.message)}${found}${meant}\n${sourceLines(problem, color)}${allowed}`;
};

/**
 * All mistakes for people: `file:line:column: path: what is wrong`, the line with a caret below, and what is
 * allowed. Colours only if asked for (a terminal).
 */
export function formatProblems(
  problems: readonly Problem[],
  options: { readonly color?: boolean } = {},
): string {
  const color = options.color ?? false;
  return problems.map((problem) => formatProblem(problem, color)).join('\n');
}
