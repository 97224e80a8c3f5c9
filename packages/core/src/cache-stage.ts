import { FieldId, RequestHead, fieldId, type ResponseHead } from '@rp/parser';
import type {
  CacheDecision,
  CacheFollower,
  CacheFollowerSink,
  CacheRequest,
  CacheWriter,
  ResponseCache,
  StoredAnswer,
} from './cache-contract.ts';
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
  /** Starts an exchange without a client, that brings a stored response up to date. */
  revalidate(decision: CacheDecision, request: CacheRequest): void;
}

/** What becomes of a response head that a backend sent. */
export type HeadPlan = 'relay' | 'serve' | 'refetch';

/**
 * The cache's part in one exchange (RFC 9111): looks up, remembers the decision, feeds the body to whoever stores it,
 * and reads along with another exchange that fetches the same.
 */
export class CacheStage implements CacheFollowerSink<CacheDecision> {
  readonly #cache: ResponseCache;
  readonly #exchange: CachedExchange;
  readonly #range: SingleRange = new SingleRange();
  #decision: CacheDecision | undefined = undefined;
  #writer: CacheWriter | undefined = undefined;
  #follower: CacheFollower | undefined = undefined;
  /** To be served once the backend's response is out of the way. */
  #answer: CacheDecision | undefined = undefined;
  /** Lines for the head of a relayed response. */
  lines = '';
  plan: HeadPlan = 'relay';

  constructor(cache: ResponseCache, exchange: CachedExchange) {
    this.#cache = cache;
    this.#exchange = exchange;
  }

  /** Others read along with what this exchange fetches. */
  get hasFollowers(): boolean {
    return this.#decision?.hasFollowers === true;
  }

  /** The one question to the cache; the exchange is answered, forwarded or made to wait. */
  lookup(head: RequestHead): void {
    const { secure } = this.#exchange.downstream;
    const { method, host, path, fields } = head;
    const request = { method, scheme: secure ? 'https' : 'http', host, target: path, fields };
    const decision = this.#cache.lookup(request, Date.now());
    switch (decision.kind) {
      case 'hit':
      case 'notModified':
      case 'partial':
      case 'unsatisfiable':
        return this.#serve(decision, request);
      case 'gatewayTimeout':
        return this.#exchange.fail(new ProxyFailure('CACHE_ONLY', 'only-if-cached, and not stored'));
      case 'follow':
        this.#follower = this.#cache.follow(decision, this);
        return;
      default:
        return this.#forward(decision);
    }
  }

  /** Takes a decision that was made elsewhere: for an exchange without a client. */
  adopt(decision: CacheDecision): void {
    this.#decision = decision;
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
    const { status, reason, fields } = head;
    const plan = this.#cache.responded(decision, { status, reason, fields }, Date.now());
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
    const answer = this.#cache.failed(decision, Date.now());
    if (answer === undefined) return false;
    this.#exchange.cacheStatus = answer.cacheStatus;
    this.#exchange.answerStored(answer);
    return true;
  }

  /** The exchange is over. */
  finish(): void {
    this.#follower?.leave();
    this.#follower = undefined;
    this.#writer = undefined;
    const decision = this.#decision;
    this.#decision = undefined;
    if (decision !== undefined) this.#cache.finished(decision);
    this.#answer = undefined;
    this.lines = '';
    this.plan = 'relay';
  }

  // ---- Reading along ----------------------------------------------------------------------------------------

  /** The client takes more again. */
  resume(): void {
    if (this.#follower !== undefined) this.followerReadable(this.#follower);
  }

  followerHead(follower: CacheFollower, decision: CacheDecision): void {
    this.#exchange.cacheStatus = decision.cacheStatus;
    if (decision.kind !== 'hit') return this.#exchange.answerStored(decision);
    this.#follower = follower;
    this.#exchange.beginStored(decision);
  }

  followerReadable(follower: CacheFollower): void {
    const { downstream } = this.#exchange;
    if (this.#follower !== follower) return;
    let piece: Uint8Array | undefined;
    let more = true;
    while (more && (piece = follower.read()) !== undefined) {
      const chunk = asBuffer(piece);
      this.#exchange.bytesOut += chunk.length;
      more = downstream.sendBody(chunk, this.#range.of(0, chunk.length), ownedChunk);
    }
    if (follower.ended) {
      this.#follower = undefined;
      this.#exchange.endStored();
    } else downstream.flush();
  }

  followerReleased(_follower: CacheFollower, decision: CacheDecision): void {
    this.#follower = undefined;
    this.#forward(decision);
  }

  followerFailed(_follower: CacheFollower, reason: string): void {
    this.#follower = undefined;
    this.#exchange.fail(new ProxyFailure('BACKEND_CLOSED', reason));
  }

  #forward(decision: CacheDecision): void {
    this.#decision = decision;
    this.#exchange.forward();
  }

  #serve(decision: CacheDecision, request: CacheRequest): void {
    this.#exchange.cacheStatus = decision.cacheStatus;
    const background = decision.background ? this.#cache.background(decision, request, Date.now()) : undefined;
    this.#exchange.answerStored(decision);
    if (background !== undefined) this.#exchange.revalidate(background, background.request ?? request);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function withConditions(head: RequestHead, added: readonly string[]): RequestHead {
  const fields: string[] = [];
  const ids: RequestHead['ids'] = [];
  for (let i = 0; i < head.ids.length; i++) {
    const id = head.ids[i]!;
    if (id === FieldId.ifNoneMatch || id === FieldId.ifModifiedSince) continue;
    ids.push(id);
    fields.push(head.fields[2 * i]!, head.fields[2 * i + 1]!);
  }
  for (let i = 0; i + 1 < added.length; i += 2) {
    ids.push(fieldId(added[i]!));
    fields.push(added[i]!, added[i + 1]!);
  }
  return copyOf(head, fields, ids);
}

function copyOf(head: RequestHead, fields: string[], ids: RequestHead['ids']): RequestHead {
  return new RequestHead(
    head.method,
    head.target,
    head.minor,
    fields,
    ids,
    head.framing,
    head.contentLength,
    head.host,
    head.path,
    head.keepAlive,
    head.upgrade,
    head.expectContinue,
  );
}

/** The request of an exchange without a client (RFC 9111 §4.3.1): what the stored response depends on, no more. */
export function backgroundRequest(request: CacheRequest): RequestHead {
  const fields = ['Host', request.host, ...request.fields];
  const ids = fields.filter((_, index) => index % 2 === 0).map((name) => fieldId(name));
  const { host, target } = request;
  return new RequestHead('GET', target, 1, fields, ids, 0, -1, host, target, true, '', false);
}
