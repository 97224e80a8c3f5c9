import { type AttemptOutcome, type Backend, type PickContext, UpstreamGroup } from '@rp/balancer';
import type { UpstreamGroupOptions } from '@rp/balancer';

/** Numbers from 0 to 1 that are the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function urls(count: number): { url: string }[] {
  return Array.from({ length: count }, (_, i) => ({ url: `http://10.0.${i >> 8}.${i & 255}:80` }));
}

/** A group under a clock of the test, with the log of its state changes. */
export class Fleet {
  readonly group: UpstreamGroup;
  readonly changes: string[] = [];
  readonly context: PickContext = { clientAddress: '192.0.2.1', cookie: undefined, now: 1_000 };

  constructor(options: Partial<UpstreamGroupOptions> & { readonly size?: number } = {}) {
    const { size = 3, ...given } = options;
    this.group = new UpstreamGroup({
      name: 'fleet',
      backends: urls(size),
      random: seeded(1),
      onStateChange: (backend, from, to, reason) => {
        this.changes.push(`${this.position(backend)}: ${from} -> ${to} (${reason})`);
      },
      ...given,
    });
  }

  get now(): number {
    return this.context.now;
  }

  set now(now: number) {
    this.context.now = now;
  }

  backend(position: number): Backend {
    const backend = this.group.set.backends[position];
    if (backend === undefined) throw new Error(`no backend ${position}`);
    return backend;
  }

  position(backend: Backend): number {
    return this.group.set.backends.indexOf(backend);
  }

  pick(tried?: readonly Backend[]): Backend | undefined {
    return this.group.pick(this.context, tried);
  }

  pickFor(clientAddress: string): Backend | undefined {
    this.context.clientAddress = clientAddress;
    return this.pick();
  }

  start(backend: Backend): void {
    this.group.started(backend, this.now);
  }

  finish(backend: Backend, outcome: AttemptOutcome, latencyMs = 5): void {
    this.group.finished(backend, outcome, this.now, latencyMs);
  }

  /** One attempt at a given backend from start to end. */
  attempt(backend: Backend, outcome: AttemptOutcome, times = 1): void {
    for (let i = 0; i < times; i++) {
      this.start(backend);
      this.finish(backend, outcome);
    }
  }

  /** How often each backend is picked in `count` attempts that succeed at once. */
  shares(count: number): number[] {
    const picked = this.group.set.backends.map(() => 0);
    for (let i = 0; i < count; i++) {
      const backend = this.pick();
      if (backend === undefined) continue;
      this.attempt(backend, 0);
      const at = this.position(backend);
      picked[at] = (picked[at] ?? 0) + 1;
    }
    return picked;
  }
}
