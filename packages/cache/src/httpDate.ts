const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec ';

const IMF_FIXDATE = /^(?:mon|tue|wed|thu|fri|sat|sun), (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) gmt$/i;

// Within a second all responses carry the same Date, so the last few are remembered.
const MEMO_SIZE = 8;
const memoValues: string[] = Array.from({ length: MEMO_SIZE }, () => '');
const memoTimes: number[] = Array.from({ length: MEMO_SIZE }, () => Number.NaN);
let memoNext = 0;
const RFC_850 =
  /^(?:mon|tues|wednes|thurs|fri|satur|sun)day, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) gmt$/i;
const ASCTIME = /^(?:mon|tue|wed|thu|fri|sat|sun) ([a-z]{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/i;

/**
 * Reads an HTTP-date in any of the three formats (RFC 9110 §5.6.7), without regard to case (RFC 9111 §4.2).
 * Anything else, another zone than GMT among it, is invalid.
 *
 * @param now epoch milliseconds, to place two-digit years: one that looks more than 50 years ahead is past.
 * @returns epoch milliseconds, or `NaN`.
 */
export function parseHttpDate(value: string, now: number): number {
  for (let i = 0; i < MEMO_SIZE; i++) if (memoValues[i] === value) return memoTimes[i] as number;
  let match = IMF_FIXDATE.exec(value);
  if (match !== null) {
    const [, day, month, year, hour, minute, second] = match as unknown as string[];
    const time = instant(
      Number(year),
      month as string,
      Number(day),
      Number(hour),
      Number(minute),
      Number(second),
    );
    memoValues[memoNext] = value;
    memoTimes[memoNext] = time;
    memoNext = (memoNext + 1) % MEMO_SIZE;
    return time;
  }
  match = RFC_850.exec(value);
  if (match !== null) {
    const [, day, month, year, hour, minute, second] = match as unknown as string[];
    const full = fullYear(Number(year), now);
    return instant(full, month as string, Number(day), Number(hour), Number(minute), Number(second));
  }
  match = ASCTIME.exec(value);
  if (match !== null) {
    const [, month, day, hour, minute, second, year] = match as unknown as string[];
    return instant(Number(year), month as string, Number(day), Number(hour), Number(minute), Number(second));
  }
  return Number.NaN;
}

/** Writes an IMF-fixdate (RFC 9110 §5.6.7). */
export function formatHttpDate(time: number): string {
  return new Date(time).toUTCString();
}

function fullYear(twoDigits: number, now: number): number {
  const current = new Date(now).getUTCFullYear();
  const inCentury = current - (current % 100) + twoDigits;
  // RFC 9110 §5.6.7: more than 50 years in the future means the most recent past year with those digits.
  if (inCentury > current + 50) return inCentury - 100;
  return inCentury <= current - 50 ? inCentury + 100 : inCentury;
}

function instant(
  year: number,
  monthName: string,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number {
  const at = MONTHS.indexOf(`${monthName.toLowerCase()} `);
  if (at < 0 || hour > 23 || minute > 59 || second > 60 || day < 1) return Number.NaN;
  const month = at >> 2;
  const time = Date.UTC(year, month, day, hour, minute, second);
  // 31 Feb rolls over into March: no such day.
  return new Date(Date.UTC(year, month, day)).getUTCMonth() === month ? time : Number.NaN;
}
