import { Worker } from 'node:worker_threads';
import type { ListeningAddress } from '../cli/io.ts';
import type { FromWorker, ToWorker, WorkerBirth } from './messages.ts';

/** What the supervisor wants to hear of a worker. */
export interface WorkerEvents {
  ready(index: number, listening: readonly ListeningAddress[]): void;
  /** It runs, but could not do what it was told. */
  refused(index: number, version: number, message: string): void;
  /** Its cache dropped this key: so do the others. */
  invalidated(index: number, key: string): void;
  /** It has finished its drain. */
  drained(index: number, cut: number): void;
  /** The thread is gone without having been asked to go. */
  died(index: number, reason: string): void;
}

/** Milliseconds without a sign of life after which a worker counts as stuck. */
const STUCK = 5_000;

/** One worker thread, from birth to death; its successor is another object. */
export class WorkerHandle {
  readonly index: number;
  readonly #worker: Worker;
  readonly #events: WorkerEvents;
  readonly #pulse: Int32Array;
  #lastPulse = 0;
  #lastSeen: number;
  #isReady = false;
  #leaving = false;
  #reason = '';

  constructor(birth: WorkerBirth, now: number, events: WorkerEvents) {
    this.index = birth.index;
    this.#events = events;
    this.#pulse = new Int32Array(birth.memory.pulse);
    this.#lastPulse = Atomics.load(this.#pulse, 0);
    this.#lastSeen = now;
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: birth,
      name: `rp worker ${birth.index}`,
    });
    this.#worker.on('message', (message: FromWorker) => this.#heard(message));
    this.#worker.on('error', (error) => {
      this.#reason = error instanceof Error ? error.message : String(error);
    });
    this.#worker.on('exit', (code) => this.#exited(code));
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  tell(message: ToWorker): void {
    if (message.type === 'drain') this.#leaving = true;
    this.#worker.postMessage(message);
  }

  /** Ends a worker whose event loop does not turn any more; `died` follows. */
  checkPulse(now: number): void {
    const pulse = Atomics.load(this.#pulse, 0);
    if (pulse !== this.#lastPulse) {
      this.#lastPulse = pulse;
      this.#lastSeen = now;
    } else if (now - this.#lastSeen > STUCK && this.#isReady) {
      this.#reason = `no sign of life for ${STUCK} ms`;
      void this.#worker.terminate();
    }
  }

  /** Ends it now, with everything that is under way. */
  async terminate(): Promise<void> {
    this.#leaving = true;
    await this.#worker.terminate();
  }

  #heard(message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        this.#isReady = true;
        return this.#events.ready(this.index, message.listening);
      case 'failed':
        if (!this.#isReady) {
          this.#reason = message.message;
          void this.#worker.terminate();
          return;
        }
        return this.#events.refused(this.index, message.version, message.message);
      case 'invalidated':
        return this.#events.invalidated(this.index, message.key);
      case 'drained':
        return this.#events.drained(this.index, message.cut);
      case 'applied':
        return;
    }
  }

  #exited(code: number): void {
    this.#isReady = false;
    if (!this.#leaving)
      this.#events.died(this.index, this.#reason === '' ? `exit code ${code}` : this.#reason);
  }
}
