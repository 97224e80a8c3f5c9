import type { Logger } from '../log/index.ts';
import { bindSocket, canBind, inheritedSocket, placeOf, type BoundSocket } from './bound-socket.ts';
import { duplicateSockets, type SocketCopy } from './duplicate-socket.ts';
import { checkFree } from './free-address.ts';
import { assignSockets, type HandedSocket } from './handed-sockets.ts';
import { ListenError } from './listen-error.ts';
import type { RunningListener } from './listener-plan.ts';

/** Copies of each socket kept ready for workers that replace others. */
const SPARE = 2;

/** The sockets of one address: one, or those that a predecessor handed over. */
class Place {
  readonly sockets: readonly BoundSocket[];
  readonly copies: SocketCopy[][];
  #closed = false;

  constructor(sockets: readonly BoundSocket[]) {
    this.sockets = sockets;
    this.copies = sockets.map(() => []);
  }

  /** @param copies for each socket, in their order */
  add(copies: readonly (readonly SocketCopy[])[]): void {
    for (const [at, more] of copies.entries()) this.copies[at]!.push(...more);
    if (this.#closed) this.#closeCopies();
  }

  take(worker: number): number | null {
    const copies = this.copies[worker % this.sockets.length];
    return copies?.shift()?.take() ?? null;
  }

  close(): void {
    this.#closed = true;
    this.#closeCopies();
    for (const socket of this.sockets) socket.close();
  }

  #closeCopies(): void {
    for (const copies of this.copies) for (const copy of copies.splice(0)) copy.close();
  }
}

/**
 * The listening sockets of the process. Each is bound here, or was handed over, and stays here: workers listen on
 * copies. So one queue of the kernel serves all workers, what waits in it outlives a worker, and a listener can be
 * made anew, with other options, without losing a connection.
 */
export class ListeningSockets {
  readonly #workers: number;
  readonly #logger: Logger;
  readonly #places: Map<string, Place> = new Map();
  #handed: readonly HandedSocket[];
  #shares: boolean = canBind;

  constructor(workers: number, logger: Logger, handed: readonly HandedSocket[]) {
    this.#workers = workers;
    this.#logger = logger;
    this.#handed = handed;
  }

  /**
   * Gets the addresses that are new, and enough copies for all workers to open all of `opening`. Nothing has changed
   * where it fails.
   * @returns the listeners with their real ports
   * @throws {ListenError}
   */
  async prepare(
    listeners: readonly RunningListener[],
    opening: ReadonlySet<number>,
  ): Promise<readonly RunningListener[]> {
    const handed = assignSockets(
      this.#handed,
      listeners.map(({ listener }) => listener),
    );
    const made = new Map<string, Place>();
    try {
      for (const [at, { place, listener }] of listeners.entries()) {
        if (this.#places.has(place)) continue;
        const fds = handed.assigned[at] ?? [];
        const bound = await this.#bind(listener.address, listener.port, fds, at);
        if (bound !== undefined) made.set(place, bound);
      }
      await this.#copy(listeners, opening, made);
    } catch (error) {
      this.#giveBack(made);
      // At the start there is another way: each worker with a socket of its own.
      if (error instanceof ListenError || this.#places.size > 0 || handed.left.length < this.#handed.length)
        throw error;
      this.#logger.warn({ error: (error as Error).message }, 'each worker gets a socket of its own');
      this.#shares = false;
      return this.prepare(listeners, opening);
    }
    for (const [name, place] of made) this.#places.set(name, place);
    // Descriptors are given once: later they may be somebody else's.
    this.#handed = handed.left;
    return listeners.map((running) => {
      const port = this.#places.get(running.place)?.sockets[0]?.port ?? running.listener.port;
      return { ...running, listener: { ...running.listener, port } };
    });
  }

  /** Whether workers listen on copies of what is kept here; otherwise each opens a socket of its own. */
  get shares(): boolean {
    return this.#shares;
  }

  /** Sockets that were handed over and that no listener has asked for. */
  get left(): readonly HandedSocket[] {
    return this.#handed;
  }

  /** A descriptor for a worker to listen on; null: it is to listen on the address. */
  take(place: string, worker: number): number | null {
    const found = this.#places.get(place);
    if (found === undefined) return null;
    const fd = found.take(worker);
    if (found.copies.some((copies) => copies.length < SPARE)) void this.#refill(found);
    return fd;
  }

  /** Gives up all addresses but these. */
  retain(places: ReadonlySet<string>): void {
    for (const [name, place] of this.#places) {
      if (places.has(name)) continue;
      this.#places.delete(name);
      place.close();
    }
  }

  async #bind(address: string, port: number, fds: readonly number[], at: number): Promise<Place | undefined> {
    if (fds.length > this.#workers) {
      this.#logger.warn(
        { sockets: fds.length, workers: this.#workers },
        'more sockets than workers: nobody accepts on some of them',
      );
    }
    try {
      if (fds.length > 0) return new Place(fds.map((fd) => inheritedSocket(fd, port)));
      if (this.#shares) return new Place([await bindSocket(address, port)]);
      await checkFree([{ address, port }]);
      return undefined;
    } catch (error) {
      throw new ListenError(at, 'port', this.#isOurs(port, error) ? overlap(address, port, error) : error);
    }
  }

  #isOurs(port: number, error: unknown): boolean {
    const { code } = error as { readonly code?: unknown };
    if (code !== 'EADDRINUSE') return false;
    return [...this.#places.values()].some(({ sockets }) => sockets[0]?.port === port);
  }

  /** Those that were handed over stay: they are asked for again, or belong to nobody else. */
  #giveBack(made: ReadonlyMap<string, Place>): void {
    const handed = new Set(this.#handed.map(({ fd }) => fd));
    for (const place of made.values()) if (!place.sockets.some(({ fd }) => handed.has(fd))) place.close();
  }

  /** Of each socket as many copies as there will be workers on it, and some more. */
  async #copy(
    listeners: readonly RunningListener[],
    opening: ReadonlySet<number>,
    made: ReadonlyMap<string, Place>,
  ): Promise<void> {
    const places = listeners
      .filter(({ id }) => opening.has(id))
      .flatMap(({ place }) => made.get(place) ?? this.#places.get(place) ?? []);
    const wanted = places.flatMap(({ sockets, copies }) => {
      const each = Math.ceil(this.#workers / sockets.length) + SPARE;
      return sockets.map(({ fd }, at) => ({ fd, count: Math.max(0, each - copies[at]!.length) }));
    });
    const copies = await duplicateSockets(wanted);
    for (const place of places) place.add(copies.splice(0, place.sockets.length));
  }

  async #refill(place: Place): Promise<void> {
    try {
      const copies = await duplicateSockets(place.sockets.map(({ fd }) => ({ fd, count: SPARE })));
      place.add(copies);
    } catch (error) {
      this.#logger.error({ error: (error as Error).message }, 'no copy of a socket for the next worker');
    }
  }
}

function overlap(address: string, port: number, cause: unknown): Error {
  const message = `${placeOf(address, port)} overlaps with a listener that runs: close that one by a reload of its own first`;
  return new Error(message, { cause });
}
