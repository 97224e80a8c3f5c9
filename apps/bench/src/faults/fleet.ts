import { startStaticBackend } from '../backend.ts';
import { processTree } from '../proc.ts';
import { type Child, type ProcessGroup, freePort, programPath, waitForPort } from '../process.ts';
import type { BackendMode } from '../scripted-backend-main.ts';

/** A fleet of three backends in processes of their own: a scripted one and two nginx. */
export class Fleet {
  readonly ports: readonly [number, number, number];
  readonly #group: ProcessGroup;
  readonly #scripted: Child;
  readonly #nginx: Map<number, Child>;
  readonly #spares: Map<number, number>;

  private constructor(
    group: ProcessGroup,
    ports: [number, number, number],
    scripted: Child,
    nginx: Map<number, Child>,
    spares: Map<number, number>,
  ) {
    this.ports = ports;
    this.#group = group;
    this.#scripted = scripted;
    this.#nginx = nginx;
    this.#spares = spares;
  }

  static async start(group: ProcessGroup): Promise<Fleet> {
    const ports: [number, number, number] = [await freePort(), await freePort(), await freePort()];
    const program = programPath(import.meta.url, '../scripted-backend-main');
    const scripted = group.start(process.execPath, [program, String(ports[0])], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await waitForPort(ports[0], scripted);
    const fleet = new Fleet(group, ports, scripted, new Map(), new Map());
    for (const index of [1, 2]) await fleet.revive(index);
    return fleet;
  }

  /** How the scripted one treats requests from now on. */
  setMode(mode: BackendMode): void {
    this.#scripted.process.send(mode);
  }

  /** Stops the processes of an nginx (its kernel still accepts connections), or lets them go on. */
  pause(index: number, paused: boolean): void {
    for (const pid of processTree(this.#nginx.get(index)?.pid ?? 0))
      process.kill(pid, paused ? 'SIGSTOP' : 'SIGCONT');
  }

  async kill(index: number): Promise<void> {
    const child = this.#nginx.get(index);
    if (child !== undefined) await this.#group.stop(child, 'SIGKILL');
  }

  async revive(index: number): Promise<void> {
    const port = this.ports[index] ?? 0;
    const spare = this.#spares.get(index) ?? (await freePort());
    this.#spares.set(index, spare);
    this.#nginx.set(index, (await startStaticBackend(this.#group, { ports: [port, spare] })).child);
  }
}

/** One way to fail. */
export interface Fault {
  readonly name: string;
  /** Which backend of the fleet. */
  readonly index: number;
  start(fleet: Fleet): void | Promise<void>;
  heal(fleet: Fleet): void | Promise<void>;
}

const scripted = (name: string, mode: BackendMode): Fault => ({
  name,
  index: 0,
  start: (fleet) => fleet.setMode(mode),
  heal: (fleet) => fleet.setMode('ok'),
});

/** All of them, by the word that chooses one. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  killed: {
    name: 'killed (nginx)',
    index: 1,
    start: (fleet) => fleet.kill(1),
    heal: (fleet) => fleet.revive(1),
  },
  stopped: {
    name: 'SIGSTOP (nginx)',
    index: 2,
    start: (fleet) => fleet.pause(2, true),
    heal: (fleet) => fleet.pause(2, false),
  },
  '500': scripted('answers 500', 'error500'),
  resets: scripted('resets', 'reset'),
  trickles: scripted('trickles, 10 B/s', 'trickle'),
  slow: scripted('300 ms late', 'slow'),
};
