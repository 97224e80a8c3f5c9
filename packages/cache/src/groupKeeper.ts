import type { Answers } from './answers.ts';
import { forwardedMember } from './cacheStatus.ts';
import type { CacheStats } from './cacheStats.ts';
import { CoalescingGroup, Follower } from './coalescing.ts';
import type { FollowerSink, GroupHost } from './coalescing.ts';
import { CacheDecision } from './decision.ts';
import { GroupTable } from './groupTable.ts';
import type { CacheRequest } from './messages.ts';
import type { ResolvedOptions } from './options.ts';
import type { RequestView } from './requestView.ts';
import { matchesVary } from './selection.ts';
import type { StoredResponse } from './storedResponse.ts';
import { variantKey } from './vary.ts';

/** Keys remembered as not worth waiting for. */
const UNCACHEABLE_LIMIT = 10_000;

/** Knows which requests are under way, and lets others follow them. */
export class GroupKeeper implements GroupHost {
  readonly #options: ResolvedOptions;
  readonly #answers: Answers;
  readonly #stats: CacheStats;
  readonly #groups: GroupTable = new GroupTable();
  // Key → time until which its requests go forward side by side: the last response could not be shared.
  // Two maps of limited size, the older one dropped whole: taking single entries out of a Map in order is slow.
  #uncacheable: Map<string, number> = new Map();
  #uncacheableBefore: Map<string, number> = new Map();
  #now = 0;

  constructor(options: ResolvedOptions, answers: Answers, stats: CacheStats) {
    this.#options = options;
    this.#answers = answers;
    this.#stats = stats;
  }

  /**
   * Whether a request may share a response with others: a GET for all of the representation, that would take any
   * storable response, without credentials of its own.
   */
  mayCoalesce(decision: CacheDecision, view: RequestView, now: number): boolean {
    const { directives } = view;
    if (decision.request?.method !== 'GET' || decision.range !== undefined) return false;
    if (view.authorized || view.originPrecondition) return false;
    if (directives.noStore || directives.noCache || directives.maxAge >= 0 || directives.minFresh >= 0) {
      return false;
    }
    if (this.#uncacheable.size + this.#uncacheableBefore.size === 0) return true;
    const { key } = decision.key;
    const until = this.#uncacheable.get(key) ?? this.#uncacheableBefore.get(key) ?? 0;
    return now >= until;
  }

  /** Makes `decision` a `follow` if something fitting is under way. `vary`: names known to matter for the key. */
  follows(decision: CacheDecision, vary: readonly string[]): boolean {
    decision.variant = this.#variant(decision, vary);
    const group = this.#groups.find(decision.key, decision.variant);
    if (group === undefined) return false;
    decision.kind = 'follow';
    decision.group = group;
    return true;
  }

  /** Makes `decision` the leader of a new group, unless its own preconditions could make the answer a mere 304. */
  lead(decision: CacheDecision): void {
    const conditional = decision.ifNoneMatch !== undefined || decision.ifModifiedSince !== undefined;
    if (conditional && decision.kind !== 'revalidate') return;
    const variant = (decision.variant ??= this.#variant(decision, decision.stored?.vary ?? []));
    if (this.#groups.find(decision.key, variant) !== undefined) return;
    const { coalesceAttempts, coalesceRelease } = this.#options;
    const group = new CoalescingGroup(decision.key, variant, this, coalesceAttempts, coalesceRelease);
    this.#groups.add(group);
    decision.group = group;
    decision.leader = true;
    group.leader = decision;
  }

  /** Adds a follower. */
  join(decision: CacheDecision, sink: FollowerSink): Follower {
    const group = decision.group as CoalescingGroup;
    const follower = new Follower(decision, sink, group);
    this.#now = decision.requestTime;
    group.join(follower);
    return follower;
  }

  /** The head for a released follower has arrived: the next one may go. For leaders nothing happens here. */
  headArrived(decision: CacheDecision, now: number): void {
    this.#now = now;
    if (decision.leader || decision.group === undefined || !decision.released) return;
    decision.released = false;
    decision.group.releasedOneDone();
  }

  /** The leader's response cannot be shared. */
  notShared(decision: CacheDecision): void {
    const { group } = decision;
    if (!decision.leader || group === undefined) return;
    // Only where somebody waited in vain: most such responses are asked for by one client at a time.
    if (group.followers > 0) this.#rememberUncacheable(decision.key.key);
    group.notShared();
  }

  /** The exchange failed before a head; `stale` is what its own client gets, which serves the others too. */
  failed(decision: CacheDecision, stale: StoredResponse | undefined): void {
    this.#freeRelease(decision);
    if (!decision.leader || decision.group === undefined) return;
    if (stale === undefined) decision.group.leaderFailed();
    else decision.group.validated(stale);
    decision.leader = false;
  }

  /** The exchange is over; harmless if it ended as it should. */
  abandoned(decision: CacheDecision): void {
    this.#freeRelease(decision);
    if (!decision.leader || decision.group === undefined) return;
    decision.leader = false;
    decision.group.leaderFailed();
  }

  /** Something was invalidated: what is under way was asked for before, so nobody new may follow it (§4.4). */
  detach(matches: (primaryKey: string) => boolean): void {
    for (const group of this.#groups.matching(matches)) this.closed(group);
  }

  // --- GroupHost ---

  answerFollower(decision: CacheDecision, stored: StoredResponse): CacheDecision | undefined {
    const request = decision.request as CacheRequest;
    if (!matchesVary(stored, request.fields, this.#options.varyNormalisation)) return undefined;
    const answer = new CacheDecision();
    this.#answers.answer(answer, stored, decision, request.method, this.#now);
    // The body is read through the follower, also where it is there already.
    answer.bodyLength = 0;
    answer.bodyText = undefined;
    const { member } = this.#answers;
    this.#answers.writeForwarded(
      answer,
      stored,
      this.#now,
      forwardedMember(member, decision.forward, 0, false, 'shared', ''),
      'COALESCED',
    );
    this.#stats.coalesced++;
    return answer;
  }

  regroup(follower: Follower, stored: StoredResponse): void {
    const before = follower.decision;
    const variant = this.#variant(before, stored.vary);
    const group = this.#groups.find(before.key, variant);
    if (group !== undefined) {
      follower.move(group);
      return;
    }
    const decision = this.#again(follower);
    decision.forward = 'vary-miss';
    decision.variant = variant;
    this.lead(decision);
    follower.release(decision);
  }

  promote(follower: Follower, group: CoalescingGroup): CacheDecision {
    const decision = this.#again(follower);
    decision.group = group;
    decision.leader = true;
    group.leader = decision;
    return decision;
  }

  alone(follower: Follower, group: CoalescingGroup): CacheDecision {
    const decision = this.#again(follower);
    decision.group = group;
    decision.released = true;
    return decision;
  }

  closed(group: CoalescingGroup): void {
    this.#groups.remove(group);
  }

  #again(follower: Follower): CacheDecision {
    const decision = follower.decision.forwardedCopy(this.#now);
    decision.collapsed = 'failed';
    this.#stats.coalescingFailed++;
    if (decision.kind === 'revalidate') this.#stats.revalidations++;
    else this.#stats.misses++;
    return decision;
  }

  #rememberUncacheable(key: string): void {
    if (this.#uncacheable.size >= UNCACHEABLE_LIMIT) {
      this.#uncacheableBefore = this.#uncacheable;
      this.#uncacheable = new Map();
    }
    this.#uncacheable.set(key, this.#now + this.#options.uncacheableTtl * 1000);
  }

  #freeRelease(decision: CacheDecision): void {
    if (!decision.released || decision.group === undefined) return;
    decision.released = false;
    decision.group.releasedOneDone();
  }

  #variant(decision: CacheDecision, vary: readonly string[]): string {
    const { keyFields, varyNormalisation } = this.#options;
    const names = vary.length > 0 ? vary : keyFields;
    if (names.length === 0) return '';
    const request = decision.request as CacheRequest;
    return variantKey(names, request.fields, varyNormalisation);
  }
}
