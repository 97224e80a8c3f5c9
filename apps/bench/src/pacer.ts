import { type MessagePort, Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';

/** Cells shared by the two threads. */
const PENDING = 0;
const STOPPED = 1;

interface PacerData {
  readonly pacer: true;
  readonly cells: SharedArrayBuffer;
  readonly periodMs: number;
}

/**
 * Wakes this thread's loop `perSecond` times a second, to about 0.1 ms. A timer of the loop cannot: it counts in
 * whole milliseconds, which would send five requests at once at 5,000 per second and measure their queueing. So a
 * thread of its own sleeps in `Atomics.wait`, whose time limit has the resolution of the kernel's timers, and posts
 * a message; a wake-up that was not taken yet is not posted twice.
 */
export class Pacer {
  readonly #worker: Worker;
  readonly #cells: Int32Array;

  constructor(perSecond: number, onTick: () => void) {
    const cells = new SharedArrayBuffer(8);
    this.#cells = new Int32Array(cells);
    const data: PacerData = { pacer: true, cells, periodMs: 1000 / perSecond };
    this.#worker = new Worker(fileURLToPath(import.meta.url), { workerData: data });
    this.#worker.on('message', () => {
      Atomics.store(this.#cells, PENDING, 0);
      onTick();
    });
  }

  /** Ends the thread. */
  async stop(): Promise<void> {
    Atomics.store(this.#cells, STOPPED, 1);
    Atomics.notify(this.#cells, STOPPED);
    await this.#worker.terminate();
  }
}

function isPacerData(data: unknown): data is PacerData {
  return typeof data === 'object' && data !== null && 'pacer' in data;
}

function run(data: PacerData, port: MessagePort): void {
  const cells = new Int32Array(data.cells);
  let due = performance.now();
  while (Atomics.load(cells, STOPPED) === 0) {
    due += data.periodMs;
    const wait = due - performance.now();
    if (wait > 0) Atomics.wait(cells, STOPPED, 0, wait);
    if (Atomics.compareExchange(cells, PENDING, 0, 1) === 0) port.postMessage(0, []);
  }
}

if (!isMainThread && parentPort && isPacerData(workerData)) run(workerData, parentPort);
