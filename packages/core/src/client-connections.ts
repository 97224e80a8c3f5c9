import { Counter } from './counters.ts';
import type { Runtime } from './runtime.ts';

/** How many client connections one event loop has, and the limits on that (spec 2.4). */
export class ClientConnections {
  readonly #runtime: Runtime;
  readonly #perAddress: Map<string, number> = new Map();
  readonly #changed: (load: number) => void;
  /** Connections that were taken from the kernel's queues since the start, whatever became of them. */
  taken = 0;
  #open = 0;
  #arriving = 0;
  #empty: (() => void) | undefined = undefined;

  /** @param changed told of the number of connections, those on their way included, whenever it is another */
  constructor(runtime: Runtime, changed: (load: number) => void) {
    this.#runtime = runtime;
    this.#changed = changed;
  }

  get size(): number {
    return this.#open;
  }

  /** Those included that are in their handshake, or before their PROXY protocol header. */
  get load(): number {
    return this.#open + this.#arriving;
  }

  hasRoom(): boolean {
    return this.#runtime.hasRoom(this.load);
  }

  /** As {@link hasRoom}, and for this client. */
  admits(address: string): boolean {
    const { limits } = this.#runtime.settings;
    if (!this.hasRoom()) return false;
    if (limits.perAddress === Infinity) return true;
    const others = this.#runtime.addresses?.others(address) ?? 0;
    return (this.#perAddress.get(address) ?? 0) + others < limits.perAddress;
  }

  arrives(): void {
    this.#arriving++;
    this.#changed(this.load);
  }

  /** @param stays it is to be added now; otherwise it has gone */
  arrived(stays: boolean): void {
    this.#arriving--;
    if (!stays) this.#changed(this.load);
  }

  add(address: string): void {
    this.#open++;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    this.#runtime.addresses?.opened(address);
    this.#runtime.counters.cells[Counter.connectionsAccepted]!++;
    this.#runtime.counters.cells[Counter.connectionsNow]!++;
    this.#changed(this.load);
  }

  remove(address: string): void {
    this.#open--;
    this.#runtime.addresses?.closed(address);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
    this.#runtime.counters.cells[Counter.connectionsNow]!--;
    this.#changed(this.load);
    if (this.#open === 0) this.#empty?.();
  }

  /** Resolves when none is open. */
  whenEmpty(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#empty = resolve;
    });
  }
}
