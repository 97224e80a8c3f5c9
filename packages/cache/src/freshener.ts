import type { CacheDecision } from './decision.ts';
import { fieldIndex } from './fields.ts';
import type { Fields } from './fields.ts';
import { headAgrees, identifiedBy304 } from './freshen.ts';
import { formatHttpDate } from './httpDate.ts';
import { copyText } from './latin1.ts';
import type { InvalidationLog } from './invalidationLog.ts';
import type { CacheRequest, CacheResponse } from './messages.ts';
import type { ResolvedOptions } from './options.ts';
import { matching } from './selection.ts';
import { whyNotStorable } from './storable.ts';
import type { StorablePolicy } from './storable.ts';
import { variantsOf, type CacheStore } from './store.ts';
import { headOf, updatedFields } from './storedFields.ts';
import type { StoredResponse } from './storedResponse.ts';
import { tagsOf } from './tagIndex.ts';
import { effectiveDirectives } from './targetedCacheControl.ts';
import { variantKey, varyNames } from './vary.ts';

/** Brings stored responses up to date by what a 304 or a HEAD response says of them. */
export class Freshener {
  /** Choices for `whyNotStorable`. */
  readonly storablePolicy: StorablePolicy;
  readonly #options: ResolvedOptions;
  readonly #store: CacheStore;
  readonly #log: InvalidationLog;

  constructor(options: ResolvedOptions, store: CacheStore, log: InvalidationLog) {
    this.#options = options;
    this.#store = store;
    this.#log = log;
    this.storablePolicy = { hasDefaultTtl: options.defaultTtl > 0, setCookie: options.setCookie };
  }

  /**
   * Updates what a 304 identifies (RFC 9111 §4.3.4).
   *
   * @returns the stored response to answer with; `undefined` when the 304 speaks of something else, or what it
   * speaks of has been invalidated meanwhile.
   */
  freshen(decision: CacheDecision, response: CacheResponse, now: number): StoredResponse | undefined {
    const validated = decision.stored as StoredResponse;
    if (!this.#log.isCurrent(decision.sequence, validated)) return undefined;
    const request = decision.request as CacheRequest;
    const resource = this.#store.peek(decision.key);
    const candidates = matching(resource, request.fields, this.#options.varyNormalisation);
    // Evicted meanwhile, but still in our hands: as good as stored.
    if (!candidates.includes(validated)) candidates.push(validated);
    const identified = identifiedBy304(response.fields, candidates, validated);
    if (identified.length === 0) {
      if (this.#options.mismatched304 === 'refetch') {
        this.#remove(validated);
        return undefined;
      }
      this.#update(validated, request, response, decision.requestTime, now, true);
      return validated;
    }
    for (const stored of identified) {
      this.#update(stored, request, response, decision.requestTime, now, false);
    }
    return identified[0];
  }

  /** Updates what a 200 to HEAD agrees with, and makes the rest stale (RFC 9111 §4.3.5). */
  headArrived(decision: CacheDecision, response: CacheResponse, now: number): void {
    const request = decision.request as CacheRequest;
    const resource = this.#store.peek(decision.key);
    for (const stored of matching(resource, request.fields, this.#options.varyNormalisation)) {
      if (headAgrees(response.fields, stored)) {
        this.#update(stored, request, response, decision.requestTime, now, false);
      } else stored.expire(now);
    }
  }

  /** Sets what `Vary` and the option `keyFields` demand of requests that are to match. */
  setVary(stored: StoredResponse, names: readonly string[], request: Fields): void {
    const { keyFields, varyNormalisation } = this.#options;
    const all = keyFields.length === 0 ? names : [...new Set([...names, ...keyFields])].sort();
    stored.vary = all;
    stored.variantKey = all.length === 0 ? '' : copyText(variantKey(all, request, varyNormalisation));
  }

  #update(
    stored: StoredResponse,
    request: CacheRequest,
    response: CacheResponse,
    requestTime: number,
    now: number,
    keepTag: boolean,
  ): void {
    const options = this.#options;
    const received = effectiveDirectives(response.fields, options.targetedFields);
    const fields = updatedFields(stored.fields, response.fields, received, keepTag);
    // RFC 9110 §6.6.1: a message without Date gets the time of receipt; the old one would count as its age.
    const date = fieldIndex(fields, 'date');
    if (date >= 0 && fieldIndex(response.fields, 'date') < 0) fields[date + 1] = formatHttpDate(now);
    const directives = effectiveDirectives(fields, options.targetedFields);
    const vary = varyNames(fields);
    stored.tags = tagsOf(fields, options.tagFields, options.maxTags);
    const head = headOf(stored.status, stored.reason, fields);
    stored.describe(head, fields, response.fields, directives, requestTime, now, options);
    if (vary !== '*') this.setVary(stored, vary, request.fields);
    const about = { method: 'GET', noStore: false, authorized: false };
    const reason = whyNotStorable(about, stored.status, fields, directives, this.storablePolicy);
    // What the new fields forbid to keep answers this request and is gone.
    if (reason !== undefined || vary === '*') this.#remove(stored);
    else this.#putBack(stored);
  }

  /** Stores it again, since its size and tags may have changed. */
  #putBack(stored: StoredResponse): void {
    const others = variantsOf(this.#store.peek(stored)).filter((other) => other !== stored);
    this.#store.set(
      stored,
      [stored, ...others].sort((a, b) => b.date - a.date),
    );
  }

  #remove(stored: StoredResponse): void {
    const kept = variantsOf(this.#store.peek(stored)).filter((other) => other !== stored);
    this.#store.set(stored, kept);
  }
}
