import type { Fields } from './fields.ts';

/** A request as the cache sees it. It is read, never changed, and may be kept until the exchange is finished. */
export interface CacheRequest {
  /** Method as it came; case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** `http` or `https`: part of the key. */
  readonly scheme: string;
  /** Authority as in `Host`, with the port if it is not the default one; compared without regard to case. */
  readonly host: string;
  /** Path and query as they came, byte for byte. */
  readonly target: string;
  /** Field lines, flat: `[name, value, …]`. */
  readonly fields: Fields;
}

/** A final response head from the backend. */
export interface CacheResponse {
  /** 200 to 999. Interim (1xx) responses are not shown to the cache. */
  readonly status: number;
  /** Reason phrase as it came; may be empty. */
  readonly reason: string;
  /** Field lines, flat: `[name, value, …]`. */
  readonly fields: Fields;
}
