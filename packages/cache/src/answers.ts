import { forwardedMember, memberName } from './cacheStatus.ts';
import type { CacheDecision } from './decision.ts';
import type { ResolvedOptions } from './options.ts';
import { HitLines } from './hitLines.ts';
import { partialContent, rangeNotSatisfiable } from './partialContent.ts';
import type { PartialAnswer } from './partialContent.ts';
import { ifRangeHolds, isNotModified } from './preconditions.ts';
import { resolveRange } from './range.ts';
import { RelayLinesMaker } from './relayLines.ts';
import type { StoredResponse } from './storedResponse.ts';

/** What of a request decides the form of an answer from the store. */
export interface AnswerRequest {
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
}

/** Fills decisions with answers made from stored responses. */
export class Answers {
  /** The cache's identifier as it is written (RFC 9211 §2). */
  readonly member: string;
  readonly #options: ResolvedOptions;
  /** What is said of responses that are passed on. */
  readonly relayed: RelayLinesMaker;
  readonly #hitLines: HitLines;
  readonly #boundaryPrefix: string;
  #boundaryCount = 0;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.member = memberName(options.cacheName);
    this.relayed = new RelayLinesMaker(this.member, options.xCacheStatus);
    this.#hitLines = new HitLines(this.member);
    const random = (): string => Math.floor(options.random() * 0xffffffff).toString(36);
    this.#boundaryPrefix = `${random()}${random()}`;
  }

  /**
   * Makes `decision` the answer of `stored` (RFC 9111 §4, §4.3.2; RFC 9110 §13.2.2): 304 where the client's
   * validators match, 206 or 416 for ranges, else all of it.
   */
  answer(
    decision: CacheDecision,
    stored: StoredResponse,
    client: AnswerRequest,
    method: string,
    now: number,
  ): void {
    decision.stored = stored;
    decision.partial = undefined;
    decision.bodyLength = 0;
    decision.bodyText = undefined;
    decision.background = false;
    const conditional = client.ifNoneMatch !== undefined || client.ifModifiedSince !== undefined;
    if (conditional && isNotModified(client, stored, now)) {
      this.#notModified(decision, stored);
    } else if (client.range === undefined || !this.#fillRange(decision, stored, client, method)) {
      this.#whole(decision, stored, method);
    }
  }

  /** Lines of an answer that did not go forward: `Age` (RFC 9111 §4) and a hit's `Cache-Status`. */
  writeHit(decision: CacheDecision, stored: StoredResponse, now: number, detail: string): void {
    decision.age = stored.age(now);
    const lines = this.#hitLines.find(decision.age, stored.ttl(now));
    decision.cacheStatus = this.#hitLines.status;
    if (detail === '' && !this.#options.xCacheStatus) {
      decision.lines = lines;
      return;
    }
    if (detail !== '') decision.cacheStatus += `; detail=${detail}`;
    const word = now < stored.freshUntil ? 'HIT' : 'STALE';
    decision.lines = `Age: ${decision.age}\r\n${this.lines(decision.cacheStatus, word)}`;
  }

  /**
   * Lines of an answer after a validation, or from another request's response. `Age` says that it did not come from
   * the origin just now (RFC 9111 §5.1): only where another cache in front of it said so, or time has passed since.
   */
  writeForwarded(
    decision: CacheDecision,
    stored: StoredResponse,
    now: number,
    cacheStatus: string,
    word: string,
  ): void {
    const age = stored.age(now);
    decision.age = age > 0 ? age : -1;
    decision.cacheStatus = cacheStatus;
    const lines = this.lines(cacheStatus, word);
    decision.lines = age > 0 ? `Age: ${age}\r\n${lines}` : lines;
  }

  /** `Cache-Status`, and `X-Cache-Status` where it is switched on. */
  lines(cacheStatus: string, word: string): string {
    const line = `Cache-Status: ${cacheStatus}\r\n`;
    return this.#options.xCacheStatus ? `${line}X-Cache-Status: ${word}\r\n` : line;
  }

  /** See `HttpCache.failureFields`. What `only-if-cached` kept from going forward has no `fwd` (RFC 9211 §2.2). */
  failureFields(decision: CacheDecision, detail: string): readonly string[] {
    const { forward, collapsed, kind } = decision;
    const status =
      kind === 'gatewayTimeout'
        ? `${this.member}; detail=only-if-cached`
        : forwardedMember(this.member, forward, 0, false, collapsed, detail);
    const word = kind === 'bypass' ? 'BYPASS' : 'MISS';
    return this.#options.xCacheStatus
      ? ['Cache-Status', status, 'X-Cache-Status', word]
      : ['Cache-Status', status];
  }

  #whole(decision: CacheDecision, stored: StoredResponse, method: string): void {
    decision.kind = 'hit';
    decision.status = stored.status;
    decision.reason = stored.reason;
    decision.head = stored.head;
    decision.contentLength = stored.framedLength;
    if (method !== 'HEAD') {
      decision.bodyLength = stored.length;
      decision.bodyText = stored.text;
    }
  }

  #notModified(decision: CacheDecision, stored: StoredResponse): void {
    decision.kind = 'notModified';
    decision.status = 304;
    decision.reason = 'Not Modified';
    decision.head = stored.notModifiedHead;
    decision.contentLength = -1;
  }

  /** RFC 9110 §14.2: only for GET, only where a 200 would be sent, only if `If-Range` holds. */
  #fillRange(
    decision: CacheDecision,
    stored: StoredResponse,
    client: AnswerRequest,
    method: string,
  ): boolean {
    if (method !== 'GET' || stored.status !== 200 || !stored.complete) return false;
    if (client.ifRange !== undefined && !ifRangeHolds(client.ifRange, stored)) return false;
    const outcome = resolveRange(client.range as string, stored.length, this.#options);
    if (outcome.kind === 'whole') return false;
    if (outcome.kind === 'unsatisfiable') {
      this.#partial(decision, rangeNotSatisfiable(stored));
      decision.kind = 'unsatisfiable';
    } else {
      const brief = client.ifRange !== undefined;
      this.#partial(decision, partialContent(stored, outcome.positions, brief, this.#nextBoundary()));
      decision.kind = 'partial';
    }
    return true;
  }

  #partial(decision: CacheDecision, answer: PartialAnswer): void {
    decision.status = answer.status;
    decision.reason = answer.reason;
    decision.head = answer.head;
    decision.partial = answer;
    decision.contentLength = answer.length;
    decision.bodyLength = answer.length;
  }

  #nextBoundary(): string {
    return `${this.#boundaryPrefix}${(this.#boundaryCount++).toString(36)}`;
  }
}
