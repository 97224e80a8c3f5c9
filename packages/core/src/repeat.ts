import type { FailureCode } from './failure.ts';

const idempotentMethods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
  'QUERY',
]);

/** Methods whose repetition changes nothing (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  return method === 'GET' || idempotentMethods.has(method);
}

/**
 * Whether a request that hit a stale pooled connection goes out once more, on a fresh connection to the same backend
 * (RFC 9112 §9.3.1). Only where nothing of a response came, and where a backend that did read the request does no
 * harm by reading it again.
 */
export function mayReplay(
  code: FailureCode,
  connectionWasReused: boolean,
  idempotent: boolean,
  bodyReplayable: boolean,
): boolean {
  return code === 'BACKEND_CLOSED' && connectionWasReused && idempotent && bodyReplayable;
}
