import { Answers } from './answers.ts';
import { Breaker } from './breaker.ts';
import { KeyMaker, type PrimaryKey } from './cacheKey.ts';
import type { ForwardReason } from './cacheStatus.ts';
import { CacheStats } from './cacheStats.ts';
import { sampledChecksum } from './checksum.ts';
import type { Follower, FollowerSink } from './coalescing.ts';
import { CacheDecision } from './decision.ts';
import type { ResponsePlan } from './decision.ts';
import { Exclusions } from './exclusions.ts';
import type { Fields } from './fields.ts';
import { combinedValue } from './fields.ts';
import { validationFields } from './freshen.ts';
import { Freshener } from './freshener.ts';
import { GroupKeeper } from './groupKeeper.ts';
import { InvalidationLog } from './invalidationLog.ts';
import { MemoryStore } from './memoryStore.ts';
import type { CacheRequest, CacheResponse } from './messages.ts';
import { CacheError, resolveOptions } from './options.ts';
import type { CacheOptions, ResolvedOptions } from './options.ts';
import { Purger } from './purger.ts';
import { NO_REQUEST_DIRECTIVES } from './requestDirectives.ts';
import { RequestView } from './requestView.ts';
import { ResponseHandler } from './responseHandler.ts';
import { mayReuse } from './reuse.ts';
import { choose } from './selection.ts';
import type { CacheStore, StoreCounts } from './store.ts';
import type { StoredResponse } from './storedResponse.ts';

/** How long one background validation may take before another one is started, in milliseconds. */
const BACKGROUND_LIMIT = 30_000;

const NO_NAMES: readonly string[] = [];

/**
 * A shared HTTP cache by RFC 9111 for one event loop. Everything is synchronous; times (`now`) are epoch
 * milliseconds from the caller's clock. No method throws for what is in messages: an error inside of the cache makes
 * the request a `bypass`, is counted, told to `onError`, and turns the cache off for a while if it happens often.
 *
 * The way of a request: {@link lookup}; for what is forwarded {@link responded} or {@link failed}, and
 * {@link finished} in any case; for `follow` {@link follow}.
 */
export class HttpCache {
  /** Counts since the start. */
  readonly stats: CacheStats = new CacheStats();
  /** Removes stored responses on demand. */
  readonly purger: Purger;

  readonly #options: ResolvedOptions;
  readonly #store: CacheStore;
  readonly #keys: KeyMaker;
  readonly #answers: Answers;
  readonly #exclusions: Exclusions;
  readonly #breaker: Breaker;
  readonly #groups: GroupKeeper;
  readonly #responses: ResponseHandler;
  readonly #log: InvalidationLog = new InvalidationLog();
  readonly #view: RequestView = new RequestView();
  // One object for all answers from the store: valid until the next look-up.
  readonly #hit: CacheDecision = new CacheDecision();
  #untilVerify: number;

  /**
   * @param store where complete responses are kept; a {@link MemoryStore} of `maxSize` unless given.
   * @throws CacheError `cache_option`.
   */
  constructor(options: CacheOptions = {}, store?: CacheStore) {
    this.#options = resolveOptions(options);
    this.#store = store ?? new MemoryStore(this.#options.maxSize);
    this.#keys = new KeyMaker(this.#options, this.#options.random());
    this.#answers = new Answers(this.#options);
    this.#exclusions = new Exclusions(this.#options);
    this.#breaker = new Breaker({
      threshold: this.#options.breakerThreshold,
      window: this.#options.breakerWindow * 1000,
      cooldown: this.#options.breakerCooldown * 1000,
    });
    this.#groups = new GroupKeeper(this.#options, this.#answers, this.stats);
    const parts = {
      options: this.#options,
      store: this.#store,
      keys: this.#keys,
      answers: this.#answers,
      groups: this.#groups,
      log: this.#log,
      freshener: new Freshener(this.#options, this.#store, this.#log),
      stats: this.stats,
    };
    this.#responses = new ResponseHandler(parts);
    this.purger = new Purger(parts);
    this.#untilVerify = this.#options.verifyEvery;
  }

  /**
   * Decides what to do with a request. For answers from the cache the result is one object that the next call fills
   * again; all others are yours until `finished`.
   */
  lookup(request: CacheRequest, now: number): CacheDecision {
    if (!this.#options.enabled) return this.#bypass(request, 'bypass', 'off', now);
    if (this.#breaker.isOpen(now)) return this.#bypass(request, 'bypass', 'breaker', now);
    try {
      return this.#lookup(request, now);
    } catch (error) {
      this.#failedInside(error, now);
      return this.#bypass(request, 'bypass', 'error', now);
    }
  }

  /** Starts the background validation that a hit asked for: a decision to forward without a client (RFC 5861 §3). */
  background(hit: CacheDecision, request: CacheRequest, now: number): CacheDecision {
    const stored = hit.stored as StoredResponse;
    const decision = new CacheDecision();
    // RFC 9111 §4.3.1: method, target and the fields that Vary nominates are copied, nothing else.
    const fields: string[] = [];
    for (const name of stored.vary) {
      const value = combinedValue(request.fields, name);
      if (value !== undefined) fields.push(name, value);
    }
    const { scheme, host, target } = request;
    decision.request = { method: 'GET', scheme, host, target, fields };
    decision.key = stored;
    decision.requestTime = now;
    decision.sequence = this.#log.sequence;
    decision.stored = stored;
    decision.forward = 'stale';
    decision.detail = 'background';
    this.#validate(decision, stored);
    stored.revalidatingUntil = now + BACKGROUND_LIMIT;
    this.stats.revalidations++;
    if (this.#options.coalesce) this.#groups.lead(decision);
    return decision;
  }

  /** Waits for the response that another request is fetching. Calls of the sink may come within this call. */
  follow(decision: CacheDecision, sink: FollowerSink): Follower {
    return this.#groups.join(decision, sink);
  }

  /** The final head of the backend's response has arrived. Call it once for a forwarded request. */
  responded(decision: CacheDecision, response: CacheResponse, now: number): ResponsePlan {
    try {
      return this.#responses.responded(decision, response, now);
    } catch (error) {
      this.#failedInside(error, now);
      this.#groups.abandoned(decision);
      return this.#responses.relay(decision, undefined, 'error');
    }
  }

  /**
   * No usable response came: connection failed, timed out, or was malformed.
   *
   * @returns a stale answer where one is allowed (RFC 5861 §4), else `undefined`: answer with 502 or 504.
   */
  failed(decision: CacheDecision, now: number): CacheDecision | undefined {
    // Those who already read from it are cut: their heads are out.
    decision.writer?.abort();
    const answer = this.#responses.staleOnError(decision, now);
    this.#groups.failed(decision, answer?.stored);
    return answer;
  }

  /**
   * `Cache-Status`, and `X-Cache-Status` where it is switched on, for an answer of your own because a request could
   * not be answered: flat `name, value, …`.
   *
   * @param detail why, as a token (RFC 9211 §2.8).
   */
  failureFields(decision: CacheDecision, detail: string): readonly string[] {
    return this.#answers.failureFields(decision, detail);
  }

  /** The exchange is over, one way or the other. Call it for every forwarded decision; again is harmless. */
  finished(decision: CacheDecision): void {
    decision.writer?.abort();
    if (decision.stored !== undefined && decision.detail === 'background') {
      decision.stored.revalidatingUntil = 0;
    }
    this.#groups.abandoned(decision);
  }

  /**
   * Removes responses that are of no use any more. Call it now and then with a small number: about 0.3 µs each.
   *
   * @returns the number removed.
   */
  sweep(now: number, maxResources: number): number {
    const keepStale = this.#options.keepStale * 1000;
    return this.#store.sweep(maxResources, (stored) => stored.isUseless(now, keepStale));
  }

  /** Evicts until no more than `bytes` are held, for when memory is short. @returns the number removed. */
  shrink(bytes: number): number {
    return this.#store.shrink(bytes);
  }

  /** Counts of what is stored. */
  counts(): StoreCounts {
    return this.#store.counts();
  }

  #lookup(request: CacheRequest, now: number): CacheDecision {
    const { method } = request;
    if (method !== 'GET' && method !== 'HEAD') return this.#bypass(request, 'method', '', now);
    const view = this.#view;
    view.fill(request.fields);
    if (!this.#options.requestDirectives) view.directives = NO_REQUEST_DIRECTIVES;
    const excluded = this.#exclusions.reason(request, view);
    if (excluded !== '') return this.#bypass(request, 'bypass', excluded, now);
    const key = this.#keys.key(request.scheme, request.host, request.target);
    const first = this.#store.get(key);
    if (first === undefined) return this.#forward(request, key, 'uri-miss', undefined, NO_NAMES, now);
    const stored = choose(first, request.fields, this.#options.varyNormalisation);
    if (stored === undefined) return this.#forward(request, key, 'vary-miss', undefined, first.vary, now);
    return this.#use(request, key, stored, now);
  }

  #use(request: CacheRequest, key: PrimaryKey, stored: StoredResponse, now: number): CacheDecision {
    const view = this.#view;
    // RFC 9111 §4.3.2: not for a cache to evaluate, but meant for the origin.
    if (view.originPrecondition) return this.#forward(request, key, 'request', undefined, NO_NAMES, now);
    const reuse = mayReuse(stored, view.directives, now);
    // RFC 9111 §5.2.1.5: nothing of the response is stored, so that a 304 could not bring what is stored up to date.
    if (view.directives.noStore && (reuse === 'validate' || reuse === 'request')) {
      return this.#forward(
        request,
        key,
        reuse === 'validate' ? 'stale' : 'request',
        undefined,
        NO_NAMES,
        now,
      );
    }
    if (reuse === 'validate') return this.#forward(request, key, 'stale', stored, stored.vary, now);
    if (reuse === 'request') return this.#forward(request, key, 'request', stored, stored.vary, now);
    if (!this.#verify(stored, now)) return this.#forward(request, key, 'uri-miss', undefined, NO_NAMES, now);
    const hit = this.#hit;
    this.#answers.answer(hit, stored, view, request.method, now);
    this.#answers.writeHit(hit, stored, now, '');
    this.stats.hits++;
    if (reuse !== 'fresh') {
      this.stats.stale++;
      hit.background = reuse === 'staleWhileRevalidate' && now >= stored.revalidatingUntil;
    }
    return hit;
  }

  #forward(
    request: CacheRequest,
    key: PrimaryKey,
    reason: ForwardReason,
    stored: StoredResponse | undefined,
    vary: Fields,
    now: number,
  ): CacheDecision {
    const decision = new CacheDecision();
    const view = this.#view;
    decision.remember(request, view, key, now);
    decision.sequence = this.#log.sequence;
    decision.forward = reason;
    decision.stored = stored;
    if (view.directives.onlyIfCached) {
      decision.kind = 'gatewayTimeout';
      return decision;
    }
    if (stored !== undefined) this.#validate(decision, stored);
    if (this.#options.coalesce && this.#groups.mayCoalesce(decision, view, now)) {
      if (this.#groups.follows(decision, vary)) return decision;
      this.#groups.lead(decision);
    }
    if (decision.kind === 'revalidate') this.stats.revalidations++;
    else this.stats.misses++;
    return decision;
  }

  /** Adds the validators of what is stored (RFC 9111 §4.3.1); without any the request is a plain miss. */
  #validate(decision: CacheDecision, stored: StoredResponse): void {
    decision.conditionalFields = validationFields(stored, decision.range !== undefined);
    decision.kind = decision.conditionalFields.length > 0 ? 'revalidate' : 'miss';
  }

  /** Checks one in so many hits; a corrupt entry is dropped. */
  #verify(stored: StoredResponse, now: number): boolean {
    if (this.#options.verifyEvery === 0 || --this.#untilVerify > 0) return true;
    this.#untilVerify = this.#options.verifyEvery;
    if (stored.checksum === -1) return true;
    if (sampledChecksum(stored.chunks, stored.length) === stored.checksum) return true;
    this.stats.corrupt++;
    this.#store.delete(stored);
    this.#failedInside(new CacheError('cache_corrupt_entry', `corrupt entry: ${stored.key}`), now);
    return false;
  }

  #bypass(request: CacheRequest, reason: ForwardReason, detail: string, now: number): CacheDecision {
    const decision = new CacheDecision();
    decision.kind = 'bypass';
    decision.request = request;
    decision.requestTime = now;
    decision.forward = reason;
    decision.detail = detail;
    this.stats.bypasses++;
    return decision;
  }

  #failedInside(error: unknown, now: number): void {
    this.stats.errors++;
    this.#breaker.failed(now);
    this.#options.onError(
      error instanceof CacheError ? error : new CacheError('cache_internal', String(error), error),
    );
  }
}
