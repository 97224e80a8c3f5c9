import type { EventLog } from './contracts.ts';

/** Lines with one message that an engine logs per second. */
export const MAX_LINES_PER_SECOND = 100;

type Level = keyof EventLog;

/** What became of one message. */
interface Tally {
  second: number;
  lines: number;
  omitted: number;
}

/**
 * Bounds what peers can make us log: of each message the first lines of a second pass, and the next one that passes
 * says by `omitted` how many did not. Who wants every request has the access log.
 */
export class LimitedLog implements EventLog {
  readonly #log: EventLog;
  readonly #clock: () => number;
  /** By message: they are literals of the engine, so there are few. */
  readonly #tallies: Map<string, Tally> = new Map();

  /** @param clock monotonic milliseconds */
  constructor(log: EventLog, clock: () => number) {
    this.#log = log;
    this.#clock = clock;
  }

  debug(fields: object, message: string): void {
    this.#pass('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#pass('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#pass('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#pass('error', fields, message);
  }

  #pass(level: Level, fields: object, message: string): void {
    const second = Math.floor(this.#clock() / 1_000);
    let tally = this.#tallies.get(message);
    if (tally === undefined) this.#tallies.set(message, (tally = { second, lines: 0, omitted: 0 }));
    if (tally.second !== second) {
      tally.second = second;
      tally.lines = 0;
    }
    if (tally.lines >= MAX_LINES_PER_SECOND) {
      tally.omitted++;
      return;
    }
    tally.lines++;
    const { omitted } = tally;
    tally.omitted = 0;
    this.#log[level](omitted === 0 ? fields : { ...fields, omitted }, message);
  }
}
