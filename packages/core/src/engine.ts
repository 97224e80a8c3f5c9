import type net from 'node:net';
import { performance } from 'node:perf_hooks';
import type { ResponseCache } from './cache-contract.ts';
import { ClientConnections } from './client-connections.ts';
import type { BackendStream } from './backend/stream.ts';
import { silentLog, type BackendPool, type EventLog } from './contracts.ts';
import { Counter, Counters } from './counters.ts';
import { Hooks } from './engine-hooks.ts';
import { ProxyFailure } from './failure.ts';
import { LimitedLog } from './limited-log.ts';
import { Listener, type ListenOptions } from './listener.ts';
import { requestIds } from './request-id.ts';
import { Runtime, type AccessLog } from './runtime.ts';
import { Settings, type SettingsInput } from './settings.ts';
import { Timer, TimerWheel, intervalTicker, type Ticker } from './timer-wheel.ts';

/** Milliseconds between two rounds of upkeep of the pools. */
const UPKEEP = 100;
/** Stored responses looked at in one round: a million are seen in ten minutes, none of them for a millisecond. */
const SWEEP = 200;
/** Milliseconds for which an idle connection may still bring a request after a drain began. */
const IDLE_GRACE = 500;
/** Rounds of upkeep between two looks at the idle connections of closed listeners: longer than the above. */
const FAREWELL = 10;

export interface EngineOptions {
  /** What to serve; may be replaced at any time by `apply`. */
  settings: SettingsInput;
  log?: EventLog;
  accessLog?: AccessLog;
  /** Asked before every request that may be cached; `HttpCache` of `@rp/cache` is one. Default: none. */
  cache?: ResponseCache;
  /** Shared with whoever reads them; default: memory of its own. */
  counters?: Counters;
  /** Monotonic milliseconds. Default `performance.now`. */
  clock?: () => number;
  /** Milliseconds since 1970. Default `Date.now`. */
  wallClock?: () => number;
  ticker?: Ticker;
}

class Upkeep extends Timer {
  readonly #run: (now: number) => void;

  constructor(run: (now: number) => void) {
    super();
    this.#run = run;
  }

  override expired(now: number): void {
    this.#run(now);
  }
}

/**
 * The engine of one event loop: listeners, client connections, exchanges, and the timers and counters they share.
 * Balancers and pools are given to it inside the routes' upstreams.
 */
export class Engine {
  readonly runtime: Runtime;
  readonly hooks: Hooks;
  readonly counters: Counters;
  readonly #connections: ClientConnections;
  readonly #listeners: Set<Listener> = new Set();
  /** Closed by {@link closeListener}; their connections end when they are idle. */
  readonly #leaving: Set<Listener> = new Set();
  readonly #pools: Set<BackendPool<BackendStream>> = new Set();
  /** Of backends that are gone, until all that is under way on them has ended. */
  readonly #dismissed: Set<BackendPool<BackendStream>> = new Set();
  readonly #upkeep: Upkeep;
  #accepting = true;
  #round = 0;

  constructor(options: EngineOptions) {
    const clock = options.clock ?? (() => performance.now());
    const log = new LimitedLog(options.log ?? silentLog, clock);
    this.counters = options.counters ?? new Counters();
    this.hooks = new Hooks((failure) => {
      this.counters.add(Counter.hookFailures, 1);
      log.error(
        { hook: failure.hook, handler: failure.handler, error: failure.error.message },
        'a hook failed',
      );
    });
    // Timers read the clock as every other event does.
    const touch = (): number => this.runtime?.touch() ?? clock();
    const { ticker = intervalTicker } = options;
    this.runtime = new Runtime({
      clock,
      wallClock: options.wallClock ?? Date.now,
      wheel: new TimerWheel({
        clock: touch,
        ticker,
        onError: (error) => this.runtime.internalError(error, undefined),
      }),
      counters: this.counters,
      hooks: this.hooks,
      log,
      accessLog: options.accessLog,
      cache: options.cache,
      newRequestId: requestIds(),
      settings: new Settings(options.settings),
    });
    this.#connections = new ClientConnections(this.runtime, () => this.reconsider());
    this.#upkeep = new Upkeep((now) => this.#keepUp(now));
    this.runtime.wheel.arm(this.#upkeep, UPKEEP, clock());
  }

  /** Accepts connections; resolves with the address when it does. */
  async listen(options: ListenOptions = {}): Promise<net.AddressInfo> {
    return (await this.openListener(options)).address;
  }

  /** As {@link listen}, for a listener that is to be closed before the engine is. */
  async openListener(options: ListenOptions = {}): Promise<Listener> {
    const listener = new Listener(this.runtime, this.#connections, options);
    await listener.listen(options);
    this.#listeners.add(listener);
    // While it was being opened, the engine may have been told to end, or to leave new connections to others.
    if (this.runtime.draining) listener.close();
    else listener.accepting(this.#accepting);
    return listener;
  }

  /**
   * Accepts no more connections on a listener; the others go on. Its connections live on (`keep`), or end when they
   * are idle, after half a second at the earliest (`drain`).
   */
  closeListener(listener: Listener, connections: 'keep' | 'drain'): void {
    listener.close();
    if (connections === 'keep') return;
    listener.drain(IDLE_GRACE);
    this.#leaving.add(listener);
  }

  /** Asks again whether to accept: whose turn it is (see `AcceptTurns`), and whether there is room to wait for. */
  reconsider(): void {
    const { turns, waitsForRoom } = this.runtime;
    if (turns === undefined && !waitsForRoom && this.#accepting) return;
    const hasTurn = turns === undefined || turns.mayAccept(this.#connections.load);
    const accepting = hasTurn && (!waitsForRoom || this.#connections.hasRoom());
    if (accepting === this.#accepting) return;
    this.#accepting = accepting;
    for (const listener of this.#listeners) listener.accepting(accepting);
  }

  /** Leaves nothing to others any more: before this engine's copies of their sockets are closed. */
  acceptAll(): void {
    this.runtime.turns = undefined;
    this.runtime.waitsForRoom = false;
    this.#accepting = true;
    for (const listener of this.#listeners) listener.accepting(true);
  }

  /** Serves by these settings from the next request on; open connections go on. */
  apply(settings: SettingsInput): void {
    this.runtime.settings = new Settings(settings);
  }

  /** Another cache from the next request on, or none; exchanges under way go on with the one they asked. */
  useCache(cache: ResponseCache | undefined): void {
    this.runtime.cache = cache;
  }

  /** The engine's timer looks after this pool from now on. */
  adopt(pool: BackendPool<BackendStream>): void {
    this.#pools.add(pool);
  }

  /** A pool whose backend is gone: what is under way on it ends in peace. */
  dismiss(pool: BackendPool<BackendStream>): void {
    this.#pools.delete(pool);
    pool.drain();
    // Who waits in it still has a time-out.
    if (!pool.isDone) this.#dismissed.add(pool);
  }

  /** Client connections that were taken from the kernel since the start, whatever became of them. */
  get arrivals(): number {
    return this.#connections.taken;
  }

  /** Open client connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Stops accepting, lets every exchange that has begun end, and closes what is left after `limit` milliseconds.
   * Resolves with the number of connections that had to be cut.
   */
  async drain(limit: number): Promise<number> {
    this.runtime.draining = true;
    for (const listener of this.#listeners) listener.close();
    for (const listener of this.#listeners) listener.drain(IDLE_GRACE);
    const drained = this.#connections.whenEmpty();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limit);
    });
    await Promise.race([drained, late]);
    clearTimeout(timer);
    const cut = this.#connections.size;
    this.close();
    return cut;
  }

  /** Ends everything at once. */
  close(): void {
    this.runtime.draining = true;
    const failure = new ProxyFailure('DRAINED', 'engine closed');
    for (const listener of this.#listeners) listener.close();
    for (const listener of this.#listeners) listener.terminate(failure);
    for (const pool of this.#pools) pool.drain();
    this.runtime.wheel.remove(this.#upkeep);
    this.runtime.wheel.close();
  }

  #keepUp(now: number): void {
    for (const pool of this.#pools) pool.upkeep(now);
    for (const pool of this.#dismissed) {
      pool.upkeep(now);
      if (pool.isDone) this.#dismissed.delete(pool);
    }
    this.runtime.cache?.sweep(this.runtime.wallClock(), SWEEP);
    if (++this.#round % FAREWELL === 0) this.#sayFarewell();
    this.runtime.wheel.arm(this.#upkeep, UPKEEP, now);
  }

  /** Closed listeners end with their last connection. */
  #sayFarewell(): void {
    for (const listener of this.#leaving) listener.drainIdle(IDLE_GRACE);
    for (const listener of this.#listeners) {
      if (listener.isOpen || listener.size > 0) continue;
      this.#listeners.delete(listener);
      this.#leaving.delete(listener);
    }
  }
}
