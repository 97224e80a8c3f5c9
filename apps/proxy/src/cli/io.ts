import type { Env, LoadResult, ProxyConfig } from '../config/index.ts';
import { loadConfig } from '../config/index.ts';

/** Where text goes. */
export interface TextSink {
  readonly write: (text: string) => unknown;
  /** A terminal: colours are welcome. */
  readonly isTTY?: boolean | undefined;
}

/** A listener that accepts connections. */
export interface ListeningAddress {
  readonly address: string;
  /** The real one, where the configuration says 0. */
  readonly port: number;
  readonly tls: boolean;
}

/** What a command sees of the process; injected, so that commands can be tested without one. */
export interface Io {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Env;
  /** To be called once, when every listener accepts connections. */
  readonly onReady: (listening: readonly ListeningAddress[]) => void;
}

/** Where the running configuration comes from: a file can be read again on reload, anything else cannot. */
export type ConfigSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'fixed'; readonly config: ProxyConfig };

/** Runs the proxy until it is told to stop; resolves to the exit code of the process. */
export type RunProxy = (source: ConfigSource, io: Io) => Promise<number>;

/**
 * Reads the configuration for the first time, or again: what runs must not wait for a pipe that nobody writes to, so
 * only regular files are read again.
 */
export function readSource(source: ConfigSource, env: Env, when: 'first' | 'again' = 'first'): LoadResult {
  if (source.kind === 'fixed') return { config: source.config, problems: [] };
  return loadConfig(source.path, { env, regular: when === 'again' });
}

/** The real process. */
export function processIo(): Io {
  return { stdout: process.stdout, stderr: process.stderr, env: process.env, onReady: () => undefined };
}

/** Whether to colour what goes to `sink`; NO_COLOR (https://no-color.org) says no. */
export function wantsColor(sink: TextSink, env: Env): boolean {
  return sink.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}
