import { pathMistake } from '../address.ts';
import { boolean, choice, custom, duration, integer, nullable, percent, section, text } from '../option.ts';
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
  readonly count5xx: boolean;
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
  readonly halfOpenTrials: number;
}

const STATUS_PATTERN = '^([1-5][0-9][0-9](-[1-5][0-9][0-9])?|[1-5]xx)$';
const statusSchema = { type: ['integer', 'string'], minimum: 100, maximum: 599, pattern: STATUS_PATTERN };

const statusRange = (raw: unknown): StatusRange => {
  const text = String(raw);
  if (text.endsWith('xx')) return [Number(text[0]) * 100, Number(text[0]) * 100 + 99];
  const [first, last] = text.split('-');
  return [Number(first), Number(last ?? first)];
};

const expectStatus: Leaf<readonly StatusRange[]> = custom(
  {
    doc: 'Statuses that mean healthy: `200`, `2xx`, `200-399`.',
    allowed: 'a list of statuses such as 200, 2xx or 200-399',
    schema: { type: 'array', items: statusSchema, minItems: 1 },
    fallback: ['200-399'],
  },
  (raw, fail) => {
    const ranges = Array.isArray(raw) ? raw.map(statusRange) : [];
    for (const [index, [first, last]] of ranges.entries())
      if (first > last) fail('this range runs backwards', index);
    return ranges;
  },
);

/** `upstreams.<name>.healthCheck` */
export const healthCheck: Section<HealthCheck> = section(
  'Asks every backend at an interval whether it serves; off where left out.',
  {
    method: choice(['GET', 'HEAD', 'OPTIONS'], { doc: 'Method of the request.', fallback: 'GET' }),
    path: text({
      doc: 'Path of the request.',
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
    interval: duration({ doc: 'Time between two checks, with jitter.', fallback: '10s', min: 100 }),
    timeout: duration({
      doc: 'Limit for one check; not above `interval`.',
      fallback: '5s',
      min: 10,
      max: 3_600_000,
    }),
    failureThreshold: integer({
      doc: 'Failures in a row that take a backend out.',
      fallback: 3,
      min: 1,
      max: 100,
    }),
    successThreshold: integer({
      doc: 'Successes in a row that bring it back.',
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
      doc: 'Failures in a row that take a backend out.',
      fallback: 5,
      min: 1,
      max: 1000,
    }),
    ejectionTime: duration({
      doc: 'First time out; longer each time in a row.',
      fallback: '10s',
      min: 100,
      max: 3_600_000,
    }),
    maxEjectionTime: duration({ doc: 'Longest time out.', fallback: '5m', min: 100 }),
    maxEjectionPercent: percent({
      doc: 'Share of the backends that may be out at once. Hazard of `100%`: one bad client request can empty the fleet.',
      fallback: '50%',
    }),
    count5xx: boolean({ doc: 'Counts answers of 500 and above as failures too.', fallback: false }),
  },
);

/** `upstreams.<name>.circuitBreaker` */
export const circuitBreaker: Section<CircuitBreaker> = section(
  'Stops traffic to a backend that fails too large a share of it; off where left out.',
  {
    failureRate: percent({ doc: 'Share of failures that opens the circuit.', fallback: '50%' }),
    minimumRequests: integer({
      doc: 'Requests in the window before it may open.',
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
      doc: 'Time without traffic before trials; longer after each that fails.',
      fallback: '30s',
      min: 100,
      max: 3_600_000,
    }),
    halfOpenTrials: integer({
      doc: 'Trial requests that must succeed to close it.',
      fallback: 3,
      min: 1,
      max: 1000,
    }),
  },
);
