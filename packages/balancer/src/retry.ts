import { checkedInteger } from './error.ts';

/** When a failed attempt may be repeated at another backend. */
export interface RetryOptions {
  /** Attempts after the first, each at another backend; 0 to 10, default 2. */
  readonly attempts: number;
  /** Back-off before the second retry in ms, doubled for each further one; 0 to 60,000, default 25. */
  readonly baseDelayMs: number;
  /** Longest back-off in ms; `baseDelayMs` to 60,000, default 1,000 or `baseDelayMs` if more. */
  readonly maxDelayMs: number;
}

export const retryDefaults: RetryOptions = { attempts: 2, baseDelayMs: 25, maxDelayMs: 1_000 };

/** @throws {BalancerError} `invalidOption` for a value out of range */
export function retryOptions(options: Partial<RetryOptions> | undefined): RetryOptions {
  const { baseDelayMs = retryDefaults.baseDelayMs } = options ?? {};
  const maxDelayMs = Math.max(retryDefaults.maxDelayMs, baseDelayMs);
  const all = { ...retryDefaults, maxDelayMs, ...options };
  checkedInteger('retry.attempts', all.attempts, 0, 10);
  checkedInteger('retry.baseDelayMs', all.baseDelayMs, 0, 60_000);
  checkedInteger('retry.maxDelayMs', all.maxDelayMs, all.baseDelayMs, 60_000);
  return all;
}

/** What is known of a failed attempt. */
export interface FailedAttempt {
  /** Of the failure: `reusedOnly` may be repeated only if the connection had served a request before. */
  readonly retryable: 'yes' | 'no' | 'reusedOnly';
  readonly connectionReused: boolean;
  /** Any byte of the request may have reached the backend. */
  readonly requestSent: boolean;
  /** RFC 9110 section 9.2.2: GET, HEAD, OPTIONS, PUT, DELETE; never POST or PATCH. */
  readonly idempotent: boolean;
  /** Any byte of the response has arrived, informational ones included. */
  readonly responseStarted: boolean;
  /** There is no body, or all of it that was read is still at hand. */
  readonly bodyReplayable: boolean;
  /** Attempts made for this request, the first included: 1 or more. */
  readonly attempts: number;
}

/** What the group adds to it. */
export interface RetryCircumstances extends FailedAttempt {
  readonly budgetAvailable: boolean;
  readonly otherBackendAvailable: boolean;
}

export type NoRetryReason =
  | 'responseStarted'
  | 'notRetryable'
  | 'notIdempotent'
  | 'bodyNotReplayable'
  | 'attemptsExhausted'
  | 'noOtherBackend'
  | 'budgetExhausted';

export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number }
  | { readonly retry: false; readonly why: NoRetryReason };

/**
 * May this request be sent again, to another backend? Only where the repetition cannot do anything twice:
 * nothing was sent, or the method is idempotent and no byte of a response has come (RFC 9110 section 9.2.2).
 * The reasons are in the order of their weight: safety, possibility, limits.
 *
 * The replay of a request that met a connection closed while idle is not a retry in this sense: it is the
 * connection's business, and needs no budget.
 *
 * @param random from 0 up to 1: the jitter
 */
export function mayRetry(
  circumstances: RetryCircumstances,
  options: RetryOptions,
  random: number,
): RetryDecision {
  const why = obstacle(circumstances, options);
  if (why !== undefined) return { retry: false, why };
  return { retry: true, delayMs: retryDelay(circumstances.attempts, options, random) };
}

/**
 * Back-off before retry number `retry`. The first one goes to another backend at once: waiting would only
 * make the client wait. From then on two backends have failed, and haste would make matters worse.
 */
export function retryDelay(retry: number, options: RetryOptions, random: number): number {
  if (retry <= 1) return 0;
  const full = Math.min(options.maxDelayMs, options.baseDelayMs * 2 ** (retry - 2));
  return Math.round(full / 2 + (full / 2) * random);
}

function obstacle(failed: RetryCircumstances, options: RetryOptions): NoRetryReason | undefined {
  if (failed.responseStarted) return 'responseStarted';
  if (failed.retryable === 'no') return 'notRetryable';
  if (failed.retryable === 'reusedOnly' && !failed.connectionReused) return 'notRetryable';
  if (failed.requestSent && !failed.idempotent) return 'notIdempotent';
  if (!failed.bodyReplayable) return 'bodyNotReplayable';
  if (failed.attempts > options.attempts) return 'attemptsExhausted';
  if (!failed.otherBackendAvailable) return 'noOtherBackend';
  return failed.budgetAvailable ? undefined : 'budgetExhausted';
}
