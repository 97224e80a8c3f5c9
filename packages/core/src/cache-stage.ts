import type { RequestHead, ResponseHead } from '@rp/parser';
import type {
  CacheDecision,
  CacheFollower,
  CacheFollowerSink,
  CacheRequest,
  CacheWriter,
  FollowersWatcher,
  ResponseCache,
  StoredAnswer,
} from './cache-contract.ts';
import { cacheRequest, withConditions } from './cache-request.ts';
import { SingleRange, type BodyView, type Downstream } from './downstream.ts';
import { ProxyFailure } from './failure.ts';
import { ownedChunk, type ChunkSource } from './read-buffers.ts';

/** What the cache asks of the exchange that it has a part in. */
export interface CachedExchange {
  readonly downstream: Downstream;
  cacheStatus: string;
  bytesOut: number;
  /** Ask a backend. */
  forward(): void;
  /** The whole answer is at hand: send it, and end. */
  answerStored(answer: StoredAnswer): void;
  /** An answer begins whose body is read piece by piece. */
  beginStored(answer: StoredAnswer): void;
  /** The last piece was sent. */
  endStored(): void;
  fail(failure: ProxyFailure): void;
  /** Those who read along have come, or left. */
  followersChanged(): void;
  /** An exchange without a client, that brings a stored response up to date once it is told to `forward`. */
  revalidation(decision: CacheDecision, request: CacheRequest): CachedExchange;
}

/** What becomes of a response head that a backend sent. */
export type HeadPlan = 'relay' | 'serve' | 'refetch';

/**
 * The cache's part in one exchange (RFC 9111): looks up, remembers the decision, feeds the body to whoever stores it,
 * and reads along with another exchange that fetches the same.
 */
export class CacheStage implements CacheFollowerSink<CacheDecision>, FollowersWatcher {
  /** The one that is asked; a reload may give the engine another one. */
  readonly cache: ResponseCache;
  readonly #wallClock: () => number;
  readonly #exchange: CachedExchange;
  readonly #range: SingleRange = new SingleRange();
  #decision: CacheDecision | undefined = undefined;
  #writer: CacheWriter | undefined = undefined;
  #follower: CacheFollower | undefined = undefined;
  /** The client takes no more of what is read along: nothing more is read for it, so that nothing piles up. */
  #blocked = false;
  /** The question that somebody else's response answers. */
  #followed: CacheDecision | undefined = undefined;
  /** To be served once the backend's response is out of the way. */
  #answer: CacheDecision | undefined = undefined;
  /** Lines for the head of a relayed response. */
  lines = '';
  plan: HeadPlan = 'relay';

  /** @param wallClock milliseconds since 1970 */
  constructor(cache: ResponseCache, exchange: CachedExchange, wallClock: () => number) {
    this.cache = cache;
    this.#exchange = exchange;
    this.#wallClock = wallClock;
  }

  /** Others read along with what this exchange fetches. */
  get hasFollowers(): boolean {
    return this.#decision?.hasFollowers === true;
  }

  /** Others read along, and what they have not read yet is in memory: a slow client need not hold them up. */
  get outrunsClient(): boolean {
    return this.hasFollowers && this.#writer?.state === 'keeping';
  }

  followersChanged(): void {
    this.#exchange.followersChanged();
  }

  /** The one question to the cache; the exchange is answered, forwarded or made to wait. */
  lookup(head: RequestHead): void {
    const request = cacheRequest(head, this.#exchange.downstream);
    const decision = this.cache.lookup(request, this.#wallClock());
    switch (decision.kind) {
      case 'hit':
      case 'notModified':
      case 'partial':
      case 'unsatisfiable':
        return this.#serve(decision, request);
      case 'gatewayTimeout':
        this.#decision = decision;
        return this.#exchange.fail(new ProxyFailure('CACHE_ONLY', 'only-if-cached, and not stored'));
      case 'follow':
        return this.#follow(decision);
      default:
        return this.#forward(decision);
    }
  }

  /** Takes a decision that was made elsewhere: for an exchange without a client. */
  adopt(decision: CacheDecision): void {
    this.#decision = decision;
    decision.watcher = this;
  }

  /**
   * What the sink is told may come within this call, and may even end the exchange and begin the next one: the
   * follower counts only if it still has something to wait for.
   */
  #follow(decision: CacheDecision): void {
    this.#followed = decision;
    this.#blocked = false;
    const follower = this.cache.follow(decision, this);
    if (this.#followed === decision) this.#follower = follower;
  }

  /** The request as it goes forward: with the validators of what is stored in place of the client's (§4.3.1). */
  forwarded(head: RequestHead): RequestHead {
    const added = this.#decision?.conditionalFields ?? [];
    return added.length === 0 ? head : withConditions(head, added);
  }

  /** A final head came from the backend. */
  responded(head: ResponseHead): HeadPlan {
    const decision = this.#decision;
    this.lines = '';
    if (decision === undefined) return (this.plan = 'relay');
    const { status, reason, sharedFields: fields } = head;
    const plan = this.cache.responded(decision, { status, reason, fields }, this.#wallClock());
    this.#writer = plan.writer;
    this.#answer = plan.decision;
    this.lines = plan.lines;
    this.#exchange.cacheStatus = plan.cacheStatus;
    return (this.plan = plan.action);
  }

  body(chunk: Buffer, view: BodyView, source: ChunkSource): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    for (let i = 0; i < view.bodyRanges; i++) {
      writer.write(chunk.subarray(view.bodyRangeStart(i), view.bodyRangeEnd(i)), source === ownedChunk);
    }
  }

  end(): void {
    this.#writer?.end();
    this.#writer = undefined;
  }

  /** The backend's response is out of the way: serve what the plan said. */
  servePlanned(): void {
    const answer = this.#answer!;
    this.#answer = undefined;
    this.#exchange.answerStored(answer);
  }

  /** No usable response: a stale one if that is allowed (RFC 5861 §4). False: there is none. */
  serveStale(): boolean {
    const decision = this.#decision;
    if (decision === undefined) return false;
    const answer = this.cache.failed(decision, this.#wallClock());
    if (answer === undefined) return false;
    this.#exchange.cacheStatus = answer.cacheStatus;
    this.#exchange.answerStored(answer);
    return true;
  }

  /** `Cache-Status` for an answer of the engine's own (RFC 9211); flat, empty where the cache had no part. */
  failureFields(code: string): readonly string[] {
    const decision = this.#decision ?? this.#followed;
    if (decision === undefined) return [];
    const fields = this.cache.failureFields(decision, code);
    this.#exchange.cacheStatus = fields[1] ?? '';
    return fields;
  }

  /** The exchange is over; what the cache does about it may begin others, but not this one again. */
  finish(): void {
    const follower = this.#follower;
    const decision = this.#decision;
    this.#follower = undefined;
    this.#followed = undefined;
    this.#writer = undefined;
    this.#decision = undefined;
    this.#answer = undefined;
    this.lines = '';
    this.plan = 'relay';
    follower?.leave();
    if (decision === undefined) return;
    decision.watcher = undefined;
    this.cache.finished(decision);
  }

  // ---- Reading along ----------------------------------------------------------------------------------------

  /** The client takes more again. */
  resume(): void {
    this.#blocked = false;
    if (this.#follower !== undefined) this.followerReadable(this.#follower);
  }

  followerHead(follower: CacheFollower, decision: CacheDecision): void {
    this.#exchange.cacheStatus = decision.cacheStatus;
    if (decision.kind !== 'hit') {
      this.#followed = undefined;
      return this.#exchange.answerStored(decision);
    }
    this.#follower = follower;
    this.#exchange.beginStored(decision);
  }

  followerReadable(follower: CacheFollower): void {
    const { downstream } = this.#exchange;
    if (this.#follower !== follower) return;
    let piece: Uint8Array | undefined;
    while (!this.#blocked && (piece = follower.read()) !== undefined) {
      const chunk = asBuffer(piece);
      this.#exchange.bytesOut += chunk.length;
      this.#blocked = !downstream.sendBody(chunk, this.#range.of(0, chunk.length), ownedChunk);
    }
    if (follower.ended) {
      this.#follower = this.#followed = undefined;
      this.#exchange.endStored();
    } else downstream.flush();
  }

  followerReleased(_follower: CacheFollower, decision: CacheDecision): void {
    this.#follower = this.#followed = undefined;
    this.#forward(decision);
  }

  followerFailed(_follower: CacheFollower, reason: string): void {
    this.#follower = undefined;
    this.#exchange.fail(new ProxyFailure('BACKEND_CLOSED', reason));
  }

  #forward(decision: CacheDecision): void {
    this.#decision = decision;
    decision.watcher = this;
    this.#exchange.forward();
  }

  #serve(decision: CacheDecision, request: CacheRequest): void {
    this.#exchange.cacheStatus = decision.cacheStatus;
    if (!decision.background) return this.#exchange.answerStored(decision);
    // Made first and sent last: the client does not wait, and its next request may begin within `answerStored`.
    const background = this.cache.background(decision, request, this.#wallClock());
    const validation = this.#exchange.revalidation(background, background.request ?? request);
    this.#exchange.answerStored(decision);
    validation.forward();
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
