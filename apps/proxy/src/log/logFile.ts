import { closeSync, constants, fstatSync, openSync } from 'node:fs';

/** Why a log file could not be opened. */
export class LogFileError extends Error {
  readonly code = 'LOG_FILE';
  readonly source = 'proxy';
  readonly retryable = 'no';

  constructor(file: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`the log file ${JSON.stringify(file)} cannot be opened: ${reason}`, { cause });
    this.name = 'LogFileError';
  }
}

/** An open log file. */
export interface OpenLogFile {
  readonly fd: number;
  /** Whether it is ours to close. */
  readonly owned: boolean;
  /** A file on a disk, as opposed to a pipe, a terminal or a socket. */
  readonly regular: boolean;
}

const STANDARD: Readonly<Record<string, number>> = { stdout: 1, stderr: 2 };

/** Whether the name means a standard stream of the process. */
export function isStandard(file: string): boolean {
  return Object.hasOwn(STANDARD, file);
}

/**
 * A pipe is opened a second time, without blocking: a write to a full blocking pipe would hold one of the few
 * threads that the whole process shares for files and name look-ups, and even its end would wait for it. The
 * flag must not be set on the descriptor itself, because other processes write to the same one.
 */
const openStandard = (fd: number): OpenLogFile => {
  const stat = fstatSync(fd);
  const shared = { fd, owned: false, regular: stat.isFile() };
  if (!stat.isFIFO() || process.platform !== 'linux') return shared;
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK;
    return { fd: openSync(`/proc/self/fd/${fd}`, flags), owned: true, regular: false };
  } catch {
    // No /proc, or the pipe belongs to another user: the shared descriptor works, if less well.
    return shared;
  }
};

/**
 * Opens a path for appending, or `stdout` or `stderr`.
 * @throws {LogFileError} if it cannot be opened
 */
export function openLogFile(file: string): OpenLogFile {
  const standard = isStandard(file) ? STANDARD[file] : undefined;
  try {
    if (standard !== undefined) return openStandard(standard);
    // Without blocking, too: a named pipe that nobody reads must not hold up the start.
    const fd = openSync(
      file,
      constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK,
      0o640,
    );
    return { fd, owned: true, regular: fstatSync(fd).isFile() };
  } catch (error) {
    throw new LogFileError(file, error);
  }
}

/** Whether `file` (a path, `stdout` or `stderr`) can be opened for appending: an error to show, or null. */
export function logFileMistake(file: string): LogFileError | null {
  try {
    const { fd, owned } = openLogFile(file);
    if (owned) closeSync(fd);
    return null;
  } catch (error) {
    if (error instanceof LogFileError) return error;
    throw error;
  }
}
