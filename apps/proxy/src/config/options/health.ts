import { pathMistake } from '../address.ts';
import {
  boolean,
  choice,
  custom,
  duration,
  integer,
  nullable,
  percent,
  section,
  size,
  text,
} from '../option.ts';
import { parsePercent, PERCENT_PATTERN } from '../units.ts';
import type { Leaf, Section } from '../option.ts';

/** Statuses from the first to the last, both included. */
export type StatusRange = readonly [first: number, last: number];

/** Requests of our own that find out whether a backend serves. */
export interface HealthCheck {
  readonly method: 'GET' | 'HEAD' | 'OPTIONS';
  readonly path: string;
  /** `Host` of the request, or null for host and port of the backend. */
  readonly host: string | null;
  /** Milliseconds. */
  readonly interval: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly failureThreshold: number;
  readonly successThreshold: number;
  /** 0 to 0.5 of the interval. */
  readonly jitter: number;
  /** Milliseconds. */
  readonly maxInterval: number;
  readonly expectStatus: readonly StatusRange[];
  readonly expectBody: string | null;
}

/** What the proxy learns from traffic. */
export interface PassiveHealth {
  readonly enabled: boolean;
  readonly failureThreshold: number;
  /** Milliseconds. */
  readonly ejectionTime: number;
  /** Milliseconds. */
  readonly maxEjectionTime: number;
  /** 0 to 1. */
  readonly maxEjectionPercent: number;
  /** How the time grows. */
  readonly growth: 'linear' | 'exponential';
  /** Milliseconds. */
  readonly forgetAfter: number;
  /** Share of failures, 0 (off) to 1. */
  readonly failureRate: number;
  readonly minimumRequests: number;
  /** Milliseconds. */
  readonly window: number;
  readonly count5xx: boolean;
  /** Milliseconds; 0: off. */
  readonly maxLatency: number;
  /** Bytes per second; 0: off. */
  readonly minRate: number;
}

/** Keeps traffic away from a backend that fails much of it. */
export interface CircuitBreaker {
  /** Share of failures, 0 to 1. */
  readonly failureRate: number;
  readonly minimumRequests: number;
  /** Milliseconds. */
  readonly window: number;
  /** Milliseconds. */
  readonly openTime: number;
  /** Milliseconds. */
  readonly maxOpenTime: number;
  readonly halfOpenTrials: number;
}

/** A share of the interval. */
const jitter: Leaf<number> = custom(
  {
    doc: 'Share of the interval by which checks vary at random. Hazard of `0%`: all proxies check at the same moment.',
    allowed: 'a percentage from 0% to 50%',
    schema: { type: 'string', pattern: PERCENT_PATTERN },
    fallback: '10%',
  },
  (raw, fail) => {
    const share = parsePercent(String(raw));
    if (!(share >= 0 && share <= 0.5)) fail('this percentage is out of range');
    return share;
  },
);

const STATUS_PATTERN = '^([1-5][0-9][0-9](-[1-5][0-9][0-9])?|[1-5]xx)$';
const statusSchema = { type: ['integer', 'string'], minimum: 100, maximum: 599, pattern: STATUS_PATTERN };

const statusRange = (raw: unknown): StatusRange => {
  const text = String(raw);
  if (text.endsWith('xx')) return [Number(text[0]) * 100, Number(text[0]) * 100 + 99];
  const [first, last] = text.split('-');
  return [Number(first), Number(last ?? first)];
};

/** A list of statuses and ranges of them; none below `least`. */
export function statuses(settings: {
  readonly doc: string;
  readonly allowed: string;
  readonly least: number;
  readonly minItems: number;
  readonly fallback: readonly string[];
}): Leaf<readonly StatusRange[]> {
  const { doc, allowed, least, minItems, fallback } = settings;
  const schema = { type: 'array', items: { ...statusSchema, minimum: least }, minItems };
  return custom({ doc, allowed, schema, fallback }, (raw, fail) => {
    const ranges = Array.isArray(raw) ? raw.map(statusRange) : [];
    for (const [index, [first, last]] of ranges.entries()) {
      if (first > last) fail('this range runs backwards', index);
      else if (first < least) fail(`no status below ${least} belongs here`, index);
    }
    return ranges;
  });
}

const expectStatus: Leaf<readonly StatusRange[]> = statuses({
  doc: 'Statuses that mean healthy: `200`, `2xx`, `200-399`.',
  allowed: 'a list of statuses such as 200, 2xx or 200-399',
  least: 100,
  minItems: 1,
  fallback: ['200-399'],
});

/** `upstreams.<name>.healthCheck` */
export const healthCheck: Section<HealthCheck> = section(
  'Asks every backend at an interval whether it serves; off where left out.',
  {
    method: choice(['GET', 'HEAD', 'OPTIONS'], { doc: 'Method of the request.', fallback: 'GET' }),
    path: text({
      doc: 'Path of the request. Hazard: one that needs the database takes all backends out with it.',
      allowed: 'a path that starts with a slash',
      fallback: '/',
      mistake: (path) => pathMistake(path.replace(/\?.*$/u, '')),
    }),
    host: nullable(
      text({
        doc: '`Host` of the request; host and port of the backend otherwise.',
        allowed: 'a host, or host:port',
        pattern: '^[A-Za-z0-9._:\\[\\]-]+$',
      }),
    ),
    interval: duration({
      doc: 'Time between two checks. A backend that stops leaves within interval × threshold. Hazard of a short one: load on backends.',
      fallback: '10s',
      min: 100,
    }),
    jitter,
    maxInterval: duration({
      doc: 'The interval doubles with each check that fails beyond the threshold, up to this (or `interval`, if that is longer); not while all backends are down. Hazard of a long one: recovery is found late.',
      fallback: '60s',
      min: 100,
    }),
    timeout: duration({
      doc: 'Limit for one check; not above `interval`. Hazard: longer than requests may take, it lets slow backends pass.',
      fallback: '5s',
      min: 10,
      max: 3_600_000,
    }),
    failureThreshold: integer({
      doc: 'Failures in a row that take a backend out. Hazard of `1`: one lost packet does.',
      fallback: 3,
      min: 1,
      max: 100,
    }),
    successThreshold: integer({
      doc: 'Successes in a row that bring it back; one while all are down. Hazard of `1`: a backend that flaps goes in and out.',
      fallback: 2,
      min: 1,
      max: 100,
    }),
    expectStatus,
    expectBody: nullable(
      text({ doc: 'Text that the body must contain; needs GET.', allowed: 'text that is not empty' }),
    ),
  },
);

/** `upstreams.<name>.passiveHealth` */
export const passiveHealth: Section<PassiveHealth> = section(
  'Takes a backend out when real requests to it fail (connect errors, resets, timeouts).',
  {
    enabled: boolean({ doc: 'Switches it on.', fallback: true }),
    failureThreshold: integer({
      doc: 'Failures in a row that take a backend out. Hazard of `1`: any mishap does.',
      fallback: 5,
      min: 1,
      max: 1000,
    }),
    failureRate: percent({
      doc: 'Share of failures in `window` that takes a backend out, though they are not in a row; `0%`: none does.',
      fallback: '50%',
    }),
    minimumRequests: integer({
      doc: 'Requests in `window` before `failureRate` counts. Hazard of a small number: chance takes backends out.',
      fallback: 20,
      min: 1,
      max: 1_000_000,
    }),
    window: duration({
      doc: 'Time over which the rate of failures is taken; with `circuitBreaker`, both have the same. Hazard of a short one: a burst decides.',
      fallback: '10s',
      min: 100,
      max: 3_600_000,
    }),
    ejectionTime: duration({
      doc: 'First time out; longer each time in a row. Hazard of a long one: capacity is missing for long.',
      fallback: '10s',
      min: 100,
      max: 3_600_000,
    }),
    maxEjectionTime: duration({ doc: 'Longest time out.', fallback: '5m', min: 100 }),
    growth: choice(['exponential', 'linear'], {
      doc: 'How the time grows: `ejectionTime` doubled each time, or added.',
      fallback: 'exponential',
    }),
    forgetAfter: duration({
      doc: 'Time in service after which one earlier time out is forgotten. Hazard of a short one: a backend that flaps is never out for long.',
      fallback: '60s',
    }),
    maxEjectionPercent: percent({
      doc: 'Share of the backends that may be out at once. Hazard of `100%`: one bad client request can empty the fleet.',
      fallback: '50%',
    }),
    count5xx: boolean({
      doc: 'Counts answers of 500 and above as failures too. Hazard: one bad URL of the application takes its servers out.',
      fallback: false,
    }),
    maxLatency: duration({
      doc: 'Takes a backend out when so many answers in a row as `failureThreshold` says begin later than this, while another backend is in time; `0s`: none. Hazard of a short one: what is only a little slower goes.',
      fallback: '0s',
      min: 0,
      max: 3_600_000,
    }),
    minRate: size({
      doc: 'Counts answers whose body comes more slowly than this many bytes per second as late; `0B`: none. They go on all the same, and time that a slow client takes does not count. Hazard: bodies that are slow by nature (`text/event-stream` is left out by itself).',
      fallback: '0B',
      min: 0,
    }),
  },
);

/** `upstreams.<name>.circuitBreaker` */
export const circuitBreaker: Section<CircuitBreaker> = section(
  'Stops traffic to a backend that fails too large a share of it; off where left out.',
  {
    failureRate: percent({
      doc: 'Share of failures that opens the circuit; it knows no `maxEjectionPercent`.',
      fallback: '50%',
    }),
    minimumRequests: integer({
      doc: 'Requests in the window before it may open. Hazard of a small number: chance opens it.',
      fallback: 20,
      min: 1,
      max: 1_000_000,
    }),
    window: duration({
      doc: 'Time over which requests are counted.',
      fallback: '10s',
      min: 100,
      max: 3_600_000,
    }),
    openTime: duration({
      doc: 'Time without traffic before trials; doubled after each that fails.',
      fallback: '30s',
      min: 100,
      max: 3_600_000,
    }),
    maxOpenTime: duration({
      doc: 'Longest time without traffic. Left out: 5m, or `openTime` if that is more. Hazard: recovery is found late, unless health checks find it.',
      fallback: '5m',
      min: 100,
    }),
    halfOpenTrials: integer({
      doc: 'Trial requests, at one time, that must succeed to close it. Hazard of many: a weak backend falls over again.',
      fallback: 3,
      min: 1,
      max: 1000,
    }),
  },
  (value, given) =>
    given('maxOpenTime') ? value : { ...value, maxOpenTime: Math.max(value.maxOpenTime, value.openTime) },
);
