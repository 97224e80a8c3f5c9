import type { Engine } from '@rp/core';
import type { ListeningAddress } from '../cli/io.ts';
import type { FleetOwner, WorkerFleet } from './fleet.ts';
import type { Snapshot, ToWorker, WorkerReport } from './messages.ts';
import type { PurgeTarget } from './worker-cache.ts';
import { WorkerEngine } from './worker-engine.ts';

/** One worker that is no thread: its engine runs on the event loop of whoever made it, hooks included. */
export class InProcessFleet implements WorkerFleet {
  readonly size = 1;
  readonly restarts = 0;
  readonly #owner: FleetOwner;
  readonly #prepare: (engine: Engine) => void;
  #worker: WorkerEngine | undefined = undefined;
  #ready = false;
  #ending = false;

  /** @param prepare called with the engine before it listens: the place to add hooks */
  constructor(owner: FleetOwner, prepare: (engine: Engine) => void) {
    this.#owner = owner;
    this.#prepare = prepare;
  }

  get readyCount(): number {
    return this.#ready ? 1 : 0;
  }

  get isEnding(): boolean {
    return this.#ending;
  }

  async start(): Promise<readonly ListeningAddress[]> {
    const birth = this.#owner.birthOf(0);
    const worker = new WorkerEngine(birth, () => undefined);
    this.#worker = worker;
    this.#prepare(worker.engine);
    const listening = await worker.listen(birth.sockets);
    this.#owner.firstReady(listening);
    this.#ready = !this.#ending;
    return listening;
  }

  /** The listeners of a program stay as they are. */
  apply(snapshot: Snapshot): void {
    this.#worker?.apply(snapshot);
  }

  tell(message: ToWorker): void {
    const worker = this.#worker;
    if (worker === undefined) return;
    if (message.type === 'logLevel') worker.logLevel(message.level);
    else if (message.type === 'reopenLogs') worker.reopenLogs();
  }

  reports(): Promise<readonly (WorkerReport | undefined)[]> {
    return Promise.resolve([this.#worker?.report()]);
  }

  purge(what: PurgeTarget): Promise<{ readonly removed: number; readonly silent: number }> {
    return Promise.resolve({ removed: this.#worker?.purge(what) ?? 0, silent: 0 });
  }

  async drain(limit: number): Promise<number> {
    if (this.#ending) return 0;
    this.#ending = true;
    return (await this.#worker?.drain(limit)) ?? 0;
  }

  async terminate(): Promise<void> {
    await this.drain(0);
  }
}
