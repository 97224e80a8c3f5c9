import type { Engine } from '@rp/core';
import { getHeapStatistics } from 'node:v8';
import type { Overload } from '../config/index.ts';
import type { Logger } from '../log/index.ts';
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

/** Looks after one worker from inside: overload, and the places for connections that it shares with the others. */
export class WorkerWatch {
  readonly #engine: Engine;
  readonly #leases: ConnectionLeases;
  readonly #logger: Logger;
  readonly #clock: () => number;
  readonly #monitor: OverloadMonitor;
  readonly #timer: NodeJS.Timeout;
  readonly #relieve: () => void;
  #maxHeap: number;
  #expected: number;
  #nextRelief = 0;

  /** @param relieve gives memory back: called when the heap is nearly as full as it may be */
  constructor(
    engine: Engine,
    leases: ConnectionLeases,
    overload: Overload,
    logger: Logger,
    relieve: () => void = () => {},
  ) {
    this.#relieve = relieve;
    this.#maxHeap = overload.maxHeap;
    this.#engine = engine;
    // The limit is that of the process, rather than a fixed share for each worker.
    engine.runtime.admission = leases;
    this.#leases = leases;
    this.#logger = logger;
    this.#clock = engine.runtime.clock;
    this.#monitor = new OverloadMonitor(overload);
    this.#expected = this.#clock() + SAMPLE_INTERVAL;
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

  stop(): void {
    clearInterval(this.#timer);
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
