/** What a delta-seconds value beyond our range counts as (RFC 9111 §1.2.2). */
export const MAX_DELTA_SECONDS = 2_147_483_648;

/**
 * Reads delta-seconds (RFC 9111 §1.2.2): digits only. Anything else is -1; a value that is too large counts as
 * 2^31 seconds.
 */
export function parseDeltaSeconds(value: string): number {
  const length = value.length;
  if (length === 0) return -1;
  let seconds = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    // Saturating here keeps the number an exact integer however many digits follow.
    if (seconds < MAX_DELTA_SECONDS) seconds = seconds * 10 + digit;
  }
  return seconds > MAX_DELTA_SECONDS ? MAX_DELTA_SECONDS : seconds;
}
