export * from './config/index.ts';
export { main } from './cli/main.ts';
export type { ConfigSource, Io, ListeningAddress, RunProxy, TextSink } from './cli/io.ts';
export * from './log/index.ts';
