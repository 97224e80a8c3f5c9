import type { BackendStream } from './backend/stream.ts';
import type { Balancer, BackendPool, BackendTarget, PickContext } from './contracts.ts';

/** Busy backends that are passed over in search of one that is not. */
const MOST_PASSED = 3;

/** A backend together with the pool of connections to it. */
export interface BackendEntry {
  readonly target: BackendTarget;
  readonly pool: BackendPool<BackendStream>;
}

export interface UpstreamOptions {
  readonly name: string;
  readonly balancer: Balancer;
  /** Whether the balancer binds clients by a cookie. Default false. */
  readonly setsAffinity?: boolean;
  /**
   * Whether clients belong to backends: then they wait for theirs when it is busy, in place of going to another one.
   * Default: as `setsAffinity`.
   */
  readonly sticky?: boolean;
  /** Whether an answer with this status (500 to 599) is one to ask another backend for instead. Default: none is. */
  readonly repeats?: (status: number) => boolean;
  /**
   * Bytes per second; a response body that comes more slowly counts as a late answer of its backend, and goes on all
   * the same. 0 (default): none does. Not for bodies that are slow by nature (`text/event-stream` is left out by itself).
   */
  readonly minRate?: number;
  /** Makes the pool of a backend, once, when it is first chosen. */
  readonly createPool: (target: BackendTarget) => BackendPool<BackendStream>;
}

/** An upstream group as the engine sees it: who to send to, and over what. */
export class Upstream {
  readonly name: string;
  readonly balancer: Balancer;
  /** Read before anything is done about affinity: off costs nothing. */
  readonly setsAffinity: boolean;
  readonly sticky: boolean;
  readonly repeats: ((status: number) => boolean) | undefined;
  readonly minRate: number;
  readonly #createPool: UpstreamOptions['createPool'];
  readonly #entries: Map<string, BackendEntry> = new Map();

  constructor(options: UpstreamOptions) {
    this.name = options.name;
    this.balancer = options.balancer;
    this.setsAffinity = options.setsAffinity ?? false;
    this.sticky = options.sticky ?? this.setsAffinity;
    this.repeats = options.repeats;
    this.minRate = options.minRate ?? 0;
    this.#createPool = options.createPool;
  }

  /** A backend that was not tried yet, with its pool; one that has a connection to spare, if there is any. */
  pick(context: PickContext, tried: readonly BackendTarget[] | undefined): BackendEntry | undefined {
    const target = this.balancer.pick(context, tried);
    if (target === undefined) return undefined;
    const entry = this.#entryOf(target);
    return entry.pool.congested && !this.sticky ? this.#roomier(context, tried, entry) : entry;
  }

  /**
   * `Set-Cookie` line for the response, or ''.
   *
   * @param secure the client came by TLS: the cookie gets `Secure`, which it must not have otherwise, since a browser
   * would not send it back
   */
  affinityField(context: PickContext, entry: BackendEntry, secure: boolean): string {
    const cookie = this.balancer.affinityCookie(entry.target, context.cookie);
    if (cookie === undefined) return '';
    return `Set-Cookie: ${cookie}${secure && !cookie.includes('; Secure') ? '; Secure' : ''}\r\n`;
  }

  /** In place of `first`, where others wait already: a backend that hangs must not hold up more than it has room for. */
  #roomier(
    context: PickContext,
    tried: readonly BackendTarget[] | undefined,
    first: BackendEntry,
  ): BackendEntry {
    const passed = [...(tried ?? []), first.target];
    for (let tries = 0; tries < MOST_PASSED; tries++) {
      const target = this.balancer.pick(context, passed);
      if (target === undefined) break;
      const entry = this.#entryOf(target);
      if (!entry.pool.congested) return entry;
      passed.push(target);
    }
    return first;
  }

  #entryOf(target: BackendTarget): BackendEntry {
    let entry = this.#entries.get(target.key);
    if (entry === undefined || entry.target !== target) {
      entry = { target, pool: entry?.pool ?? this.#createPool(target) };
      this.#entries.set(target.key, entry);
    }
    return entry;
  }
}
