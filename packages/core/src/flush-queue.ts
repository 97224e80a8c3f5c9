/** Something that collects output during a turn of the event loop. */
export interface Flushable {
  /** The turn is over: write it all. */
  flushTurn(): void;
}

/**
 * Runs at the end of each turn of the event loop in which somebody asked for it: what many streams of a connection
 * wrote, caused by many backend sockets, leaves in one write. One immediate per turn and thread, whatever the number
 * of sessions.
 */
export class FlushQueue {
  #waiting: (Flushable | undefined)[] = [];
  #running: (Flushable | undefined)[] = [];
  // Kept beside the arrays: to set the length of one is a call into the runtime.
  #count = 0;
  readonly #run = (): void => this.#flush();

  /** Each `item` at most once per turn: the caller keeps a flag. */
  add(item: Flushable): void {
    this.#waiting[this.#count++] = item;
    if (this.#count === 1) setImmediate(this.#run);
  }

  #flush(): void {
    const items = this.#waiting;
    const count = this.#count;
    this.#waiting = this.#running;
    this.#running = items;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      const item = items[i]!;
      items[i] = undefined;
      item.flushTurn();
    }
  }
}

/** The one of this thread. */
export const flushQueue: FlushQueue = new FlushQueue();
