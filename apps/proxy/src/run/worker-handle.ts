import { Worker } from 'node:worker_threads';
import type { ListeningAddress } from '../cli/io.ts';
import type { FromWorker, ToWorker, WorkerBirth, WorkerReport } from './messages.ts';
import type { PurgeTarget } from './worker-cache.ts';

/** What the supervisor wants to hear of a worker. */
export interface WorkerEvents {
  ready(index: number, listening: readonly ListeningAddress[]): void;
  /** It runs by this version of the configuration. */
  applied(index: number, version: number): void;
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

/**
 * A young generation of 1 MiB per half: faster than the larger default, and less memory (`bin/rp.js` says more). Who
 * sets the size for the whole process has the last word.
 */
const limits = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((option) =>
  option.includes('--max-semi-space-size'),
)
  ? {}
  : { maxYoungGenerationSizeMb: 3 };

type Answer = Extract<FromWorker, { readonly id: number }>;

/** One worker thread, from birth to death; its successor is another object. */
export class WorkerHandle {
  readonly index: number;
  readonly #worker: Worker;
  readonly #events: WorkerEvents;
  readonly #pulse: Int32Array;
  readonly #asked: Map<number, (answer: Answer | undefined) => void> = new Map();
  #lastQuestion = 0;
  #lastPulse = 0;
  #lastSeen: number;
  #isReady = false;
  #draining = false;
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
      resourceLimits: limits,
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
    if (message.type === 'drain') this.#draining = true;
    this.#worker.postMessage(message);
  }

  /** What it says of itself; `undefined` if it does not answer within `limit` milliseconds. */
  async report(limit: number): Promise<WorkerReport | undefined> {
    const answer = await this.#ask((id) => ({ type: 'report', id }), limit);
    return answer?.type === 'reported' ? answer.report : undefined;
  }

  /** Number of responses that its cache removed; `undefined` if it does not answer within `limit` milliseconds. */
  async purge(what: PurgeTarget, limit: number): Promise<number | undefined> {
    const answer = await this.#ask((id) => ({ type: 'purge', id, what }), limit);
    return answer?.type === 'purged' ? answer.removed : undefined;
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

  #ask(question: (id: number) => ToWorker, limit: number): Promise<Answer | undefined> {
    if (!this.#isReady) return Promise.resolve(undefined);
    const id = ++this.#lastQuestion;
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(undefined), limit);
      const settle = (answer: Answer | undefined): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(answer);
      };
      this.#asked.set(id, settle);
      this.tell(question(id));
    });
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
        this.#leaving = true;
        return this.#events.drained(this.index, message.cut);
      case 'applied':
        return this.#events.applied(this.index, message.version);
      case 'purged':
      case 'reported':
        return this.#asked.get(message.id)?.(message);
    }
  }

  #exited(code: number): void {
    this.#isReady = false;
    for (const settle of [...this.#asked.values()]) settle(undefined);
    if (this.#leaving) return;
    this.#leaving = true;
    const reason = this.#reason === '' ? `exit code ${code}` : this.#reason;
    // Whoever waits for its drain must not wait for ever.
    if (this.#draining) this.#events.drained(this.index, 0);
    else this.#events.died(this.index, reason);
  }
}
