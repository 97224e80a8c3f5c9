import { randomBytes } from 'node:crypto';

/**
 * Makes request ids that are unique across processes and threads without a system call per request: a random
 * prefix per generator and a counter. They name requests in logs; they are no secrets.
 */
export function requestIds(prefix: string = randomBytes(9).toString('base64url')): () => string {
  let count = 0;
  return () => prefix + '-' + (count++).toString(36);
}
