import type net from 'node:net';

/** What a listening handle offers, undocumented, besides what `net.Server` does. */
interface Pollable {
  readStart(): number;
  readStop(): number;
}

function isPollable(handle: unknown): handle is Pollable {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'readStart' in handle &&
    typeof handle.readStart === 'function' &&
    'readStop' in handle &&
    typeof handle.readStop === 'function'
  );
}

/**
 * Lets a listening server leave what waits in the kernel's queue to others that listen on the same socket.
 *
 * Node can only close a server. Its handle, though, is a stream like any other, which polls its descriptor while it
 * reads: to stop reading is to stop accepting, and nothing is lost, since the queue stays. This works for handles that
 * were made from a descriptor; everything else (other handles, another Node) says so by an error code, and then the
 * server just accepts on.
 */
export class AcceptSwitch {
  readonly #server: net.Server;
  #usable: boolean | undefined = undefined;
  #paused = false;

  /** @param server that listens */
  constructor(server: net.Server) {
    this.#server = server;
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    const handle = this.#handle();
    if (this.#paused || handle === undefined) return;
    // A stream that has not begun to read has nothing to stop.
    this.#usable ??= handle.readStart() === 0;
    this.#paused = this.#usable && handle.readStop() === 0;
  }

  resume(): void {
    const handle = this.#handle();
    if (!this.#paused || handle === undefined) return;
    this.#paused = false;
    handle.readStart();
  }

  #handle(): Pollable | undefined {
    const handle: unknown = Reflect.get(this.#server, '_handle');
    return isPollable(handle) ? handle : undefined;
  }
}
