import type { Engine } from '@rp/core';
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Overload } from '../config/index.ts';
import type { Logger } from '../log/index.ts';
import type { AcceptBalance } from './accept-balance.ts';
import type { ConnectionLeases } from './connection-leases.ts';
import { OverloadMonitor, SAMPLE_INTERVAL } from './overload.ts';

/** Share of `overload.maxHeap` at which memory is given back: before anything is refused. */
const RELIEF = 0.9;
/** Milliseconds until memory is given back again: the garbage collector must come around first. */
const RELIEF_PAUSE = 2_000;

/** How a worker is. */
export interface Vitals {
  readonly eventLoopDelay: number;
  readonly heapUsed: number;
  readonly heapLimit: number;
  readonly overloaded: boolean;
}

/** What a watch looks after. */
export interface WatchParts {
  readonly engine: Engine;
  readonly leases: ConnectionLeases;
  readonly balance: AcceptBalance;
  readonly overload: Overload;
  readonly logger: Logger;
  /** Gives memory back: called when the heap is nearly as full as it may be. */
  readonly relieve: () => void;
}

/** Looks after one worker from inside: overload, and the places for connections that it shares with the others. */
export class WorkerWatch {
  readonly #engine: Engine;
  readonly #leases: ConnectionLeases;
  readonly #balance: AcceptBalance;
  readonly #logger: Logger;
  readonly #clock: () => number;
  readonly #monitor: OverloadMonitor;
  readonly #timer: NodeJS.Timeout;
  readonly #relieve: () => void;
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  #turns = true;
  #maxHeap: number;
  #expected: number;
  #nextRelief = 0;

  constructor({ engine, leases, balance, overload, logger, relieve }: WatchParts) {
    this.#relieve = relieve;
    this.#maxHeap = overload.maxHeap;
    this.#engine = engine;
    // The limit is that of the process, rather than a fixed share for each worker.
    engine.runtime.admission = leases;
    this.#leases = leases;
    this.#balance = balance;
    this.#logger = logger;
    this.#clock = engine.runtime.clock;
    this.#monitor = new OverloadMonitor(overload);
    this.#expected = this.#clock() + SAMPLE_INTERVAL;
    this.#balance.tick(this.#clock(), 0);
    this.#timer = setInterval(() => this.#look(), SAMPLE_INTERVAL).unref();
  }

  /** Takes limits over; to be called after the engine took its settings over. */
  apply(overload: Overload, maxConnections: number): void {
    this.#monitor.limits = overload;
    this.#maxHeap = overload.maxHeap;
    this.#leases.limit = maxConnections;
  }

  vitals(): Vitals {
    const { used_heap_size: heapUsed, heap_size_limit: heapLimit } = getHeapStatistics();
    const { overloaded, worstDelay } = this.#monitor;
    return { eventLoopDelay: worstDelay, heapUsed, heapLimit, overloaded };
  }

  /** It accepts no more, or all there is: nobody is to wait for it. */
  leaveTurns(): void {
    this.#turns = false;
    this.#balance.leave();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.leaveTurns();
  }

  #takeTurns(now: number): void {
    if (!this.#turns) return;
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    this.#balance.tick(now, performance.eventLoopUtilization(this.#utilization, before).utilization);
    this.#engine.reconsider();
  }

  #look(): void {
    const now = this.#clock();
    const delay = Math.max(0, now - this.#expected);
    this.#expected = now + SAMPLE_INTERVAL;
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    const { runtime } = this.#engine;
    const before = runtime.overloaded;
    runtime.overloaded = this.#monitor.sample({ delay, heap: used / limit });
    if (runtime.overloaded !== before) this.#report(runtime.overloaded, delay, used / limit);
    this.#leases.settle(this.#engine.connections);
    this.#takeTurns(now);
    if (used / limit <= this.#maxHeap * RELIEF || now < this.#nextRelief) return;
    this.#nextRelief = now + RELIEF_PAUSE;
    this.#relieve();
  }

  #report(overloaded: boolean, delay: number, heap: number): void {
    const fields = { eventLoopDelayMs: Math.round(delay), heapPercent: Math.round(heap * 100) };
    if (overloaded) this.#logger.warn(fields, 'overloaded: new requests are refused');
    else this.#logger.info(fields, 'no longer overloaded');
  }
}
