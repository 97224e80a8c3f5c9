/** Counts since the start; read them, do not write them. */
export class CacheStats {
  /** Answered from the store without going forward, fresh or stale, 304 and 206 among them. */
  hits = 0;
  /** Of the hits: those that were stale. */
  stale = 0;
  /** Forwarded because nothing fitting was stored. */
  misses = 0;
  /** Forwarded for validation. */
  revalidations = 0;
  /** Of those: answered with 304 by the backend. */
  validated = 0;
  /** Forwarded without the cache having a part in it. */
  bypasses = 0;
  /** Answered by another request's response. */
  coalesced = 0;
  /** Followers that had to go on alone. */
  coalescingFailed = 0;
  /** Responses stored. */
  stored = 0;
  /** Responses that were being stored and were not: broken off, too large. */
  abandoned = 0;
  /** Responses removed by unsafe methods (RFC 9111 §4.4). */
  invalidated = 0;
  /** Responses removed by purges. */
  purged = 0;
  /** Stale responses served because of an error (RFC 5861 §4). */
  staleOnError = 0;
  /** Entries dropped because their checksum was wrong. */
  corrupt = 0;
  /** Errors inside of the cache. */
  errors = 0;

  /** Hits and coalesced answers over all look-ups that the cache took part in; 0 before the first. */
  get hitRatio(): number {
    const served = this.hits + this.coalesced;
    const all = served + this.misses + this.revalidations;
    return all === 0 ? 0 : served / all;
  }
}
