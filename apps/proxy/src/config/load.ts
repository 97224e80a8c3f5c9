import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { checkListeners } from './crosscheck/listeners.ts';
import { checkRouting } from './crosscheck/routes.ts';
import { checkUpstreams } from './crosscheck/upstreams.ts';
import { checkLogs } from './crosscheck/logs.ts';
import type { CheckContext } from './crosscheck/context.ts';
import type { Env } from './env.ts';
import { fileSystem, reasonOf, type Files } from './files.ts';
import { completeConfig } from './complete.ts';
import { rootOption, type ProxyConfig } from './options/root.ts';
import type { Path, Problem } from './problem.ts';
import { Report } from './report.ts';
import { isMapping, Resolver, retypeFilled } from './resolve.ts';
import { asAny } from './schema.ts';
import { Source } from './source.ts';
import { validate } from './validate.ts';

/** A configuration, or everything that is wrong with it (at least one problem, sorted by position). */
export type LoadResult =
  | {
      readonly config: ProxyConfig;
      readonly problems: readonly [];
      /** A mistake that shows only when the configuration is used, with its place in the file. */
      readonly problemAt?: ProblemAt;
    }
  | { readonly config: null; readonly problems: readonly Problem[] };

/** Makes a problem of code `CONFIG_LISTEN` for the option at `path`. */
export type ProblemAt = (path: Path, message: string) => Problem;

/** Where a configuration's surroundings come from; every default is the real one. */
export interface LoadOptions {
  /** Variables for `${NAME}`; default `process.env`. */
  readonly env?: Env;
  /** Name in messages; default the path, or `<text>`. */
  readonly file?: string;
  /** Folder that relative paths start from; default the file's folder, or the working directory. */
  readonly folder?: string;
  /** How named files are looked at; default the file system. */
  readonly files?: Files;
  /** Refuses whatever is no regular file, such as a pipe: reading it might never end. Default false. */
  readonly regular?: boolean;
}

const isGiven = (root: unknown, path: Path): boolean => {
  let value = root;
  for (const step of path) {
    if (Array.isArray(value) && typeof step === 'number') value = value[step];
    else if (isMapping(value) && Object.hasOwn(value, step)) value = value[String(step)];
    else return false;
  }
  return value !== undefined;
};

const deepFreeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
};

/** Editors look for `"$schema"` in JSON files to find the schema; it configures nothing. */
const withoutSchema = (value: unknown): unknown => {
  if (!isMapping(value) || typeof value.$schema !== 'string') return value;
  const { $schema: _, ...rest } = value;
  return rest;
};

/**
 * Reads a configuration (YAML or JSON) from text. It never throws: every mistake is a problem with its
 * position. If the text itself cannot be understood, only mistakes of syntax are found.
 */
export function parseConfig(text: string, options: LoadOptions = {}): LoadResult {
  const source = new Source(text, options.env ?? process.env);
  const report = new Report(options.file ?? '<text>', source);
  if (source.value === undefined) return { config: null, problems: report.problems };
  const raw = retypeFilled(asAny(rootOption), withoutSchema(source.value), [], source);
  validate(raw, report);
  const read = new Resolver(report).resolve(asAny(rootOption), raw, []) as ProxyConfig;
  const folder = options.folder ?? process.cwd();
  const given = (path: Path): boolean => isGiven(raw, path);
  const config = completeConfig(read, given, (file) => (isAbsolute(file) ? file : resolve(folder, file)));
  const context: CheckContext = { config, report, files: options.files ?? fileSystem, given };
  checkListeners(context);
  checkUpstreams(context);
  checkRouting(context);
  checkLogs(context);
  const { problems } = report;
  if (problems.length > 0) return { config: null, problems };
  const problemAt: ProblemAt = (path, message) => {
    report.add({ code: 'CONFIG_LISTEN', path, message });
    return report.problems[0]!;
  };
  return { config: deepFreeze(config), problems: [], problemAt };
}

/** Reads a configuration file (YAML or JSON); as {@link parseConfig}, and a file that cannot be read is a problem. */
export function loadConfig(path: string, options: LoadOptions = {}): LoadResult {
  const file = options.file ?? path;
  let text: string;
  try {
    const found = statSync(path);
    if (found.isDirectory())
      return { config: null, problems: [unreadable(file, 'this is a folder, not a file')] };
    if (options.regular === true && !found.isFile())
      return {
        config: null,
        problems: [unreadable(file, 'this is no regular file, and cannot be read again')],
      };
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { config: null, problems: [unreadable(file, reasonOf(error))] };
  }
  return parseConfig(text, { ...options, file, folder: options.folder ?? dirname(resolve(path)) });
}

const unreadable = (file: string, message: string): Problem => ({
  code: 'CONFIG_UNREADABLE',
  file,
  line: 0,
  column: 0,
  length: 1,
  path: '',
  message,
  found: null,
  allowed: null,
  suggestion: null,
  sourceLine: null,
});
