import { pino, stdTimeFunctions, type Logger as PinoLogger } from 'pino';

/** Levels of the process log, least first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** A level of the process log. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The process log: structured lines, one JSON object each. */
export type Logger = PinoLogger;

/** Settings of {@link createLogger}. */
export interface LoggerOptions {
  /** Least level that is written; change it at run time with {@link setLevel}. */
  readonly level: LogLevel;
  /** Where lines go; never blocks. A `LogSink`, or what hands lines to another thread. */
  readonly sink: { readonly write: (line: string) => void };
  /** Fields of every line, such as the number of a worker. */
  readonly base?: Readonly<Record<string, unknown>>;
}

const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'passphrase',
  'password',
  'proxy-authorization',
  'secret',
  'set-cookie',
  'token',
];

// The names as they come on the wire, too, and one level down (`headers`, `admin`): deeper objects are never logged.
const redacted = SECRET_FIELDS.flatMap((field) => {
  const wire = field.replaceAll(/(?:^|-)[a-z]/gu, (letter) => letter.toUpperCase());
  return [field, wire].flatMap((name) => [`["${name}"]`, `*["${name}"]`]);
});

/**
 * A logger that writes `{"level":"info","time":"…","msg":"…",…}`. Fields that hold secrets by their name
 * (`token`, `authorization`, `cookie`, …) are written as `***`.
 */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: options.base ?? null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redacted, censor: '***' },
    },
    options.sink,
  );
}

/** Whether a word is a level. */
export function isLogLevel(word: string): word is LogLevel {
  return LOG_LEVELS.some((level) => level === word);
}

/** Changes the least level that is written, at once. Loggers made by `child()` before keep theirs. */
export function setLevel(logger: Logger, level: LogLevel): void {
  logger.level = level;
}
