import type { Hooks } from '@rp/core';
import type { ProxyConfig } from './config/index.ts';
import type { ProxyOptions, RunningProxy } from './run/library.ts';

export * from './config/index.ts';
export { main } from './cli/main.ts';
export type { ConfigSource, Io, ListeningAddress, RunProxy, TextSink } from './cli/io.ts';
export * from './log/index.ts';
export type { ConfigError, ProxyOptions, RunningProxy } from './run/library.ts';

/**
 * Runs a proxy in this thread: `await createProxy({ listen: 8080, backends: ['http://127.0.0.1:3000'] })`. Logs warnings
 * and errors to standard error, unless `config.log` says otherwise.
 * @throws {ConfigError} for options that cannot be; {@link Error} where it cannot listen
 */
export async function createProxy(options: ProxyOptions): Promise<RunningProxy> {
  // Loaded when it is needed: checking a configuration must not wait for the engine.
  return (await import('./run/library.ts')).createProxy(options);
}

/**
 * Runs a proxy by a whole configuration in this thread: `workers` and `admin` are left out of account.
 * @throws {Error} where it cannot listen
 */
export async function startProxy(config: ProxyConfig, hooks?: (hooks: Hooks) => void): Promise<RunningProxy> {
  return (await import('./run/library.ts')).startProxy(config, hooks);
}
