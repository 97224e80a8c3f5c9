import { watch } from 'node:fs';

/**
 * Watches one directory, not what is below it.
 *
 * @returns a function that ends it.
 */
export type DirectoryWatcher = (
  directory: string,
  onEvent: () => void,
  onError: (error: unknown) => void,
) => () => void;

/** Timers, replaceable in tests. `clear` takes undefined too. */
export interface Timers {
  set(callback: () => void, milliseconds: number): unknown;
  clear(timer: unknown): void;
}

/** `fs.watch`, which does not keep the process alive. */
export const watchDirectory: DirectoryWatcher = (directory, onEvent, onError) => {
  const watcher = watch(directory, { persistent: false });
  watcher.on('change', onEvent);
  watcher.on('error', onError);
  return () => watcher.close();
};

/** `setTimeout`, which does not keep the process alive. */
export const realTimers: Timers = {
  set(callback: () => void, milliseconds: number): unknown {
    return setTimeout(callback, milliseconds).unref();
  },
  clear(timer: unknown): void {
    if (timer instanceof Object) clearTimeout(timer as NodeJS.Timeout);
  },
};
