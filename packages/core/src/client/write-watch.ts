import type { Socket } from 'node:net';
import { takenBytes } from '../client-socket.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';

/**
 * Notices a client that takes nothing of what waits for it (slow read). Costs one comparison per write while the
 * client keeps up. Progress is what counts: a client may be as slow as it likes, but not stand still.
 */
export class WriteWatch extends Timer {
  readonly #runtime: Runtime;
  readonly #stalled: () => void;
  #socket: Socket | undefined = undefined;
  #taken = 0;

  constructor(runtime: Runtime, stalled: () => void) {
    super();
    this.#runtime = runtime;
    this.#stalled = stalled;
  }

  /** Something was written to `socket`. */
  wrote(socket: Socket): void {
    if (socket.writableLength === 0) {
      if (this.#socket !== undefined) this.drained();
      return;
    }
    if (this.#socket !== undefined) return;
    this.#socket = socket;
    this.#watch(this.#runtime.now);
  }

  drained(): void {
    this.#socket = undefined;
    this.#runtime.wheel.disarm(this);
  }

  close(): void {
    this.#socket = undefined;
    this.#runtime.wheel.remove(this);
  }

  override expired(now: number): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const taken = takenBytes(socket);
    if (socket.writableLength === 0) return this.drained();
    if (taken <= this.#taken) return this.#stalled();
    this.#watch(now);
  }

  #watch(now: number): void {
    this.#taken = takenBytes(this.#socket!);
    this.#runtime.wheel.arm(this, this.#runtime.settings.timeouts.write, now);
  }
}
