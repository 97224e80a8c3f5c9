import type { BackendFigures, Subject } from '../subject.ts';

/** Pause between two looks at the backends, in milliseconds. */
const PERIOD = 50;

/** Requests in a quarter of a second up to which a backend is only being tried out. */
const TRIED_OUT = 10;

interface Look {
  readonly at: number;
  readonly backends: readonly BackendFigures[];
}

/** Looks at what rp says of its backends, again and again. */
export class Watch {
  readonly #subject: Subject;
  readonly #looks: Look[] = [];
  #running = true;
  readonly #ended: Promise<void>;

  constructor(subject: Subject) {
    this.#subject = subject;
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
  }

  /** Milliseconds from `from` until a backend was out of service; undefined if it never was. */
  untilOut(index: number, from: number): number | undefined {
    const found = this.#looks.find(({ at, backends }) => at >= from && !isInService(backends[index]));
    return found === undefined ? undefined : found.at - from;
  }

  /** Milliseconds from `from` until a backend had traffic again: more than the few requests that try it out. */
  untilBack(index: number, from: number): number | undefined {
    for (const [i, { at, backends }] of this.#looks.entries()) {
      if (at < from || !isInService(backends[index])) continue;
      const earlier = this.#looks[Math.max(0, i - 5)]?.backends[index]?.picked ?? 0;
      if ((backends[index]?.picked ?? 0) - earlier > TRIED_OUT) return at - from;
    }
    return undefined;
  }

  /** Waits until `found` has found something; at most `limit` milliseconds. */
  async wait(found: (watch: this) => unknown, limit: number): Promise<void> {
    const end = performance.now() + limit;
    while (performance.now() < end && found(this) === undefined) await pause(PERIOD / 2);
  }

  /** Share of all attempts that a backend had in each second after `from`, in percent. */
  shares(index: number, from: number, seconds: number): readonly number[] {
    return Array.from({ length: seconds }, (_, second) => {
      const before = this.#picked(from + second * 1000);
      const after = this.#picked(from + (second + 1) * 1000);
      const taken = after.map((count, i) => count - (before[i] ?? 0));
      const all = taken.reduce((sum, count) => sum + count, 0);
      return all === 0 ? Number.NaN : (100 * (taken[index] ?? 0)) / all;
    });
  }

  #picked(at: number): readonly number[] {
    const look = this.#looks.findLast((one) => one.at <= at) ?? this.#looks[0];
    return look?.backends.map(({ picked }) => picked) ?? [];
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const backends = await this.#subject.backends();
      if (backends.length > 0) this.#looks.push({ at: performance.now(), backends });
      await pause(PERIOD);
    }
  }
}

function isInService(backend: BackendFigures | undefined): boolean {
  return backend?.state === 'healthy';
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
