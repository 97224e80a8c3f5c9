import type { Files } from '../files.ts';
import type { ProxyConfig } from '../options/root.ts';
import type { Path } from '../problem.ts';
import type { Report } from '../report.ts';

/** What the checks across options look at. */
export interface CheckContext {
  readonly config: ProxyConfig;
  readonly report: Report;
  readonly files: Files;
  /** Whether the option stands in the file. */
  readonly given: (path: Path) => boolean;
}

/** Reports two options that cannot stand together, or one that misses another. */
export function conflict(
  context: CheckContext,
  path: Path,
  message: string,
  suggestion: string | null = null,
): void {
  context.report.addUnlessBroken({ code: 'CONFIG_CONFLICT', path, message, suggestion });
}

/** Reports a file that is named but cannot be read. */
export function needFile(context: CheckContext, path: Path, file: string | null): void {
  if (file === null || context.report.isBroken(path)) return;
  const reason = context.files.unreadable(file);
  if (reason !== null)
    context.report.add({ code: 'CONFIG_FILE', path, message: reason, found: JSON.stringify(file) });
}
