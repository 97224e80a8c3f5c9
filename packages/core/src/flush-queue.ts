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
  #waiting: Flushable[] = [];
  #running: Flushable[] = [];
  readonly #run = (): void => this.#flush();

  /** Each `item` at most once per turn: the caller keeps a flag. */
  add(item: Flushable): void {
    if (this.#waiting.push(item) === 1) setImmediate(this.#run);
  }

  #flush(): void {
    const items = this.#waiting;
    this.#waiting = this.#running;
    this.#running = items;
    for (let i = 0; i < items.length; i++) items[i]!.flushTurn();
    items.length = 0;
  }
}

/** The one of this thread. */
export const flushQueue: FlushQueue = new FlushQueue();
