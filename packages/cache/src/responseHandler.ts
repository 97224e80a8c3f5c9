import type { Answers } from './answers.ts';
import type { KeyMaker } from './cacheKey.ts';
import { forwardedMember } from './cacheStatus.ts';
import type { CacheStats } from './cacheStats.ts';
import { CacheDecision, ResponsePlan } from './decision.ts';
import { equalsIgnoreCase, firstValue, trimOws } from './fields.ts';
import type { Freshener } from './freshener.ts';
import type { GroupKeeper } from './groupKeeper.ts';
import { invalidatedTargets } from './invalidation.ts';
import type { InvalidationLog } from './invalidationLog.ts';
import { copyText } from './latin1.ts';
import type { CacheRequest, CacheResponse } from './messages.ts';
import type { ResolvedOptions } from './options.ts';
import { mayReuseOnError } from './reuse.ts';
import { whyNotStorable } from './storable.ts';
import { variantsOf, type CacheStore } from './store.ts';
import { excludedNames, headOf, storedFields, storedHead } from './storedFields.ts';
import { StoredResponse } from './storedResponse.ts';
import { StoreTask } from './storeTask.ts';
import { StoreWriter } from './storeWriter.ts';
import { tagsOf } from './tagIndex.ts';
import { effectiveDirectives } from './targetedCacheControl.ts';
import { varyNames } from './vary.ts';

/** The parts of a cache that work together on responses. */
export interface CacheParts {
  readonly options: ResolvedOptions;
  readonly store: CacheStore;
  readonly keys: KeyMaker;
  readonly answers: Answers;
  readonly groups: GroupKeeper;
  readonly log: InvalidationLog;
  readonly freshener: Freshener;
  readonly stats: CacheStats;
}

/** Statuses for which a stale response may stand in (RFC 5861 §4). */
function isStaleIfErrorStatus(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504;
}

/** A new response shows that what is stored is over; 401, 429 and the like only speak of one request. */
function replacesStored(status: number): boolean {
  return (status >= 200 && status < 400 && status !== 206) || status === 404 || status === 410;
}

/** Decides what becomes of a response from the backend. */
export class ResponseHandler {
  readonly #parts: CacheParts;

  constructor(parts: CacheParts) {
    this.#parts = parts;
  }

  /** See `HttpCache.responded`. */
  responded(decision: CacheDecision, response: CacheResponse, now: number): ResponsePlan {
    const request = decision.request as CacheRequest;
    if (decision.kind === 'bypass') {
      this.#invalidate(request, response);
      return this.relay(decision, undefined, '');
    }
    this.#parts.groups.headArrived(decision, now);
    if (response.status === 304) return this.#notModified(decision, response, now);
    if (isStaleIfErrorStatus(response.status)) {
      const stale = this.staleOnError(decision, now);
      if (stale !== undefined) {
        this.#parts.groups.failed(decision, stale.stored);
        return new ResponsePlan('serve', stale, undefined, stale.cacheStatus, stale.lines);
      }
    }
    if (request.method === 'HEAD') return this.#head(decision, response, now);
    return this.#full(decision, response, now);
  }

  /** A stale answer after a failure, where one is allowed (RFC 5861 §4, RFC 9111 §4.2.4). */
  staleOnError(decision: CacheDecision, now: number): CacheDecision | undefined {
    const { stored } = decision;
    if (stored === undefined || !mayReuseOnError(stored, decision.directives, now)) return undefined;
    const { answers, stats, log } = this.#parts;
    // What was purged while the request was under way is not brought back by a failure.
    if (!log.isCurrent(decision.sequence, stored)) return undefined;
    const answer = new CacheDecision();
    answers.answer(answer, stored, decision, (decision.request as CacheRequest).method, now);
    answers.writeHit(answer, stored, now, 'stale-if-error');
    stats.staleOnError++;
    return answer;
  }

  /** A plan to pass the backend's response on. */
  relay(decision: CacheDecision, writer: StoreWriter | undefined, detail: string): ResponsePlan {
    const { forward, collapsed } = decision;
    const { status, lines } = this.#parts.answers.relayed.find(
      forward,
      writer !== undefined,
      collapsed,
      detail === '' ? decision.detail : detail,
    );
    return new ResponsePlan('relay', undefined, writer, status, lines);
  }

  /** RFC 9111 §4.4. */
  #invalidate(request: CacheRequest, response: CacheResponse): void {
    const { keys, store, log, groups, stats, options } = this.#parts;
    for (const { scheme, host, target } of invalidatedTargets(request, response)) {
      const primary = keys.key(scheme, host, target);
      const { key } = primary;
      stats.invalidated += store.delete(primary);
      log.record((other) => other === key);
      groups.detach((other) => other === key);
      options.onInvalidated(key);
    }
  }

  #notModified(decision: CacheDecision, response: CacheResponse, now: number): ResponsePlan {
    const { freshener, groups, answers, stats } = this.#parts;
    if (decision.kind !== 'revalidate') {
      // The client asked about a response of its own.
      groups.notShared(decision);
      return this.relay(decision, undefined, '');
    }
    const stored = freshener.freshen(decision, response, now);
    if (stored === undefined) {
      decision.kind = 'miss';
      decision.conditionalFields = [];
      decision.stored = undefined;
      return new ResponsePlan('refetch', undefined, undefined, '', '');
    }
    stats.validated++;
    const answer = new CacheDecision();
    answers.answer(answer, stored, decision, (decision.request as CacheRequest).method, now);
    const status = forwardedMember(
      answers.member,
      decision.forward,
      304,
      false,
      decision.collapsed,
      decision.detail,
    );
    answers.writeForwarded(answer, stored, now, status, 'REVALIDATED');
    if (!stored.isShareable(now)) groups.notShared(decision);
    else if (decision.leader) decision.group?.validated(stored);
    decision.leader = false;
    return new ResponsePlan('serve', answer, undefined, status, answer.lines);
  }

  /** RFC 9111 §4.3.5. */
  #head(decision: CacheDecision, response: CacheResponse, now: number): ResponsePlan {
    if (response.status === 200) this.#parts.freshener.headArrived(decision, response, now);
    return this.relay(decision, undefined, '');
  }

  #full(decision: CacheDecision, response: CacheResponse, now: number): ResponsePlan {
    const { groups, stats, log } = this.#parts;
    const made = this.#makeStored(decision, response, now);
    if (typeof made === 'string') {
      groups.notShared(decision);
      // §4.3.3: "none of the stored responses nominated in the conditional request are suitable"
      if (decision.stored !== undefined && replacesStored(response.status)) this.#drop(decision.stored);
      return this.relay(decision, undefined, made);
    }
    const task = new StoreTask(decision, this.#parts);
    const writer = new StoreWriter(made, this.#parts.options.maxEntrySize, task);
    decision.writer = writer;
    if (!log.isCurrent(decision.sequence, made)) made.discarded = true;
    else if (decision.stored !== undefined && replacesStored(response.status)) this.#drop(decision.stored);
    if (!made.isShareable(now)) groups.notShared(decision);
    else if (decision.leader) decision.group?.headArrived(writer);
    stats.stored++;
    return this.relay(decision, writer, '');
  }

  /** The response as it is to be stored, or the reason why it is not. */
  #makeStored(decision: CacheDecision, response: CacheResponse, now: number): StoredResponse | string {
    const { options, freshener } = this.#parts;
    // Checked first because it is what most responses that are not meant for a cache look like.
    if (saysNothing(response, options)) return 'no-freshness';
    const directives = effectiveDirectives(response.fields, options.targetedFields);
    const reason = whyNotStorable(
      {
        method: (decision.request as CacheRequest).method,
        noStore: decision.directives.noStore,
        authorized: decision.authorized,
      },
      response.status,
      response.fields,
      directives,
      freshener.storablePolicy,
    );
    if (reason !== undefined) return reason;
    const vary = varyNames(response.fields);
    if (vary === '*') return 'vary-star';
    const announced = announcedLength(response);
    if (announced > options.maxEntrySize) return 'too-large';
    const stored = new StoredResponse(decision.key, response.status, sharedReason(response.reason));
    stored.announcedLength = announced;
    stored.tags = tagsOf(response.fields, options.tagFields, options.maxTags);
    freshener.setVary(stored, vary, (decision.request as CacheRequest).fields);
    const { fields } = response;
    const excluded = excludedNames(fields, directives);
    if (excluded.length === 0) {
      const head = storedHead(stored.status, stored.reason, fields, now);
      stored.describe(head, fields, fields, directives, decision.requestTime, now, options);
    } else {
      const kept = storedFields(fields, directives, now);
      const head = headOf(stored.status, stored.reason, kept);
      stored.describe(head, kept, fields, directives, decision.requestTime, now, options);
    }
    // Neither usable now nor something to validate: no need to keep it (§3, last paragraph).
    return stored.isUseless(now, Infinity) ? 'no-freshness' : stored;
  }

  #drop(stored: StoredResponse): void {
    const { store } = this.#parts;
    const responses = variantsOf(store.peek(stored));
    if (!responses.includes(stored)) return;
    store.set(
      stored,
      responses.filter((other) => other !== stored),
    );
  }
}

const reasons = new Map<string, string>();

/** There are few: what is stored shares them, and none keeps a whole head alive. */
function sharedReason(reason: string): string {
  let shared = reasons.get(reason);
  if (shared === undefined) {
    if (reasons.size >= 64) reasons.clear();
    shared = copyText(reason);
    reasons.set(shared, shared);
  }
  return shared;
}

/** Neither freshness nor validator, and no field of ours to go by: nothing to store (RFC 9111 §3, last paragraph). */
function saysNothing(response: CacheResponse, options: ResolvedOptions): boolean {
  if (options.defaultTtl > 0) return false;
  const { fields } = response;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    switch (name.length) {
      case 4:
        if (equalsIgnoreCase(name, 'etag')) return false;
        break;
      case 7:
        if (equalsIgnoreCase(name, 'expires')) return false;
        break;
      case 13: // Cache-Control, Last-Modified
        if (equalsIgnoreCase(name, 'cache-control') || equalsIgnoreCase(name, 'last-modified')) return false;
        break;
      default:
        if (isOneOf(name, options.targetedFields)) return false;
    }
  }
  return true;
}

function isOneOf(name: string, lowerNames: readonly string[]): boolean {
  for (let i = 0; i < lowerNames.length; i++) {
    if (equalsIgnoreCase(name, lowerNames[i] as string)) return true;
  }
  return false;
}

/** `Content-Length` as a number, or -1 where there is none to go by. */
function announcedLength(response: CacheResponse): number {
  if (firstValue(response.fields, 'transfer-encoding') !== undefined) return -1;
  const value = firstValue(response.fields, 'content-length');
  if (value === undefined) return -1;
  const digits = trimOws(value);
  if (digits === '' || digits.length > 15) return -1;
  let length = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}
