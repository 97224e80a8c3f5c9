import type { ListeningAddress } from '../cli/io.ts';
import type { Logger } from '../log/index.ts';
import type { Snapshot, ToWorker, WorkerBirth, WorkerReport, WorkerSockets } from './messages.ts';
import { WorkerHandle, type WorkerEvents } from './worker-handle.ts';
import type { PurgeTarget } from './worker-cache.ts';

/** Milliseconds between two looks at the workers. */
const WATCH = 500;
/** Milliseconds before a worker that died is replaced: the first at once, then doubled, up to the last. */
const FIRST_DELAY = 100;
const LAST_DELAY = 10_000;
/** A worker that lived this long may die without making the next wait longer. */
const LONG_LIFE = 60_000;
/** Milliseconds that a worker has to answer a question. */
const ANSWER_LIMIT = 1_000;
/** Milliseconds beyond the limit of a drain after which a worker that does not end by itself is ended. */
const DRAIN_GRACE = 2_000;

/** Who owns the fleet. */
export interface FleetOwner {
  /** All addresses are known and had before the first worker starts: they can start together. */
  readonly hasAddresses: boolean;
  /** Everything that the next worker with this number is born with. */
  birthOf(index: number): WorkerBirth;
  /** The first worker accepts connections: on these addresses, before any other starts. */
  firstReady(listening: readonly ListeningAddress[]): void;
  /** What it held in shared memory is to be freed. */
  died(index: number): void;
}

/** What carries the traffic: worker threads, or an engine in the supervisor's own. */
export interface WorkerFleet {
  readonly size: number;
  /** Workers that accept connections. */
  readonly readyCount: number;
  /** Workers that were replaced since the start. */
  readonly restarts: number;
  readonly isEnding: boolean;
  /** Resolves when every worker accepts connections; rejects if one cannot. */
  start(): Promise<readonly ListeningAddress[]>;
  /** Gives a snapshot to all, or what changed with it, with the sockets for what each is to open. */
  apply(snapshot: Snapshot, changes: Snapshot, sockets: (worker: number) => WorkerSockets): void;
  tell(message: ToWorker): void;
  /** What each worker says of itself; `undefined` for those that do not answer within a second. */
  reports(): Promise<readonly (WorkerReport | undefined)[]>;
  /** Number of responses removed from all caches, and of workers that did not answer. */
  purge(what: PurgeTarget): Promise<{ readonly removed: number; readonly silent: number }>;
  /** Lets every worker finish within `limit` ms; resolves with the number of connections that had to be cut. */
  drain(limit: number): Promise<number>;
  /** Ends all workers at once. */
  terminate(): Promise<void>;
}

interface Slot {
  handle: WorkerHandle | undefined;
  bornAt: number;
  deaths: number;
  restarts: number;
  timer: NodeJS.Timeout | undefined;
}

interface Start {
  readonly resolve: (listening: readonly ListeningAddress[]) => void;
  readonly reject: (error: Error) => void;
}

/** All worker threads: starts them, watches them, replaces those that die, and ends them. */
export class Fleet implements WorkerFleet, WorkerEvents {
  readonly #owner: FleetOwner;
  readonly #logger: Logger;
  readonly #clock: () => number;
  readonly #slots: readonly Slot[];
  readonly #waitingForDrain: Set<number> = new Set();
  /** Workers that could not take a snapshot over. */
  readonly #behind: Set<number> = new Set();
  #listening: readonly ListeningAddress[] = [];
  #watch: NodeJS.Timeout | undefined = undefined;
  #ending = false;
  #cut = 0;
  #drained: (() => void) | undefined = undefined;
  #start: Start | undefined = undefined;

  constructor(owner: FleetOwner, size: number, logger: Logger, clock: () => number) {
    this.#owner = owner;
    this.#logger = logger;
    this.#clock = clock;
    this.#slots = Array.from({ length: size }, () => ({
      handle: undefined,
      bornAt: 0,
      deaths: 0,
      restarts: 0,
      timer: undefined,
    }));
  }

  get size(): number {
    return this.#slots.length;
  }

  /** Workers that accept connections. */
  get readyCount(): number {
    return this.#slots.filter((slot) => slot.handle?.isReady === true).length;
  }

  /** Workers that were replaced since the start. */
  get restarts(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.restarts, 0);
  }

  get isEnding(): boolean {
    return this.#ending;
  }

  /** Resolves when every worker accepts connections; rejects if one cannot. */
  start(): Promise<readonly ListeningAddress[]> {
    return new Promise((resolve, reject) => {
      this.#start = { resolve, reject };
      // Else one first: where port 0 is asked for, or an address cannot be had, it is known before the rest starts.
      const first = this.#owner.hasAddresses ? this.size : 1;
      for (let i = 0; i < first; i++) this.#spawn(i);
      this.#watch = setInterval(() => this.#look(), WATCH);
    });
  }

  apply(snapshot: Snapshot, changes: Snapshot, sockets: (worker: number) => WorkerSockets): void {
    for (const { handle } of this.#slots) {
      if (handle === undefined) continue;
      // Who could not take the one before over knows nothing that changes could be made to.
      const what = this.#behind.delete(handle.index) ? snapshot : changes;
      handle.tell({ type: 'apply', snapshot: what, sockets: sockets(handle.index) });
    }
  }

  tell(message: ToWorker): void {
    for (const { handle } of this.#slots) handle?.tell(message);
  }

  /** What each worker says of itself; `undefined` for those that do not answer within a second. */
  reports(): Promise<readonly (WorkerReport | undefined)[]> {
    return Promise.all(this.#slots.map(({ handle }) => handle?.report(ANSWER_LIMIT)));
  }

  /** Number of responses removed from all caches, and of workers that did not answer. */
  async purge(what: PurgeTarget): Promise<{ readonly removed: number; readonly silent: number }> {
    // A worker without an answer has lost its cache, or does it when it gets to read its messages.
    const removed = await Promise.all(
      this.#slots.map(({ handle }) => handle?.purge(what, 10 * ANSWER_LIMIT)),
    );
    return {
      removed: removed.reduce<number>((sum, count) => sum + (count ?? 0), 0),
      silent: removed.filter((count) => count === undefined).length,
    };
  }

  /** Lets every worker finish within `limit` ms; resolves with the number of connections that had to be cut. */
  async drain(limit: number): Promise<number> {
    this.#stopReplacing();
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
      for (const { handle } of this.#slots) {
        if (handle === undefined) continue;
        this.#waitingForDrain.add(handle.index);
        handle.tell({ type: 'drain', limit });
      }
      if (this.#waitingForDrain.size === 0) resolve();
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limit + DRAIN_GRACE);
    });
    await Promise.race([drained, late]);
    clearTimeout(timer);
    if (this.#waitingForDrain.size > 0) {
      this.#logger.error({ workers: [...this.#waitingForDrain] }, 'workers did not finish in time');
      await this.terminate();
    }
    return this.#cut;
  }

  /** Ends all workers at once. */
  async terminate(): Promise<void> {
    this.#stopReplacing();
    await Promise.all(this.#slots.map((slot) => slot.handle?.terminate()));
    this.#waitingForDrain.clear();
    this.#drained?.();
  }

  // ---- WorkerEvents -----------------------------------------------------------------------------------------

  ready(index: number, listening: readonly ListeningAddress[]): void {
    this.#logger.info({ worker: index }, 'worker ready');
    if (this.#start === undefined || this.#ending) return;
    if (index === 0) {
      this.#listening = listening;
      if (!this.#owner.hasAddresses) this.#owner.firstReady(listening);
      for (let i = 1; i < this.size; i++) if (this.#slots[i]!.handle === undefined) this.#spawn(i);
    }
    if (this.readyCount < this.size) return;
    const { resolve } = this.#start;
    this.#start = undefined;
    resolve(this.#listening);
  }

  applied(index: number, version: number): void {
    this.#logger.debug({ worker: index, version }, 'configuration taken over');
  }

  refused(index: number, version: number, message: string): void {
    this.#behind.add(index);
    const fields = { worker: index, version, error: message };
    this.#logger.error(fields, 'a worker could not take the configuration over');
  }

  invalidated(index: number, key: string): void {
    for (const { handle } of this.#slots) {
      if (handle !== undefined && handle.index !== index) handle.tell({ type: 'invalidate', key });
    }
  }

  drained(index: number, cut: number): void {
    this.#cut += cut;
    this.#waitingForDrain.delete(index);
    if (this.#waitingForDrain.size === 0) this.#drained?.();
  }

  died(index: number, reason: string): void {
    const slot = this.#slots[index]!;
    slot.handle = undefined;
    if (this.#ending) return;
    this.#owner.died(index);
    if (this.#start !== undefined) return this.#startFailed(this.#start, reason);
    const now = this.#clock();
    slot.deaths = now - slot.bornAt > LONG_LIFE ? 1 : slot.deaths + 1;
    const delay = slot.deaths === 1 ? 0 : Math.min(LAST_DELAY, FIRST_DELAY * 2 ** (slot.deaths - 2));
    this.#logger.error({ worker: index, reason, deaths: slot.deaths, restartInMs: delay }, 'a worker died');
    slot.restarts++;
    if (delay === 0) this.#spawn(index);
    else slot.timer = setTimeout(() => this.#spawn(index), delay);
  }

  // ---- Inside -----------------------------------------------------------------------------------------------

  #startFailed(start: Start, reason: string): void {
    this.#start = undefined;
    void this.terminate().then(() => start.reject(new Error(reason)));
  }

  #spawn(index: number): void {
    const slot = this.#slots[index]!;
    slot.bornAt = this.#clock();
    slot.handle = new WorkerHandle(this.#owner.birthOf(index), slot.bornAt, this);
  }

  #stopReplacing(): void {
    this.#ending = true;
    clearInterval(this.#watch);
    for (const { timer } of this.#slots) clearTimeout(timer);
  }

  #look(): void {
    const now = this.#clock();
    for (const { handle } of this.#slots) handle?.checkPulse(now);
  }
}
