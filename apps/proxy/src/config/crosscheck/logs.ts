import type { Path } from '../problem.ts';
import type { CheckContext } from './context.ts';

/** Checks that log files can be written: a proxy that cannot log must not find out after it took over. */
export function checkLogs({ config, report, files }: CheckContext): void {
  const { file, access } = config.log;
  const check = (path: Path, name: string): void => {
    if (name === 'stdout' || name === 'stderr' || report.isBroken(path)) return;
    const message = files.unwritable(name);
    if (message !== null) report.add({ code: 'CONFIG_FILE', path, message, found: JSON.stringify(name) });
  };
  check(['log', 'file'], file);
  if (access.enabled) check(['log', 'access', 'file'], access.file);
}
