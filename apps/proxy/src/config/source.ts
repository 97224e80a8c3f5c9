import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, Node, Pair, ParsedNode } from 'yaml';
import { fillIn, type Env } from './env.ts';
import type { Path } from './problem.ts';

/** A piece of the file. */
export interface Span {
  readonly line: number;
  readonly column: number;
  readonly length: number;
  readonly sourceLine: string;
}

/** A mistake found while the file was read, before anything is known about options. */
export interface SourceMistake {
  readonly code: 'CONFIG_SYNTAX' | 'CONFIG_DUPLICATE_KEY' | 'CONFIG_ENV';
  readonly message: string;
  readonly path: Path;
  readonly span: Span;
}

type Parsed = Document.Parsed<ParsedNode, true>;

/** Most aliases (`*name`) that a file may use, counted as they are expanded: a small file can grow without end. */
const MAX_ALIASES = 1000;

const keyText = (key: unknown): string => (isScalar(key) ? String(key.value) : String(key));

/**
 * The text of a configuration file (YAML, of which JSON is a part), its values, and the position of each.
 * Environment variables are filled in on the parsed values, not in the text: what a variable holds can never
 * change the structure of the file, and positions stay right.
 */
export class Source {
  readonly mistakes: SourceMistake[] = [];
  /** The values, variables filled in; undefined if the text could not be read at all. */
  readonly value: unknown;
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #document: Parsed;
  readonly #filled = new Set<Node>();

  constructor(text: string, env: Env) {
    // A byte order mark is what some editors leave; it is no part of the first key.
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text;
    this.#document = parseDocument(this.#text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: false,
      merge: true,
      stringKeys: true,
    });
    for (const { message, pos } of [...this.#document.errors, ...this.#document.warnings]) {
      const deep = message.includes('call stack');
      this.#syntax(deep ? 'values are nested too deeply' : message, pos[0], pos[1]);
    }
    this.value = this.mistakes.length > 0 ? undefined : this.#values(env);
  }

  /** Whether the value was filled in from the environment, so that its type follows from the option. */
  isFilled(path: Path): boolean {
    if (this.#filled.size === 0) return false;
    const node = this.#nodeAt(path).node;
    return node !== null && this.#filled.has(node);
  }

  /** Position of the value at `path`, or of its key; the nearest one above it where there is none. */
  locate(path: Path, part: 'key' | 'value'): Span {
    const { node, key, depth } = this.#nodeAt(path);
    const wanted = (part === 'key' || depth < path.length ? key : node) ?? node ?? key;
    const range = wanted?.range;
    return range ? this.#span(range[0], range[1]) : this.#span(0, 1);
  }

  #values(env: Env): unknown {
    this.#checkNodes(env);
    if (this.mistakes.some(({ code }) => code === 'CONFIG_SYNTAX')) return undefined;
    try {
      return this.#document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (error) {
      // The library's only way to say that aliases multiply beyond the limit.
      this.#syntax(error instanceof Error ? error.message : String(error), 0, 1);
      return undefined;
    }
  }

  #checkNodes(env: Env): void {
    visit(this.#document, {
      Map: (_key, map, parents) => this.#checkKeys(map.items as Pair[], [...parents, map]),
      Alias: (_key, alias) => {
        const [start = 0, end = 0] = alias.range ?? [];
        if (alias.resolve(this.#document) === undefined) {
          this.#syntax(`there is no anchor "&${alias.source}" before this alias`, start, end);
        }
      },
      Scalar: (key, scalar, parents) => {
        if (key === 'key' || typeof scalar.value !== 'string') return;
        const filled = fillIn(scalar.value, env);
        if (filled.used) this.#filled.add(scalar);
        for (const message of filled.mistakes) {
          const [start = 0, end = 0] = scalar.range ?? [];
          const path = pathOf([...parents, scalar]);
          this.mistakes.push({ code: 'CONFIG_ENV', message, path, span: this.#span(start, end) });
        }
        scalar.value = filled.text;
      },
    });
  }

  #checkKeys(pairs: readonly Pair[], parents: readonly unknown[]): void {
    const seen = new Map<string, number>();
    for (const { key } of pairs) {
      const name = keyText(key);
      const [start = 0, end = 0] = (key as Node | null)?.range ?? [];
      const first = seen.get(name);
      // The merge key may stand several times: each merges another mapping.
      if (first !== undefined && name !== '<<') {
        const message = `this key stands here twice; the first one is on line ${first}`;
        const span = this.#span(start, end);
        this.mistakes.push({ code: 'CONFIG_DUPLICATE_KEY', message, path: [...pathOf(parents), name], span });
      }
      seen.set(name, this.#lines.linePos(start).line);
    }
  }

  #nodeAt(path: Path): { node: Node | null; key: Node | null; depth: number } {
    let node: Node | null = this.#document.contents;
    let key: Node | null = null;
    let depth = 0;
    for (const step of path) {
      const parent: Node | null | undefined = isAlias(node) ? node.resolve(this.#document) : node;
      const found: { value: Node | null; key: Node | null } | null = child(parent ?? null, step);
      if (found === null) break;
      node = found.value;
      key = found.key ?? node;
      depth++;
    }
    return { node, key, depth };
  }

  #syntax(message: string, start: number, end: number): void {
    const span = this.#span(start, end);
    // What follows on the same line is nearly always a consequence of the first mistake.
    if (this.mistakes.some(({ code, span: { line } }) => code === 'CONFIG_SYNTAX' && line === span.line))
      return;
    const hint = /(?<=[{[,].*): *\$\{|[[,] *\$\{/u.test(span.sourceLine)
      ? '; inside { } and [ ], write "${NAME}" in quotes'
      : '';
    this.mistakes.push({ code: 'CONFIG_SYNTAX', message: message + hint, path: [], span });
  }

  #span(start: number, end: number): Span {
    const { line, col } = this.#lines.linePos(Math.min(start, this.#text.length));
    const from = this.#lines.lineStarts[line - 1] ?? 0;
    const rest = this.#text.slice(from);
    const stop = rest.search(/[\r\n]/u);
    const sourceLine = stop === -1 ? rest : rest.slice(0, stop);
    const length = Math.max(1, Math.min(end - start, sourceLine.length - (col - 1)));
    return { line: Math.max(1, line), column: Math.max(1, col), length, sourceLine };
  }
}

const child = (
  parent: Node | null,
  step: string | number,
): { value: Node | null; key: Node | null } | null => {
  if (isSeq(parent) && typeof step === 'number') {
    const value = parent.items[step];
    return value === undefined ? null : { value: value as Node, key: null };
  }
  if (!isMap(parent)) return null;
  const pair = parent.items.findLast((item) => keyText(item.key) === String(step));
  return pair === undefined ? null : { value: pair.value as Node | null, key: pair.key as Node | null };
};

/** The path of the last of a chain of nodes, as the library hands them to a visitor. */
const pathOf = (parents: readonly unknown[]): Path => {
  const path: (string | number)[] = [];
  for (const [index, parent] of parents.entries()) {
    if (isMap(parent)) {
      const pair = parents[index + 1];
      if (pair !== undefined && !isScalar(pair)) path.push(keyText((pair as Pair).key));
    } else if (isSeq(parent)) {
      const item = parents[index + 1];
      if (item !== undefined) path.push(parent.items.indexOf(item));
    }
  }
  return path;
};
