import type { AccessRecord } from './accessRecord.ts';
import { bareText, EscapeCache, jsonString, quotedText } from './escape.ts';
import { maskTarget } from './mask.ts';

/** How a line of the access log looks. */
export type AccessFormat = 'json' | 'common' | 'combined';

/** Turns a finished request into a line, line feed included; printable ASCII only. */
export interface AccessFormatter {
  readonly format: (record: AccessRecord) => string;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** Milliseconds with at most three decimals. */
const ms = (value: number): string => String(Math.round(value * 1000) / 1000);

/** A second is formatted once; within it only the milliseconds differ. */
class SecondCache {
  #second = Number.NaN;
  #text = '';
  readonly #write: (date: Date) => string;

  constructor(write: (date: Date) => string) {
    this.#write = write;
  }

  of(time: number): string {
    const second = Math.floor(time / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = this.#write(new Date(second * 1000));
    }
    return this.#text;
  }
}

const isoSecond = (date: Date): string => `{"time":"${date.toISOString().slice(0, -4)}`;

const commonSecond = (date: Date): string => {
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()] ?? ''}/${date.getUTCFullYear()}`;
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `[${day}:${time} +0000]`;
};

const milliseconds = (time: number): string => {
  const rest = Math.floor(time) % 1000;
  return rest < 10 ? `00${rest}` : rest < 100 ? `0${rest}` : String(rest);
};

/** One JSON object per line; what is "none" is left out. Times in milliseconds, sizes in bytes. */
export class JsonFormatter implements AccessFormatter {
  readonly #seconds = new SecondCache(isoSecond);
  readonly #clients = new EscapeCache();
  readonly #hosts = new EscapeCache();
  readonly #userAgents = new EscapeCache();

  format(record: AccessRecord): string {
    const { target, referer, userAgent } = record;
    let line = `${this.#seconds.of(record.time)}${milliseconds(record.time)}Z","client":${this.#clients.json(
      record.client,
    )},"method":${jsonString(record.method)},"target":${jsonString(maskTarget(target))},"version":${jsonString(
      record.version,
    )},"status":${record.status},"bytesIn":${record.bytesIn},"bytesOut":${record.bytesOut},"duration":${ms(
      record.duration,
    )}`;
    if (record.host !== '') line += `,"host":${this.#hosts.json(record.host)}`;
    if (record.upstream !== '') line += `,"upstream":${jsonString(record.upstream)}`;
    if (record.backend !== '') line += `,"backend":${jsonString(record.backend)}`;
    if (record.cache !== '') line += `,"cache":${jsonString(record.cache)}`;
    if (record.retries !== 0) line += `,"retries":${record.retries}`;
    if (record.requestId !== '') line += `,"requestId":${jsonString(record.requestId)}`;
    if (referer !== '') line += `,"referer":${jsonString(maskTarget(referer))}`;
    if (userAgent !== '') line += `,"userAgent":${this.#userAgents.json(userAgent)}`;
    if (record.queueTime >= 0) line += `,"queueTime":${ms(record.queueTime)}`;
    if (record.firstByteTime >= 0) line += `,"firstByteTime":${ms(record.firstByteTime)}`;
    if (record.errorCode !== '') line += `,"error":${jsonString(record.errorCode)}`;
    return `${line}}\n`;
  }
}

/** NCSA common log format, or combined, which adds `Referer` and `User-Agent`; times in UTC. */
export class CommonFormatter implements AccessFormatter {
  readonly #seconds = new SecondCache(commonSecond);
  readonly #combined: boolean;

  constructor(kind: 'common' | 'combined') {
    this.#combined = kind === 'combined';
  }

  format(record: AccessRecord): string {
    const request = quotedText(`${record.method} ${maskTarget(record.target)} ${record.version}`.trim());
    const bytes = record.bytesOut === 0 ? '-' : String(record.bytesOut);
    const time = this.#seconds.of(record.time);
    const line = `${bareText(record.client)} - - ${time} "${request}" ${record.status} ${bytes}`;
    if (!this.#combined) return `${line}\n`;
    return `${line} "${quotedText(maskTarget(record.referer))}" "${quotedText(record.userAgent)}"\n`;
  }
}

/** The formatter of a format. */
export function accessFormatter(format: AccessFormat): AccessFormatter {
  return format === 'json' ? new JsonFormatter() : new CommonFormatter(format);
}
