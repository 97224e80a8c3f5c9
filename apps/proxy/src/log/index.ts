export { AccessLog, type BatchSink } from './accessLog.ts';
export { accessFormatter, CommonFormatter, JsonFormatter } from './accessFormat.ts';
export type { AccessFormat, AccessFormatter } from './accessFormat.ts';
export { AccessRecord } from './accessRecord.ts';
export { createLogger, isLogLevel, LOG_LEVELS, setLevel } from './logger.ts';
export type { Logger, LoggerOptions, LogLevel } from './logger.ts';
export { maskTarget } from './mask.ts';
export { LogFileError, logFileMistake } from './logFile.ts';
export { LogSink, type LogSinkOptions } from './sink.ts';
