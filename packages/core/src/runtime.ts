import type { AcceptTurns } from './accept-turns.ts';
import type { SharedAddresses } from './address-counts.ts';
import type { ResponseCache } from './cache-contract.ts';
import type { EventLog } from './contracts.ts';
import type { Counters } from './counters.ts';
import { DateField } from './date-field.ts';
import type { Exchange } from './exchange.ts';
import type { Hooks } from './engine-hooks.ts';
import type { Settings } from './settings.ts';
import type { TimerWheel } from './timer-wheel.ts';

/** Told of every exchange that ended, once; must not keep the exchange, which is reused. */
export interface AccessLog {
  log(exchange: Exchange): void;
}

/** A limit on client connections that several engines keep together. */
export interface Admission {
  /** Whether this engine may open one more connection beside `open` others of its own. */
  hasRoom(open: number): boolean;
}

/** What everything on one event loop shares. `settings` is replaced by a reload; the rest stays. */
export class Runtime {
  readonly clock: () => number;
  readonly wallClock: () => number;
  readonly wheel: TimerWheel;
  readonly counters: Counters;
  readonly hooks: Hooks;
  readonly log: EventLog;
  readonly accessLog: AccessLog | undefined;
  /** Undefined: there is none, and nothing is asked. */
  cache: ResponseCache | undefined;
  readonly newRequestId: () => string;
  readonly #date: DateField = new DateField();
  settings: Settings;
  /** Monotonic milliseconds when the current event began: the clock is read once per event, not per question. */
  now: number;
  /** Whoever shares a limit on connections among several engines; undefined: `limits.maxConnections` is this one's. */
  admission: Admission | undefined = undefined;
  /** The same for `limits.perAddress`. */
  addresses: SharedAddresses | undefined = undefined;
  /** Who accepts, where several engines listen on copies of one socket; undefined: this one always does. */
  turns: AcceptTurns | undefined = undefined;
  /** Over the limit, connections wait in the kernel's queue rather than getting 503, where the listener can do that. */
  waitsForRoom = false;
  /** Shutting down: no connection outlives its current exchange. */
  draining = false;
  /** Near a limit of the process: new requests get 503. */
  overloaded = false;

  constructor(parts: {
    clock: () => number;
    wallClock: () => number;
    wheel: TimerWheel;
    counters: Counters;
    hooks: Hooks;
    log: EventLog;
    accessLog: AccessLog | undefined;
    cache: ResponseCache | undefined;
    newRequestId: () => string;
    settings: Settings;
  }) {
    this.clock = parts.clock;
    this.wallClock = parts.wallClock;
    this.wheel = parts.wheel;
    this.counters = parts.counters;
    this.hooks = parts.hooks;
    this.log = parts.log;
    this.accessLog = parts.accessLog;
    this.cache = parts.cache;
    this.newRequestId = parts.newRequestId;
    this.settings = parts.settings;
    this.now = parts.clock();
  }

  /** Whether one more client connection may be opened beside `open` others. */
  hasRoom(open: number): boolean {
    return this.admission === undefined
      ? open < this.settings.limits.maxConnections
      : this.admission.hasRoom(open);
  }

  /** An event begins: called by everything that the event loop calls. */
  touch(): number {
    return (this.now = this.clock());
  }

  /** A mistake of ours that a peer brought to light: it costs this one connection, never the process. */
  internalError(error: unknown, socket: { destroy(): unknown } | undefined): void {
    this.counters.failed('INTERNAL');
    const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log.error({ error: shown }, 'internal error');
    socket?.destroy();
  }

  /** The `Date` field of now. */
  date(): string {
    return this.#date.at(this.wallClock());
  }
}
