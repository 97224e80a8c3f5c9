/**
 * The units of the configuration file. Times become milliseconds, sizes bytes, shares a number from 0 to 1.
 * A number without a unit is refused: "timeout: 10" has meant seconds to one reader and milliseconds to the
 * next in every proxy that allows it.
 */

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
};

/** What a duration looks like: a number and `ms`, `s`, `m` or `h`. */
export const DURATION_PATTERN = '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$';
/** What a size looks like: a number and `B`, `KB`, `MB`, `GB` or `TB` (powers of 1024). */
export const SIZE_PATTERN = '^[0-9]+(\\.[0-9]+)?(B|KB|MB|GB|TB)$';
/** What a share looks like: a number from 0 to 100 and `%`. */
export const PERCENT_PATTERN = '^[0-9]+(\\.[0-9]+)?%$';

const durationPattern = new RegExp(DURATION_PATTERN);
const sizePattern = new RegExp(SIZE_PATTERN);
const percentPattern = new RegExp(PERCENT_PATTERN);

const scaled = (text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number => {
  const unit = pattern.exec(text)?.[2];
  const factor = unit === undefined ? undefined : units[unit];
  return factor === undefined ? Number.NaN : Math.round(Number.parseFloat(text) * factor);
};

/** Milliseconds (whole) of `250ms`, `10s`, `1.5m`, `24h`; NaN if the text is no duration. */
export function parseDuration(text: string): number {
  return scaled(text, durationPattern, MS_PER_UNIT);
}

/** Bytes (whole) of `512B`, `8KB`, `100MB`, `1GB`, powers of 1024; NaN if the text is no size. */
export function parseSize(text: string): number {
  return scaled(text, sizePattern, BYTES_PER_UNIT);
}

/** A share from 0 to 1 of `20%`; NaN if the text is none or above 100 %. */
export function parsePercent(text: string): number {
  if (!percentPattern.test(text)) return Number.NaN;
  const share = Number.parseFloat(text) / 100;
  return share <= 1 ? share : Number.NaN;
}

const written = (value: number, units: Readonly<Record<string, number>>, smallest: string): string => {
  if (value === 0) return `0${smallest === 'ms' ? 's' : smallest}`;
  let best = `${value}${smallest}`;
  for (const [unit, factor] of Object.entries(units)) {
    if (value >= factor && value % factor === 0) best = `${value / factor}${unit}`;
  }
  return best;
};

/** Milliseconds written in the largest unit that needs no fraction: 300000 → `5m`. */
export function formatDuration(ms: number): string {
  return written(ms, MS_PER_UNIT, 'ms');
}

/** Bytes written in the largest unit that needs no fraction: 8192 → `8KB`. */
export function formatSize(bytes: number): string {
  return written(bytes, BYTES_PER_UNIT, 'B');
}

/** A share from 0 to 1 written as a percentage: 0.2 → `20%`. */
export function formatPercent(share: number): string {
  return `${Number((share * 100).toFixed(6))}%`;
}
