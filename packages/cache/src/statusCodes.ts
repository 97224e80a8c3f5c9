/** Heuristically cacheable status codes (RFC 9110 §15.1), except 206: partial content is not stored here. */
export function isHeuristicallyCacheable(status: number): boolean {
  switch (status) {
    case 200:
    case 203:
    case 204:
    case 300:
    case 301:
    case 308:
    case 404:
    case 405:
    case 410:
    case 414:
    case 501:
      return true;
    default:
      return false;
  }
}

/**
 * Status codes that are not stored whatever else the response says: 206 and 304 (RFC 9111 §3), 428, 429, 431 and 511
 * ("MUST NOT be stored by a cache", RFC 6585 §3 to §6), and 412, 416 and 417, which answer preconditions, a range and
 * an expectation that are not part of the key: requests without them would get that answer.
 */
export function isNeverStored(status: number): boolean {
  switch (status) {
    case 206:
    case 304:
    case 412:
    case 416:
    case 417:
    case 428:
    case 429:
    case 431:
    case 511:
      return true;
    default:
      return false;
  }
}

/**
 * Status codes whose caching requirements are known and followed (RFC 9111 §3, §5.2.2.3): the final ones of
 * RFC 9110 §15, less 206 and 304, which are never stored as they are.
 */
export function isUnderstood(status: number): boolean {
  if (status >= 200 && status <= 205) return true;
  if (status >= 300 && status <= 308) return status !== 304 && status !== 306;
  if (status >= 400 && status <= 417) return true;
  return status === 421 || status === 422 || status === 426 || (status >= 500 && status <= 505);
}
