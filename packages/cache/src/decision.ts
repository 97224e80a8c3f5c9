import { NO_KEY, type PrimaryKey } from './cacheKey.ts';
import type { CoalescingGroup, FollowersWatcher } from './coalescing.ts';
import type { Collapsed, ForwardReason } from './cacheStatus.ts';
import type { Fields } from './fields.ts';
import type { CacheRequest } from './messages.ts';
import type { PartialAnswer } from './partialContent.ts';
import { NO_REQUEST_DIRECTIVES } from './requestDirectives.ts';
import type { RequestDirectives } from './requestDirectives.ts';
import type { RequestView } from './requestView.ts';
import { notModifiedFields } from './storedFields.ts';
import type { StoredResponse } from './storedResponse.ts';
import type { StoreWriter } from './storeWriter.ts';

/**
 * What to do with a request:
 *
 * Answer from the cache, nothing goes forward:
 * - `hit`: `head`, `lines` and the body in `chunks`; `background` asks for a validation on the side;
 * - `notModified`: a 304 for the client's own validators;
 * - `partial`: a 206; `unsatisfiable`: a 416;
 * - `gatewayTimeout`: a 504 of your own making, because of `only-if-cached`.
 *
 * Forward, then call `responded` or `failed`, and `finished` in the end:
 * - `miss`: forward as it is;
 * - `revalidate`: forward with `conditionalFields` in place of the client's own preconditions;
 * - `bypass`: forward as it is, the cache has no part in it (`responded` is still due: it may invalidate).
 *
 * Wait: `follow`: call `follow` with a sink; another request is under way for the same.
 */
export type DecisionKind =
  | 'hit'
  | 'notModified'
  | 'partial'
  | 'unsatisfiable'
  | 'gatewayTimeout'
  | 'miss'
  | 'revalidate'
  | 'bypass'
  | 'follow';

const NONE: readonly never[] = [];

/**
 * A decision of the cache about one request. One class for all kinds, so that it stays monomorphic; fields that do
 * not matter to a kind are empty.
 */
export class CacheDecision {
  kind: DecisionKind = 'miss';

  // --- an answer from the cache ---
  /** Status code of the answer. */
  status = 0;
  /** Reason phrase of the answer. */
  reason = '';
  /** Status line and field lines for HTTP/1.1; no empty line, no `Connection`. */
  head = '';
  /** Further field lines for HTTP/1.1: `Cache-Status`, `Age` where it is due, `X-Cache-Status` if wanted. */
  lines = '';
  /** Value of the answer's `Content-Length`, or -1 if it has none: length unknown as yet, 204 or 304. */
  contentLength = -1;
  /** Age in seconds for `Age`, or -1 where there is to be none. */
  age = -1;
  /** Member of `Cache-Status` for this cache. */
  cacheStatus = '';
  /** Bytes in `chunks`: 0 for HEAD, 204, 304. */
  bodyLength = 0;
  /** The whole body as a latin1 string if it is small: `head + lines + '\r\n' + bodyText` is one write. */
  bodyText: string | undefined = undefined;
  /** What a 206 or 416 is made of. */
  partial: PartialAnswer | undefined = undefined;
  /** A background validation is due (RFC 5861 §3): call `background`. */
  background = false;
  /** The stored response answered with or validated, if any. */
  stored: StoredResponse | undefined = undefined;

  // --- a request that goes forward ---
  /** Reason for `Cache-Status` (RFC 9211 §2.2). */
  forward: ForwardReason = 'uri-miss';
  /** More about it (RFC 9211 §2.8): a token or empty. */
  detail = '';
  /** Precondition fields to send in place of the client's `If-None-Match` and `If-Modified-Since`, flat. */
  conditionalFields: Fields = NONE;
  /** Leads the group: others wait for this exchange. */
  leader = false;
  /** Set by whoever forwards the request, to be told when {@link hasFollowers} changes. */
  watcher: FollowersWatcher | undefined = undefined;
  collapsed: Collapsed = 'no';

  // --- what is remembered of the request ---
  request: CacheRequest | undefined = undefined;
  key: PrimaryKey = NO_KEY;
  /** Clock when the request was looked up, which is when it is forwarded: `request_time` (RFC 9111 §4.2.3). */
  requestTime = 0;
  directives: RequestDirectives = NO_REQUEST_DIRECTIVES;
  authorized = false;
  range: string | undefined = undefined;
  ifRange: string | undefined = undefined;
  ifNoneMatch: string | undefined = undefined;
  ifModifiedSince: string | undefined = undefined;
  /** Place of the log of invalidations when the request went forward. */
  sequence = 0;
  /** What `Vary` is known to add to the key of the group. */
  variant: string | undefined = undefined;
  group: CoalescingGroup | undefined = undefined;
  /** Let go by a group that counts how many of those are under way. */
  released = false;
  writer: StoreWriter | undefined = undefined;

  /** Field lines of `head`, flat, for HTTP/2; without `Content-Length`: see `contentLength`. Made when asked for. */
  get fields(): Fields {
    if (this.partial !== undefined) return this.partial.fields;
    if (this.stored === undefined || this.status === 0) return NONE;
    return this.kind === 'notModified' ? notModifiedFields(this.stored.fields) : this.stored.fields;
  }

  /** Body; empty for HEAD, 204, 304. Shared: never to be changed. */
  get chunks(): readonly Uint8Array[] {
    if (this.bodyLength === 0) return NONE;
    return this.partial?.chunks ?? (this.stored as StoredResponse).body;
  }

  /** Others wait for, or read from, this exchange: go on with it even if its own client has left. */
  get hasFollowers(): boolean {
    return this.group !== undefined && this.leader && this.group.dependants > 0;
  }

  /** Keeps what is needed of a request beyond the look-up. */
  remember(request: CacheRequest, view: RequestView, key: PrimaryKey, now: number): void {
    this.request = request;
    this.key = key;
    this.requestTime = now;
    this.directives = view.directives;
    this.authorized = view.authorized;
    this.range = view.range;
    this.ifRange = view.ifRange;
    this.ifNoneMatch = view.ifNoneMatch;
    this.ifModifiedSince = view.ifModifiedSince;
  }

  /** A decision to forward the same request, for a follower that has to after all. */
  forwardedCopy(now: number): CacheDecision {
    const copy = new CacheDecision();
    copy.kind = this.conditionalFields.length > 0 ? 'revalidate' : 'miss';
    copy.forward = this.forward;
    copy.detail = this.detail;
    copy.conditionalFields = this.conditionalFields;
    copy.stored = this.stored;
    copy.request = this.request;
    copy.key = this.key;
    copy.requestTime = now;
    copy.sequence = this.sequence;
    copy.directives = this.directives;
    copy.authorized = this.authorized;
    copy.range = this.range;
    copy.ifRange = this.ifRange;
    copy.ifNoneMatch = this.ifNoneMatch;
    copy.ifModifiedSince = this.ifModifiedSince;
    copy.variant = this.variant;
    return copy;
  }
}

/** What to do with a response head from the backend. */
export class ResponsePlan {
  /**
   * - `relay`: send the backend's response to the client; feed its body to `writer` if there is one;
   * - `serve`: answer with `decision` instead, and drop the backend's response (its body may be discarded);
   * - `refetch`: the backend validated something we do not have: forward the request again without
   *   `conditionalFields`, with the same decision.
   */
  readonly action: 'relay' | 'serve' | 'refetch';
  /** For `serve`: an answer from the cache. */
  readonly decision: CacheDecision | undefined;
  /** For `relay`: takes the body to store it and to stream it to followers. */
  readonly writer: StoreWriter | undefined;
  /** Member of `Cache-Status` to append. */
  readonly cacheStatus: string;
  /** The same as field lines for HTTP/1.1. */
  readonly lines: string;

  constructor(
    action: 'relay' | 'serve' | 'refetch',
    decision: CacheDecision | undefined,
    writer: StoreWriter | undefined,
    cacheStatus: string,
    lines: string,
  ) {
    this.action = action;
    this.decision = decision;
    this.writer = writer;
    this.cacheStatus = cacheStatus;
    this.lines = lines;
  }
}
