import { formatProblems, type Problem } from '../config/index.ts';
import { wantsColor, type Io } from './io.ts';

/** Prints all mistakes of a configuration for people, with their number as the last line. */
export function printProblems(problems: readonly Problem[], io: Io): void {
  const [first] = problems;
  const count = problems.length === 1 ? '1 mistake' : `${problems.length} mistakes`;
  const text = formatProblems(problems, { color: wantsColor(io.stderr, io.env) });
  io.stderr.write(`${text}\n${count} in ${first?.file ?? 'the configuration'}\n`);
}
