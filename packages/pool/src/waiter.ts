import type { PoolableConnection } from './connection.ts';
import type { PoolError } from './pool-error.ts';

/** Who wants a connection: usually the request itself, so that waiting allocates nothing but one node. */
export interface PoolWaiter<C extends PoolableConnection> {
  /** The pool's place to keep the waiter's queue node; starts as `undefined`, only the pool writes it. */
  poolNode: WaiterNode<C> | undefined;
  /**
   * Here is a connection; it is the waiter's until `release` or `discard` (or `closed`). `reused` says that it
   * was idle or used before, so the backend may have closed it unseen.
   */
  connectionReady(connection: C, reused: boolean): void;
  /** There will be no connection. The waiter is out of the queue and may acquire again. */
  connectionFailed(error: PoolError): void;
}

/**
 * A waiter's place: `queued` for a connection; `settled` with an error that it will be told in a
 * moment, never inside the call that caused it; or `free` to be used for the next wait.
 */
export class WaiterNode<C extends PoolableConnection> {
  readonly waiter: PoolWaiter<C>;
  state: 'free' | 'queued' | 'settled' = 'free';
  /** The list it is in. */
  list: WaiterList<C> | undefined = undefined;
  previous: WaiterNode<C> | undefined = undefined;
  next: WaiterNode<C> | undefined = undefined;
  /** Order of arrival, across both kinds of waiters. */
  ticket: number = 0;
  /** Clock value of arrival, in milliseconds. */
  since: number = 0;
  /** What a settled node will be told. */
  error: PoolError | undefined = undefined;

  constructor(waiter: PoolWaiter<C>) {
    this.waiter = waiter;
  }
}

/** A FIFO list of nodes, linked both ways so that a waiter who left is taken out in O(1). */
export class WaiterList<C extends PoolableConnection> {
  first: WaiterNode<C> | undefined = undefined;
  last: WaiterNode<C> | undefined = undefined;
  size: number = 0;

  append(node: WaiterNode<C>): void {
    const last = this.last;
    node.list = this;
    node.previous = last;
    node.next = undefined;
    if (last === undefined) this.first = node;
    else last.next = node;
    this.last = node;
    this.size++;
  }

  remove(node: WaiterNode<C>): void {
    const { previous, next } = node;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    node.list = undefined;
    node.previous = undefined;
    node.next = undefined;
    this.size--;
  }
}
