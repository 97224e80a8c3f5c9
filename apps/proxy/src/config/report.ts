import type { Problem, ProblemCode, Path } from './problem.ts';
import { formatPath } from './problem.ts';
import type { Source } from './source.ts';

/** What a check says about one mistake. */
export interface Finding {
  readonly code: ProblemCode;
  readonly path: Path;
  readonly message: string;
  /** Point at the key rather than at the value. */
  readonly at?: 'key' | 'value';
  readonly found?: string | null;
  readonly allowed?: string | null;
  readonly suggestion?: string | null;
  readonly secret?: boolean;
}

const startsWith = (path: Path, start: Path): boolean =>
  start.length <= path.length && start.every((step, index) => step === path[index]);

/** Collects the mistakes of one file, in the order of their positions. */
export class Report {
  readonly #file: string;
  readonly #source: Source;
  readonly #problems: Problem[] = [];
  readonly #paths: Path[] = [];
  readonly #hidden = new Set<number>();

  constructor(file: string, source: Source) {
    this.#file = file;
    this.#source = source;
    for (const mistake of source.mistakes) {
      const { line, column, length, sourceLine } = mistake.span;
      const path = formatPath(mistake.path);
      const rest = { found: null, allowed: null, suggestion: null, sourceLine };
      this.#problems.push({
        code: mistake.code,
        file,
        line,
        column,
        length,
        path,
        message: mistake.message,
        ...rest,
      });
      if (mistake.code !== 'CONFIG_DUPLICATE_KEY') this.#paths.push(mistake.path);
    }
  }

  /** The mistakes, sorted by position. */
  get problems(): readonly Problem[] {
    return this.#problems
      .map((problem) => (this.#hidden.has(problem.line) ? { ...problem, sourceLine: null } : problem))
      .toSorted((a, b) => a.line - b.line || a.column - b.column);
  }

  /** The line of this value is never shown: it holds a secret. */
  hideLine(path: Path): void {
    this.#hidden.add(this.#source.locate(path, 'value').line);
  }

  /** Whether a mistake was found at the value, above it or inside of it: what was read there means nothing. */
  isBroken(path: Path): boolean {
    return this.#paths.some((broken) => startsWith(path, broken) || startsWith(broken, path));
  }

  /** Whether a mistake was found at exactly this value. */
  isBrokenAt(path: Path): boolean {
    return this.#paths.some((broken) => broken.length === path.length && startsWith(path, broken));
  }

  add(finding: Finding): void {
    const { line, column, length, sourceLine } = this.#source.locate(finding.path, finding.at ?? 'value');
    const secret = finding.secret ?? false;
    const origin = this.#source.isFilled(finding.path) ? ' (from the environment)' : '';
    const found = secret || typeof finding.found !== 'string' ? null : finding.found + origin;
    this.#paths.push(finding.path);
    this.#problems.push({
      code: finding.code,
      file: this.#file,
      line,
      column,
      length,
      path: formatPath(finding.path),
      message: finding.message,
      found,
      allowed: finding.allowed ?? null,
      suggestion: finding.suggestion ?? null,
      sourceLine: secret ? null : sourceLine,
    });
  }

  /** Adds the mistake unless there is one already that may be its cause. */
  addUnlessBroken(finding: Finding): void {
    if (!this.isBroken(finding.path)) this.add(finding);
  }
}
