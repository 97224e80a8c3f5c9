/**
 * How an attempt at a backend ended. Numbers, because they index the counters and are compared on the hot
 * path.
 *
 * - `success`: a complete response with a status below 500
 * - `status5xx`: a complete response with a status of 500 or more
 * - `connectFailed`: no connection could be made (refused, unreachable, TLS failure, connect timeout)
 * - `reset`: the connection was lost, or what came was not a valid response
 * - `timedOut`: the response did not start, or stalled, longer than allowed
 * - `cancelled`: the client left or the proxy gave up for its own reasons; says nothing about the backend
 */
export const AttemptOutcome = {
  success: 0,
  status5xx: 1,
  connectFailed: 2,
  reset: 3,
  timedOut: 4,
  cancelled: 5,
} as const;

export type AttemptOutcome = (typeof AttemptOutcome)[keyof typeof AttemptOutcome];

/** Names of the outcomes, by number: for logs and metrics. */
export const attemptOutcomeNames: readonly (keyof typeof AttemptOutcome)[] = [
  'success',
  'status5xx',
  'connectFailed',
  'reset',
  'timedOut',
  'cancelled',
];
