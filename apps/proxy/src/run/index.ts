import type { ConfigSource, Io } from '../cli/io.ts';

/** Runs the proxy until it is told to stop; resolves to the exit code. */
export async function runProxy(source: ConfigSource, io: Io): Promise<number> {
  io.stderr.write(`rp: the engine is not part of this build: ${source.kind} configuration was read only\n`);
  return 1;
}
