import type { PrimaryKey } from './cacheKey.ts';
import type { CacheDecision } from './decision.ts';
import type { StoredResponse } from './storedResponse.ts';
import type { StoreWriter } from './storeWriter.ts';

/** Why a follower gets no (more) answer: the client is to see an error, or a cut connection if the head is out. */
export type FollowerFailure =
  /** As many leaders as allowed failed one after the other, before any head arrived. */
  | 'cache_leaders_failed'
  /** The body ended early. */
  | 'cache_leader_truncated'
  /** The body is too large to be kept and this follower has fallen too far behind. */
  | 'cache_follower_lagging';

/** What the engine implements for a request that follows another one. Calls come from within the leader's calls. */
export interface FollowerSink {
  /** The answer: `hit` (read the body with {@link Follower.read}) or `notModified`. Called at most once. */
  followerHead(follower: Follower, decision: CacheDecision): void;
  /** There is more to read, or the body has ended; ignore it while the client cannot take more. */
  followerReadable(follower: Follower): void;
  /** Go on alone: treat `decision` as if the look-up had given it. The follower is over. */
  followerReleased(follower: Follower, decision: CacheDecision): void;
  /** There is no answer. The follower is over. */
  followerFailed(follower: Follower, reason: FollowerFailure): void;
}

/** What the engine implements for a request that others follow. Calls come from within the followers' calls. */
export interface FollowersWatcher {
  /** The first one is there (do not let a slow client hold up the exchange), or the last one has left. */
  followersChanged(): void;
}

/** One request that waits for, and then reads from, another one's response. */
export class Follower {
  /** The decision of kind `follow`. */
  readonly decision: CacheDecision;
  readonly sink: FollowerSink;
  state: 'waiting' | 'reading' | 'over' = 'waiting';

  #group: CoalescingGroup;
  #stored: StoredResponse | undefined = undefined;
  #chunk = 0;
  #offset = 0;
  /** Bytes read so far. */
  position = 0;

  constructor(decision: CacheDecision, sink: FollowerSink, group: CoalescingGroup) {
    this.decision = decision;
    this.sink = sink;
    this.#group = group;
  }

  /** The next piece of the body as a view on shared memory, or `undefined` when there is nothing new. */
  read(): Uint8Array | undefined {
    const stored = this.#stored;
    if (stored === undefined || this.state !== 'reading') return undefined;
    if (stored.text !== undefined) return this.#readText(stored.text);
    const { chunks } = stored;
    while (this.#chunk < chunks.length) {
      const chunk = chunks[this.#chunk] as Uint8Array;
      if (this.#offset < chunk.byteLength) {
        const piece = this.#offset === 0 ? chunk : chunk.subarray(this.#offset);
        this.#offset = chunk.byteLength;
        this.position += piece.byteLength;
        return piece;
      }
      // The last chunk may still grow; only one that has a successor is done with.
      if (this.#chunk + 1 >= chunks.length) return undefined;
      this.#chunk++;
      this.#offset = 0;
    }
    return undefined;
  }

  #readText(text: string): Uint8Array | undefined {
    if (this.position === text.length) return undefined;
    const piece = Buffer.from(this.position === 0 ? text : text.slice(this.position), 'latin1');
    // Should the text become the first chunk, reading goes on behind this.
    this.position = this.#offset = text.length;
    return piece;
  }

  /** The body is complete and all of it has been read. */
  get ended(): boolean {
    const stored = this.#stored;
    return stored !== undefined && stored.complete && this.position === stored.length;
  }

  /** The client has left, or has all it needs. */
  leave(): void {
    if (this.state !== 'over') this.#group.remove(this);
  }

  /** Index of the chunk being read: those before it are not needed any more. */
  get chunkIndex(): number {
    return this.#chunk;
  }

  /** Waits in another group from now on. */
  move(group: CoalescingGroup): void {
    this.#group = group;
    group.join(this);
  }

  /** Goes on alone, or in front. */
  release(decision: CacheDecision): void {
    this.state = 'over';
    this.sink.followerReleased(this, decision);
  }

  /** Starts to read. */
  start(stored: StoredResponse): void {
    this.state = 'reading';
    this.#stored = stored;
  }
}

/** What a group needs from the cache. */
export interface GroupHost {
  /** Answer of a stored response, complete or on its way, to a follower; `undefined` if it may not be used for it. */
  answerFollower(decision: CacheDecision, stored: StoredResponse): CacheDecision | undefined;
  /** Finds another group for a follower that `Vary` excludes, or makes it the leader of one. */
  regroup(follower: Follower, stored: StoredResponse): void;
  /** The decision for a follower that takes the lead of `group`. */
  promote(follower: Follower, group: CoalescingGroup): CacheDecision;
  /** The decision for a follower that goes on alone. */
  alone(follower: Follower, group: CoalescingGroup): CacheDecision;
  /** No new followers from now on. */
  closed(group: CoalescingGroup): void;
}

/**
 * Requests for the same thing, of which one, the leader, is forwarded (RFC 9111 §4: "collapse requests").
 *
 * Before the head arrives the followers wait. Then:
 * - storable, and fits a follower: it reads the body as it is written, from the same memory;
 * - `Vary` excludes a follower: it joins a group for its own variant, whose first member leads;
 * - not storable: everybody needs a response of his own. They are let go a few at a time (`releaseWidth`), the next
 *   one whenever one of those before has its head, so that the backend sees no burst;
 * - the leader fails: the first follower takes its place; after `attempts` failures in a row all fail.
 *
 * A leader that breaks off in mid-body takes those who already read from it along: their heads are out.
 */
export class CoalescingGroup {
  readonly key: PrimaryKey;
  /** The known part of `Vary`. */
  readonly variant: string;
  /** The one whose response the others wait for; another one when it fails. */
  leader: CacheDecision | undefined = undefined;
  readonly #host: GroupHost;
  readonly #attempts: number;
  readonly #releaseWidth: number;
  // Most groups never have a follower: their lists are only made for one.
  #waiting: Follower[] = NOBODY;
  #reading: Set<Follower> | undefined = undefined;
  #failures = 0;
  #state: 'waiting' | 'reading' | 'releasing' | 'over' = 'waiting';
  #writer: StoreWriter | undefined = undefined;

  constructor(key: PrimaryKey, variant: string, host: GroupHost, attempts: number, releaseWidth: number) {
    this.key = key;
    this.variant = variant;
    this.#host = host;
    this.#attempts = attempts;
    this.#releaseWidth = releaseWidth;
  }

  /** Number of requests that wait or read. */
  get followers(): number {
    return this.#waiting.length + (this.#reading?.size ?? 0);
  }

  /** Number of requests that get nothing unless the leader goes on. */
  get dependants(): number {
    return this.#state === 'releasing' ? 0 : this.followers;
  }

  /** Adds a request; if the head is there it is answered at once, within this call. */
  join(follower: Follower): void {
    const first = this.followers === 0;
    this.#admit(follower);
    if (first && this.dependants > 0) this.leader?.watcher?.followersChanged();
  }

  #admit(follower: Follower): void {
    if (this.#state === 'reading' && this.#writer !== undefined) this.#deliver(follower, this.#writer.stored);
    else if (this.#waiting === NOBODY) this.#waiting = [follower];
    else this.#waiting.push(follower);
  }

  /** Takes out a follower that has left. */
  remove(follower: Follower): void {
    const waited = follower.state === 'waiting';
    follower.state = 'over';
    if (waited) {
      const at = this.#waiting.indexOf(follower);
      if (at >= 0) this.#waiting.splice(at, 1);
    } else {
      this.#reading?.delete(follower);
    }
    if (this.followers === 0) this.leader?.watcher?.followersChanged();
  }

  /** The leader's response is being stored: everybody it fits reads along. */
  headArrived(writer: StoreWriter): void {
    this.#state = 'reading';
    this.#writer = writer;
    this.#deliverAll(writer.stored);
  }

  /** The leader's request validated what is stored: that answers everybody. */
  validated(stored: StoredResponse): void {
    this.#finish();
    this.#deliverAll(stored);
  }

  /** The leader's response cannot be shared. */
  notShared(): void {
    this.#state = 'releasing';
    this.#host.closed(this);
    this.#release(this.#releaseWidth);
  }

  /** One that was released has its head, or came to nothing: the next one may go. */
  releasedOneDone(): void {
    if (this.#state === 'releasing') this.#release(1);
  }

  /** The leader came to nothing before its head arrived. */
  leaderFailed(): void {
    if (this.#state !== 'waiting') return;
    this.#failures++;
    const next = this.#failures < this.#attempts ? this.#waiting.shift() : undefined;
    if (next !== undefined) {
      next.release(this.#host.promote(next, this));
      return;
    }
    this.#finish();
    this.#failAll('cache_leaders_failed');
  }

  /** The writer has more, or is done. */
  written(): void {
    if (this.#reading !== undefined) {
      for (const follower of this.#reading) follower.sink.followerReadable(follower);
    }
    if (this.#writer?.state === 'stored') {
      this.#finish();
      this.#writer = undefined;
    }
  }

  /**
   * The body is too large to be kept: nobody new may join, and chunks that all have read are let go.
   *
   * @returns whether anybody still reads.
   */
  stoppedKeeping(): boolean {
    this.#finish();
    return this.#reading !== undefined && this.#reading.size > 0;
  }

  /** Lets go of chunks that everybody has read; drops followers more than `window` bytes behind. */
  trim(stored: StoredResponse, window: number): void {
    let oldest = stored.chunks.length - 1;
    for (const follower of this.#reading ?? NOBODY) {
      if (stored.length - follower.position > window) this.#fail(follower, 'cache_follower_lagging');
      else oldest = Math.min(oldest, follower.chunkIndex);
    }
    for (let i = oldest - 1; i >= 0 && stored.chunks[i] !== EMPTY; i--) stored.chunks[i] = EMPTY;
  }

  /** The body ended early. */
  truncated(): void {
    this.#finish();
    this.#failAll('cache_leader_truncated');
  }

  #release(count: number): void {
    for (let i = 0; i < count; i++) {
      const follower = this.#waiting.shift();
      if (follower === undefined) return;
      follower.release(this.#host.alone(follower, this));
    }
  }

  #deliverAll(stored: StoredResponse): void {
    const waiting = this.#waiting;
    this.#waiting = NOBODY;
    for (const follower of waiting) if (follower.state === 'waiting') this.#deliver(follower, stored);
  }

  #deliver(follower: Follower, stored: StoredResponse): void {
    const answer = this.#host.answerFollower(follower.decision, stored);
    if (answer === undefined) {
      this.#host.regroup(follower, stored);
      return;
    }
    if (answer.kind !== 'hit') {
      follower.state = 'over'; // a 304: there is nothing to read
      follower.sink.followerHead(follower, answer);
      return;
    }
    follower.start(stored);
    this.#reading ??= new Set();
    this.#reading.add(follower);
    follower.sink.followerHead(follower, answer);
    // A state that the sink may have changed by leaving.
    if (this.#reading.has(follower)) follower.sink.followerReadable(follower);
  }

  #failAll(reason: FollowerFailure): void {
    const all = [...this.#waiting, ...(this.#reading ?? NOBODY)];
    this.#waiting = NOBODY;
    for (const follower of all) if (follower.state !== 'over') this.#fail(follower, reason);
  }

  #fail(follower: Follower, reason: FollowerFailure): void {
    follower.state = 'over';
    this.#reading?.delete(follower);
    follower.sink.followerFailed(follower, reason);
  }

  #finish(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#host.closed(this);
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);
const NOBODY: Follower[] = [];
