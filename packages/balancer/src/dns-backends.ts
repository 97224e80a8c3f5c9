import { type BackendOptions, parseBackendUrl } from './backend.ts';
import { BalancerError, checkedInteger } from './error.ts';
import type { Scheduler } from './scheduler.ts';

/** One address of a name. */
export interface ResolvedAddress {
  /** IPv4 or IPv6, without brackets. */
  readonly address: string;
  /** Seconds for which the answer holds; 0: not known. */
  readonly ttlSeconds: number;
}

/** Looks a name up; rejects, or answers with nothing, when that failed. */
export type NameResolver = (name: string) => Promise<readonly ResolvedAddress[]>;

export interface DnsBackendsOptions {
  /** Backends by name or address. Addresses pass unchanged; every address of a name becomes a backend. */
  readonly targets: readonly BackendOptions[];
  /** Time between two look-ups in ms, instead of the TTL; 100 to 86,400,000. Default: the TTL decides. */
  readonly intervalMs?: number;
  /** Least time between two look-ups in ms, whatever the TTL; 100 to 86,400,000, default 1,000. */
  readonly minMs?: number;
  /** Time between two look-ups in ms where the answer has no TTL; 100 to 86,400,000, default 5,000. */
  readonly unknownMs?: number;
  /** Greatest time between two look-ups in ms; `minMs` to 86,400,000, default 300,000. */
  readonly maxMs?: number;
  /** All backends, whenever one has come or gone: give them to the groups of all threads. */
  readonly onChange: (backends: readonly BackendOptions[]) => void;
  /** A look-up failed (the last good answer stays), or `onChange` threw (it is called again after the next). */
  readonly onError: (error: BalancerError) => void;
}

interface Target {
  readonly options: BackendOptions;
  /** Empty: the target is an address. */
  readonly name: string;
  addresses: readonly string[];
  failures: number;
  timer: unknown;
}

/**
 * Follows names to their addresses, so that a backend that moves is found within its TTL, without a reload.
 * Run it once per process.
 */
export class DnsBackends {
  readonly #targets: readonly Target[];
  readonly #resolver: NameResolver;
  readonly #scheduler: Scheduler;
  readonly #options: DnsBackendsOptions;
  readonly #minMs: number;
  readonly #unknownMs: number;
  readonly #maxMs: number;
  #generation: number;
  #started: boolean;
  /** What `onChange` has taken, as text. */
  #delivered: string;

  /** @throws {BalancerError} `invalidBackend` or `invalidOption` */
  constructor(options: DnsBackendsOptions, resolver: NameResolver, scheduler: Scheduler) {
    this.#options = options;
    this.#resolver = resolver;
    this.#scheduler = scheduler;
    this.#minMs = checkedInteger('dns.minMs', options.minMs ?? 1_000, 100, 86_400_000);
    this.#unknownMs = checkedInteger('dns.unknownMs', options.unknownMs ?? 5_000, 100, 86_400_000);
    this.#maxMs = checkedInteger('dns.maxMs', options.maxMs ?? 300_000, this.#minMs, 86_400_000);
    if (options.intervalMs !== undefined)
      checkedInteger('dns.intervalMs', options.intervalMs, 100, 86_400_000);
    this.#targets = options.targets.map((target) => {
      const { host } = parseBackendUrl(target.url);
      const name = isAddress(host) ? '' : host;
      return { options: target, name, addresses: [], failures: 0, timer: undefined };
    });
    this.#generation = 0;
    this.#started = false;
    this.#delivered = '';
  }

  /** What is known now, addresses in ascending order; names that were never resolved are missing. */
  get backends(): readonly BackendOptions[] {
    const known = new Map<string, BackendOptions>();
    for (const target of this.#targets) {
      if (target.name === '') known.set(target.options.url, target.options);
      for (const address of target.addresses) {
        const resolved = withAddress(target.options, address);
        // Two names for one address are one backend: the first one names it.
        if (!known.has(resolved.url)) known.set(resolved.url, resolved);
      }
    }
    return [...known.values()];
  }

  /**
   * Starts following. Settles when every name was looked up once, whether that worked or not; `onChange` was
   * called then if there is any backend.
   */
  async start(): Promise<void> {
    this.#generation++;
    const generation = this.#generation;
    await Promise.all(this.#targets.map((target) => this.#lookUp(target, generation)));
    if (generation !== this.#generation) return;
    this.#started = true;
    this.#deliver();
  }

  stop(): void {
    this.#generation++;
    this.#started = false;
    for (const target of this.#targets) {
      if (target.timer !== undefined) this.#scheduler.clearTimer(target.timer);
      target.timer = undefined;
    }
  }

  /** Never rejects. */
  async #lookUp(target: Target, generation: number): Promise<void> {
    if (target.name === '') return;
    const answer = await this.#ask(target);
    if (generation !== this.#generation) return;
    const delayMs = answer === undefined ? this.#retryDelay(target) : this.#accept(target, answer);
    target.timer = this.#scheduler.setTimer(() => void this.#lookUp(target, generation), delayMs);
    if (this.#started) this.#deliver();
  }

  async #ask(target: Target): Promise<readonly ResolvedAddress[] | undefined> {
    try {
      const answer = await this.#resolver(target.name);
      if (answer.length > 0) return answer;
      this.#options.onError(new BalancerError('resolveFailed', `${target.name} has no address`));
    } catch (cause) {
      this.#options.onError(new BalancerError('resolveFailed', `cannot resolve ${target.name}`, cause));
    }
    return undefined;
  }

  /** @returns ms until the next look-up */
  #accept(target: Target, answer: readonly ResolvedAddress[]): number {
    target.addresses = [...new Set(answer.map(({ address }) => address))].sort();
    target.failures = 0;
    const shortest = Math.min(...answer.map(({ ttlSeconds }) => ttlSeconds)) * 1_000;
    const wanted = shortest === 0 ? this.#unknownMs : shortest;
    return this.#options.intervalMs ?? Math.min(this.#maxMs, Math.max(this.#minMs, wanted));
  }

  #retryDelay(target: Target): number {
    const delayMs = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(target.failures, 20));
    target.failures++;
    return delayMs;
  }

  /** Tells about the backends if they are others than those told about last. */
  #deliver(): void {
    const { backends } = this;
    const described = JSON.stringify(backends);
    if (backends.length === 0 || described === this.#delivered) return;
    try {
      this.#options.onChange(backends);
      this.#delivered = described;
    } catch (cause) {
      this.#options.onError(new BalancerError('updateFailed', 'new addresses were not taken over', cause));
    }
  }
}

function isAddress(host: string): boolean {
  return host.includes(':') || /^[0-9]+(?:\.[0-9]+){3}$/.test(host);
}

function withAddress(options: BackendOptions, address: string): BackendOptions {
  const { protocol, port, host } = parseBackendUrl(options.url);
  const bracketed = address.includes(':') ? `[${address}]` : address;
  return { ...options, url: `${protocol}://${bracketed}:${port}`, serverName: options.serverName ?? host };
}
