import { parseConfig, type LoadOptions, type LoadResult } from './load.ts';

/** A configuration given on the command line. */
export interface ConfigFlags {
  /** `8080`, `127.0.0.1:8080` or `[::1]:8080`. */
  readonly listen: string;
  /** URLs of backends, at least one. */
  readonly backend: readonly string[];
}

const splitListen = (listen: string): { readonly address?: string; readonly port: number | string } => {
  const colon = listen.lastIndexOf(':');
  const port = colon === -1 ? listen : listen.slice(colon + 1);
  const address = colon === -1 ? '' : listen.slice(0, colon).replace(/^\[(.*)\]$/u, '$1');
  const number = /^[0-9]{1,6}$/u.test(port) ? Number(port) : port;
  return address === '' ? { port: number } : { address, port: number };
};

/**
 * The configuration that `rp run --listen … --backend …` means: one listener, one upstream named `app`, every
 * default. Problems name the option as it would stand in a file, and `the command line` as the file.
 */
export function configFromFlags(flags: ConfigFlags, options: LoadOptions = {}): LoadResult {
  const written = {
    listeners: [splitListen(flags.listen)],
    upstreams: { app: { backends: flags.backend.map((url) => ({ url })) } },
  };
  const result = parseConfig(JSON.stringify(written), { file: 'the command line', ...options, env: {} });
  if (result.config !== null) return result;
  // The text was made up here: its lines and columns would only confuse.
  const problems = result.problems.map((problem) => ({ ...problem, line: 0, column: 0, sourceLine: null }));
  return { config: null, problems };
}
