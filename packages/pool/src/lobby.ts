import type { PoolableConnection } from './connection.ts';
import { PoolError, type PoolErrorCode } from './pool-error.ts';
import { WaiterList, WaiterNode, type PoolWaiter } from './waiter.ts';

/**
 * Those who wait for a connection, first come first served. Two lists, since a waiter that wants a fresh connection
 * must be passed over when a used one comes free; tickets keep the order across both. Errors are never told inside
 * the call that caused them, so that a waiter may do what it likes when it hears one.
 */
export class Lobby<C extends PoolableConnection> {
  readonly #any = new WaiterList<C>();
  readonly #fresh = new WaiterList<C>();
  readonly #settled = new WaiterList<C>();
  readonly #defer: (callback: () => void) => void;
  readonly #flush: () => void;
  #flushing = false;
  #ticket = 0;
  /** Acquires that found all connections busy. */
  exhausted: number = 0;
  /** Waiters that left without a connection, by the reason: waited too long, … */
  timedOut: number = 0;
  /** … did not want it any more, … */
  cancelled: number = 0;
  /** … or were refused by policy. Failed connects are counted where they are made. */
  refused: number = 0;

  constructor(defer: (callback: () => void) => void) {
    this.#defer = defer;
    this.#flush = () => this.#tell();
  }

  /** How many wait. */
  get size(): number {
    return this.#any.size + this.#fresh.size;
  }

  /** Puts a waiter at the end. Throws if it waits already. */
  enqueue(waiter: PoolWaiter<C>, fresh: boolean, now: number): WaiterNode<C> {
    const node = this.#nodeOf(waiter);
    node.state = 'queued';
    node.ticket = this.#ticket++;
    node.since = now;
    (fresh ? this.#fresh : this.#any).append(node);
    return node;
  }

  /** Who has waited longest, for a fresh connection. */
  get first(): WaiterNode<C> | undefined {
    const any = this.#any.first;
    const fresh = this.#fresh.first;
    if (any === undefined) return fresh;
    return fresh === undefined || any.ticket < fresh.ticket ? any : fresh;
  }

  /** Who has waited longest of those who take a used connection. */
  get firstForUsed(): WaiterNode<C> | undefined {
    return this.#any.first;
  }

  /** Takes a waiter out of the queue, to be given a connection. */
  take(node: WaiterNode<C>): PoolWaiter<C> {
    node.list?.remove(node);
    node.state = 'free';
    return node.waiter;
  }

  /** Takes a waiter out whatever it waits for: a connection, or to hear an error. False if it does not wait. */
  cancel(waiter: PoolWaiter<C>): boolean {
    const node = waiter.poolNode;
    if (node === undefined || node.list === undefined || !this.#owns(node.list)) return false;
    node.list.remove(node);
    node.state = 'free';
    node.error = undefined;
    this.cancelled++;
    return true;
  }

  /** Tells a waiter that never was in the queue, soon. Throws if it waits already. */
  refuse(waiter: PoolWaiter<C>, code: PoolErrorCode): void {
    this.#settle(this.#nodeOf(waiter), new PoolError(code));
  }

  /** Takes a waiter out of the queue and tells it, soon. */
  fail(node: WaiterNode<C>, code: PoolErrorCode, cause?: unknown): void {
    node.list?.remove(node);
    this.#settle(node, new PoolError(code, cause));
  }

  /** Fails all. */
  failAll(code: PoolErrorCode): void {
    for (let node = this.first; node !== undefined; node = this.first) this.fail(node, code);
  }

  /**
   * Fails those who came at or before `latest`, but not the first `spared` ones: connects are under way for
   * these, and have a timeout of their own.
   */
  expire(latest: number, spared: number): void {
    let any = this.#any.first;
    let fresh = this.#fresh.first;
    for (let left = spared; any !== undefined || fresh !== undefined; left--) {
      const node: WaiterNode<C> | undefined =
        fresh === undefined || (any !== undefined && any.ticket < fresh.ticket) ? any : fresh;
      if (node === undefined || node.since > latest) break;
      if (node === any) any = node.next;
      else fresh = node.next;
      if (left <= 0) this.fail(node, 'POOL_QUEUE_TIMEOUT');
    }
  }

  #owns(list: WaiterList<C>): boolean {
    return list === this.#any || list === this.#fresh || list === this.#settled;
  }

  #nodeOf(waiter: PoolWaiter<C>): WaiterNode<C> {
    const known = waiter.poolNode;
    if (known === undefined) {
      const node = new WaiterNode<C>(waiter);
      waiter.poolNode = node;
      return node;
    }
    if (known.state !== 'free') throw new Error('the waiter waits already: cancel it first');
    return known;
  }

  #settle(node: WaiterNode<C>, error: PoolError): void {
    if (error.code === 'POOL_QUEUE_TIMEOUT') this.timedOut++;
    else if (error.code !== 'POOL_CONNECT_FAILED') this.refused++;
    node.state = 'settled';
    node.error = error;
    this.#settled.append(node);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#flushing || this.#settled.size === 0) return;
    this.#flushing = true;
    this.#defer(this.#flush);
  }

  /** Tells those who are settled by now; who is settled meanwhile is told in the next round. */
  #tell(): void {
    try {
      for (let left = this.#settled.size; left > 0; left--) {
        const node = this.#settled.first;
        if (node === undefined) break;
        const error = node.error;
        node.error = undefined;
        this.take(node);
        if (error !== undefined) node.waiter.connectionFailed(error);
      }
    } finally {
      // Also when a waiter threw: the others are still to be told.
      this.#flushing = false;
      this.#schedule();
    }
  }
}
