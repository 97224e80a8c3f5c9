/**
 * What the engine needs of a cache; `HttpCache` of `@rp/cache` is one. Times are milliseconds since 1970, fields flat
 * `name, value, …`. Nothing here throws for what is in messages.
 */

export interface CacheRequest {
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly target: string;
  readonly fields: readonly string[];
}

export interface CacheResponse {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly string[];
}

/** An answer that is stored, or is being stored. */
export interface StoredAnswer {
  readonly status: number;
  readonly reason: string;
  /** Status line and fields for HTTP/1.1, without the empty line and without connection fields. */
  readonly head: string;
  /** Further lines: `Cache-Status`, `Age`. */
  readonly lines: string;
  /** Fields of `head`, for other versions; without `Content-Length`. May be made anew by each question. */
  readonly fields: readonly string[];
  /** -1: not known yet, or a status without content. */
  readonly contentLength: number;
  /** -1: no `Age`. */
  readonly age: number;
  readonly cacheStatus: string;
  /** May be made anew by each question. */
  readonly chunks: readonly Uint8Array[];
  readonly bodyLength: number;
  /** The whole body as latin1, if it is small. */
  readonly bodyText: string | undefined;
}

export type CacheDecisionKind =
  | 'hit'
  | 'notModified'
  | 'partial'
  | 'unsatisfiable'
  | 'gatewayTimeout'
  | 'miss'
  | 'revalidate'
  | 'bypass'
  | 'follow';

/** Hears of those who read along with an exchange. */
export interface FollowersWatcher {
  /** The first one is there, or the last one has left. */
  followersChanged(): void;
}

export interface CacheDecision extends StoredAnswer {
  readonly kind: CacheDecisionKind;
  /** A validation without a client is due (RFC 5861 §3). */
  readonly background: boolean;
  /** Sent in place of the client's `If-None-Match` and `If-Modified-Since`. */
  readonly conditionalFields: readonly string[];
  /** Others read along: go on even if the client has left. */
  readonly hasFollowers: boolean;
  /** Told when `hasFollowers` changes because of followers. */
  watcher: FollowersWatcher | undefined;
  readonly request: CacheRequest | undefined;
}

/** Takes a body while it streams. */
export interface CacheWriter {
  /** `keeping`: all of the body so far is kept, so that who reads along may be behind; `streaming`: too large. */
  readonly state: 'keeping' | 'streaming' | 'stored' | 'aborted';
  /** @param owned the bytes never change again */
  write(chunk: Uint8Array, owned: boolean): void;
  end(): void;
  abort(): void;
}

export interface CachePlan<D> {
  readonly action: 'relay' | 'serve' | 'refetch';
  /** For `serve`. */
  readonly decision: D | undefined;
  readonly writer: CacheWriter | undefined;
  readonly cacheStatus: string;
  readonly lines: string;
}

/** Reads along with somebody else's response. */
export interface CacheFollower {
  read(): Uint8Array | undefined;
  readonly ended: boolean;
  leave(): void;
}

export interface CacheFollowerSink<D> {
  followerHead(follower: CacheFollower, decision: D): void;
  followerReadable(follower: CacheFollower): void;
  followerReleased(follower: CacheFollower, decision: D): void;
  followerFailed(follower: CacheFollower, reason: string): void;
}

export interface ResponseCache<D extends CacheDecision = CacheDecision> {
  lookup(request: CacheRequest, now: number): D;
  background(hit: D, request: CacheRequest, now: number): D;
  follow(decision: D, sink: CacheFollowerSink<D>): CacheFollower;
  responded(decision: D, response: CacheResponse, now: number): CachePlan<D>;
  failed(decision: D, now: number): D | undefined;
  /** Fields for an answer of the engine's own in place of a response; `detail` is a token. */
  failureFields(decision: D, detail: string): readonly string[];
  finished(decision: D): void;
  /** Removes what is of no use any more, looking at no more than `maxResources`. */
  sweep(now: number, maxResources: number): number;
}
