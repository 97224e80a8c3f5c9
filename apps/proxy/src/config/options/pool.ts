import { choice, duration, integer, section } from '../option.ts';
import type { Section } from '../option.ts';

/** Connections kept to one backend, for the whole process. */
export interface Pool {
  readonly maxConnections: number;
  readonly minIdle: number;
  readonly maxIdle: number;
  /** Milliseconds. */
  readonly idleTimeout: number;
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Milliseconds; 0: none. */
  readonly maxLifetime: number;
  /** 0: any number. */
  readonly maxRequestsPerConnection: number;
  readonly onExhausted: 'queue' | 'overflow' | 'fail';
  /** Milliseconds. */
  readonly queueTimeout: number;
  readonly maxQueue: number;
  /** 0: as `maxConnections`. */
  readonly maxOverflow: number;
  /** Milliseconds. */
  readonly backoff: number;
  /** Milliseconds. */
  readonly maxBackoff: number;
}

const most = { min: 0, max: 1_000_000 };

/** `upstreams.<name>.pool` */
export const pool: Section<Pool> = section(
  'Connections to each backend, counted over all worker threads.',
  {
    maxConnections: integer({
      doc: 'Open connections per backend; over HTTP/2 four at most for each worker, since requests share them.',
      fallback: 32,
      min: 1,
      max: 1_000_000,
    }),
    minIdle: integer({
      doc: 'Idle connections kept ready (HTTP/1.1, and not with `proxyProtocol`). Left out: 4, or `maxIdle` if that is less.',
      fallback: 4,
      ...most,
    }),
    maxIdle: integer({
      doc: 'Idle connections kept at most (HTTP/1.1). Left out: 16, or `maxConnections` if that is less.',
      fallback: 16,
      ...most,
    }),
    idleTimeout: duration({
      doc: 'An idle connection is closed after this. Hazard: keep it below the backend’s own limit, or requests meet closed connections.',
      fallback: '300s',
    }),
    connectTimeout: duration({
      doc: 'Limit for a new connection, then 504 or another backend. Left out: `timeouts.connect`.',
      fallback: '5s',
    }),
    maxLifetime: duration({
      doc: 'A connection this old is closed after its request; `0s`: never.',
      fallback: '0s',
      min: 0,
      max: 365 * 24 * 3_600_000,
    }),
    maxRequestsPerConnection: integer({
      doc: 'A connection is closed after so many requests; 0: never.',
      fallback: 0,
      min: 0,
      max: 1_000_000_000,
    }),
    onExhausted: choice(['queue', 'overflow', 'fail'], {
      doc: 'When all are busy: wait in a queue, open a temporary connection, or answer 503. HTTP/2 always waits in the queue.',
      fallback: 'queue',
    }),
    queueTimeout: duration({ doc: 'Longest wait in the queue, then 503.', fallback: '5s' }),
    maxQueue: integer({ doc: 'Longest queue, then 503.', fallback: 1024, ...most }),
    maxOverflow: integer({
      doc: 'Temporary connections at one time, for `onExhausted: overflow`; 0: as many as `maxConnections`.',
      fallback: 0,
      ...most,
    }),
    backoff: duration({
      doc: 'Time without connects after one that failed, doubled for each further one; `0s`: none. HTTP/1.1.',
      fallback: '100ms',
      min: 0,
      max: 60_000,
    }),
    maxBackoff: duration({
      doc: 'Longest time without connects. Left out: 1s, or `backoff` if that is more. Hazard of a long one: a backend that is back is found late.',
      fallback: '1s',
      min: 0,
      max: 3_600_000,
    }),
  },
  (value, given) => {
    const maxIdle = given('maxIdle') ? value.maxIdle : Math.min(value.maxIdle, value.maxConnections);
    return {
      ...value,
      maxIdle,
      minIdle: given('minIdle') ? value.minIdle : Math.min(value.minIdle, maxIdle),
      maxBackoff: given('maxBackoff') ? value.maxBackoff : Math.max(value.maxBackoff, value.backoff),
    };
  },
);
