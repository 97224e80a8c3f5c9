import type { EventLog } from '@rp/core';
import type { Logger } from '../log/index.ts';

/** The process log as the engine writes to it. */
export function eventLog(logger: Logger): EventLog {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}
