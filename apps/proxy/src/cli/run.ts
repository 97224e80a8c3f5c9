import { configFromFlags } from '../config/index.ts';
import { readSource, type ConfigSource, type Io, type RunProxy } from './io.ts';
import { printProblems } from './problems.ts';

/** Options of `rp run`. */
export interface RunFlags {
  readonly config?: string;
  readonly listen?: string;
  readonly backend: readonly string[];
}

const usage = (io: Io, message: string): number => {
  io.stderr.write(`error: ${message}\nTry "rp run --help".\n`);
  return 2;
};

const sourceOf = (flags: RunFlags, io: Io): ConfigSource | null => {
  if (flags.config !== undefined) {
    // Read once here, so that a bad file is told before anything starts; the runner reads it again itself.
    const { config, problems } = readSource({ kind: 'file', path: flags.config }, io.env);
    if (config !== null) return { kind: 'file', path: flags.config };
    printProblems(problems, io);
    return null;
  }
  const { config, problems } = configFromFlags({ listen: flags.listen ?? '8080', backend: flags.backend });
  if (config !== null) return { kind: 'fixed', config };
  printProblems(problems, io);
  return null;
};

/** `rp run`: the exit code of the proxy, or 2 if it was not even started. */
export async function run(flags: RunFlags, io: Io, runner: RunProxy): Promise<number> {
  const byFlags = flags.listen !== undefined || flags.backend.length > 0;
  if (flags.config !== undefined && byFlags) {
    return usage(io, '--config cannot be combined with --listen and --backend: put them into the file');
  }
  if (flags.config === undefined && flags.backend.length === 0) {
    return usage(io, 'give a file (-c proxy.yaml) or at least one --backend');
  }
  const source = sourceOf(flags, io);
  return source === null ? 2 : runner(source, io);
}
