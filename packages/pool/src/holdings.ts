import type { PoolSlot } from './connection.ts';
import type { Demand } from './demand.ts';
import { IdleList } from './idle-list.ts';
import type { Permits } from './permits.ts';

/** How long a thread keeps its only connection while other threads have none, in milliseconds. */
const LAST_PERMIT_MS = 100;

/**
 * The connections a pool has, in use and idle, and which of them it should not have: too old, too many, or wanted
 * elsewhere. Each change of a slot's state is made here.
 */
export class Holdings {
  readonly #permits: Permits;
  readonly #demand: Demand;
  readonly #idle = new IdleList();
  /** The limit was lowered and we hold more than our part. */
  #shedding = false;
  /** Most in use at one time since the last sizing. */
  #peak = 0;
  /** Being closed for another thread's sake. */
  #donating = 0;
  /** Longest idle time in milliseconds. */
  idleTimeout: number;
  /** In use, temporary ones too. */
  active: number = 0;
  /** Being closed by the pool, temporary ones too. */
  #closing = 0;
  /** Being closed by the pool, with a permit that will be free then. */
  returning: number = 0;
  /** Temporary ones, from the start of the connect to the close. */
  overflow: number = 0;
  /** Connections given out. */
  acquired: number = 0;
  /** Connections given out that were idle or used before. */
  reused: number = 0;
  /** Idle connections that the pool closed. */
  evicted: number = 0;
  /** Idle connections found unusable. */
  stale: number = 0;

  constructor(permits: Permits, demand: Demand, idleTimeout: number) {
    this.#permits = permits;
    this.#demand = demand;
    this.idleTimeout = idleTimeout;
  }

  /** Number of idle connections. */
  get idle(): number {
    return this.#idle.size;
  }

  /** All of them. */
  get size(): number {
    return this.active + this.#idle.size + this.#closing;
  }

  /** The warmest idle connection that may be used, or none. Those that may not are closed on the way. */
  takeIdle(now: number): PoolSlot | undefined {
    for (let slot = this.#idle.newest; slot !== undefined; slot = this.#idle.newest) {
      if (this.#isUsable(slot, now)) {
        this.#idle.remove(slot);
        slot.state = 'active';
        this.reused++;
        this.#activate();
        return slot;
      }
      this.#evictStale(slot);
    }
    return undefined;
  }

  /** A new connection goes to a waiter. */
  activateFresh(): void {
    this.#activate();
  }

  /** A connection in use goes from one user to the next. */
  passOn(): void {
    this.acquired++;
    this.reused++;
  }

  /** A new connection that nobody waits for becomes idle, or is closed. */
  adopt(slot: PoolSlot, now: number, keep: boolean): void {
    this.active++;
    slot.reused = true;
    if (keep) this.shelve(slot, now);
    else this.close(slot);
  }

  /** A connection in use becomes idle; or another one does, for another thread's sake. */
  shelve(slot: PoolSlot, now: number): void {
    this.active--;
    slot.state = 'idle';
    slot.idleSince = now;
    this.#idle.push(slot);
    if (this.#permits.othersWait()) this.donate();
  }

  /** Destroys a connection that is in use or idle. */
  close(slot: PoolSlot): void {
    if (slot.state === 'idle') this.#idle.remove(slot);
    else this.active--;
    slot.state = 'closing';
    this.#closing++;
    if (!slot.overflow) this.returning++;
    slot.connection.destroy();
  }

  /** A connection is gone, whatever it was doing; its permit is given back. */
  gone(slot: PoolSlot): void {
    if (slot.state === 'idle') {
      this.#idle.remove(slot);
      this.stale++;
    } else if (slot.state === 'active') this.active--;
    else {
      this.#closing--;
      if (!slot.overflow) this.returning--;
    }
    slot.state = 'closed';
    if (slot.overflow) this.overflow--;
    else this.#permits.give();
    if (!slot.donated) return;
    this.#donating--;
    this.donate();
  }

  /** Closes the idle connection that was not used for the longest time. False if there is none. */
  evictOldest(): boolean {
    const slot = this.#idle.oldest;
    if (slot === undefined) return false;
    this.#evict(slot);
    return true;
  }

  /** Closes all idle connections. */
  evictAll(): void {
    for (let more = true; more;) more = this.evictOldest();
  }

  /** Gives an idle connection up if another thread waits and no permit is free; one at a time. */
  donate(): void {
    const slot = this.#idle.oldest;
    if (slot === undefined || this.#donating > 0 || !this.#permits.othersLack()) return;
    this.#donating++;
    slot.donated = true;
    this.#evict(slot);
  }

  /**
   * Gives up a connection that was just released, though waiters of our own could use it, if another thread waits
   * and has none. Our last one stays for a while, or it would go to and fro with each request.
   */
  yieldToStarving(slot: PoolSlot, now: number): boolean {
    if (this.#donating > 0 || !this.#permits.othersStarve()) return false;
    if (this.#permits.held === 1 && now - slot.createdAt < LAST_PERMIT_MS) return false;
    this.#donating++;
    slot.donated = true;
    this.close(slot);
    return true;
  }

  /** Whether a connection that was just released has to go since the limit was lowered. */
  isExcess(): boolean {
    return this.#shedding && this.#permits.excess() > this.returning;
  }

  /** Closes idle connections above a limit that was lowered; if these are not enough, `isExcess` says so. */
  shed(): void {
    let excess = this.#permits.excess() - this.returning;
    while (excess > 0 && this.evictOldest()) excess--;
    this.#shedding = excess > 0;
  }

  /** Whether it is time for `tidy`. */
  isDue(now: number): boolean {
    return this.#demand.isDue(now);
  }

  /** Closes idle connections that are old, unusable, or more than `keep` and than recent demand justifies. */
  tidy(now: number, keep: number): void {
    this.#demand.observe(this.#peak, now);
    this.#peak = this.active;
    for (let slot = this.#idle.oldest; slot !== undefined;) {
      // Read first: the slot's links are gone once it is closed.
      const newer: PoolSlot | undefined = slot.newer;
      // A close that is reported at once may have led to another one: the rest has time until the next turn.
      if (slot.state !== 'idle') break;
      if (now - slot.idleSince >= this.idleTimeout || now >= slot.expiresAt) this.#evict(slot);
      else if (!slot.connection.isReusable()) this.#evictStale(slot);
      slot = newer;
    }
    const allowed = Math.max(keep, this.#demand.target - this.active);
    while (this.#idle.size > allowed) this.evictOldest();
    this.shed();
  }

  #isUsable(slot: PoolSlot, now: number): boolean {
    return now - slot.idleSince < this.idleTimeout && now < slot.expiresAt && slot.connection.isReusable();
  }

  #activate(): void {
    this.acquired++;
    this.active++;
    if (this.active > this.#peak) this.#peak = this.active;
  }

  #evict(slot: PoolSlot): void {
    this.evicted++;
    this.close(slot);
  }

  #evictStale(slot: PoolSlot): void {
    this.stale++;
    this.#evict(slot);
  }
}
