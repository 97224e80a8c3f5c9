import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** What the loader needs to know about files that a configuration names; injected, so that checks run without any. */
export interface Files {
  /** Why the file cannot be read, in words, or null if it can. */
  readonly unreadable: (path: string) => string | null;
  /** Why the file cannot be written to or made, in words, or null if it can. */
  readonly unwritable: (path: string) => string | null;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not use this file',
  ENOTDIR: 'there is no such file',
};

/** Why a system call on a file failed, in words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return reasons[code] ?? `this file cannot be used (${code})`;
}

const refused = (path: string, mode: number): string | null => {
  try {
    accessSync(path, mode);
    return statSync(path).isDirectory() ? 'this is a folder, not a file' : null;
  } catch (error) {
    return reasonOf(error);
  }
};

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** The real files. */
export const fileSystem: Files = {
  unreadable: (path) => refused(path, constants.R_OK),
  unwritable: (path) => {
    const folder = dirname(path);
    try {
      if (exists(path)) return refused(path, constants.W_OK);
      if (!exists(folder)) return 'the folder of this file does not exist';
      accessSync(folder, constants.W_OK);
      return null;
    } catch (error) {
      return reasonOf(error);
    }
  },
};
