import type { Logger } from '../log/index.ts';
import { duplicateSocket } from './duplicate-socket.ts';

/** Copies kept ready for workers that replace others. */
const SPARE = 2;

/**
 * Listening sockets that were handed over, in as many copies as there are workers. The sockets themselves stay with
 * the supervisor, so that a worker that dies does not take the last descriptor with it.
 */
export class SocketStock {
  readonly #originals: readonly (readonly number[])[];
  readonly #copies: Map<number, number[]> = new Map();
  readonly #logger: Logger;

  private constructor(originals: readonly (readonly number[])[], logger: Logger) {
    this.#originals = originals;
    this.#logger = logger;
  }

  /**
   * @param originals descriptors by listener
   * @throws {Error} where they cannot be copied
   */
  static async create(
    originals: readonly (readonly number[])[],
    workers: number,
    logger: Logger,
  ): Promise<SocketStock> {
    const stock = new SocketStock(originals, logger);
    for (const sockets of originals) {
      if (sockets.length > workers) {
        logger.warn(
          { sockets: sockets.length, workers },
          'more sockets than workers: nobody accepts on some of them',
        );
      }
      const each = Math.ceil(workers / Math.max(1, sockets.length)) + SPARE;
      for (const fd of sockets) await stock.#fill(fd, each);
    }
    return stock;
  }

  /** Whether nothing was handed over. */
  get isEmpty(): boolean {
    return this.#originals.every((sockets) => sockets.length === 0);
  }

  /** A descriptor for a worker to listen on; null: nothing was handed over for this listener. */
  take(listener: number, worker: number): number | null {
    const sockets = this.#originals[listener] ?? [];
    const original = sockets[worker % sockets.length];
    if (original === undefined) return null;
    const copies = this.#copies.get(original) ?? [];
    const copy = copies.shift() ?? null;
    if (copies.length < SPARE) void this.#refill(original);
    return copy;
  }

  async #refill(fd: number): Promise<void> {
    try {
      await this.#fill(fd, SPARE);
    } catch (error) {
      this.#logger.error({ error: (error as Error).message }, 'no copy of a socket for the next worker');
    }
  }

  async #fill(fd: number, count: number): Promise<void> {
    const copies = await duplicateSocket(fd, count);
    this.#copies.set(fd, [...(this.#copies.get(fd) ?? []), ...copies]);
  }
}
