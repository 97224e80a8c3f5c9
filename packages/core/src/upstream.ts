import type { BackendStream } from './backend/stream.ts';
import type { Balancer, BackendPool, BackendTarget, PickContext } from './contracts.ts';

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
  /** Makes the pool of a backend, once, when it is first chosen. */
  readonly createPool: (target: BackendTarget) => BackendPool<BackendStream>;
}

/** An upstream group as the engine sees it: who to send to, and over what. */
export class Upstream {
  readonly name: string;
  readonly balancer: Balancer;
  /** Read before anything is done about affinity: off costs nothing. */
  readonly setsAffinity: boolean;
  readonly #createPool: UpstreamOptions['createPool'];
  readonly #entries: Map<string, BackendEntry> = new Map();

  constructor(options: UpstreamOptions) {
    this.name = options.name;
    this.balancer = options.balancer;
    this.setsAffinity = options.setsAffinity ?? false;
    this.#createPool = options.createPool;
  }

  /** A backend that was not tried yet, with its pool. */
  pick(context: PickContext, tried: readonly BackendTarget[] | undefined): BackendEntry | undefined {
    const target = this.balancer.pick(context, tried);
    return target === undefined ? undefined : this.#entryOf(target);
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

  #entryOf(target: BackendTarget): BackendEntry {
    let entry = this.#entries.get(target.key);
    if (entry === undefined || entry.target !== target) {
      entry = { target, pool: entry?.pool ?? this.#createPool(target) };
      this.#entries.set(target.key, entry);
    }
    return entry;
  }
}
