import type { Downstream } from './downstream.ts';
import { ProxyFailure } from './failure.ts';
import type { ForwardRules } from './forward-rules.ts';

/**
 * The client's side of an exchange that has no client any more, or never had one: others read along with what it
 * fetches, or the cache brings a stored response up to date.
 */
export class DetachedDownstream implements Downstream {
  readonly address: string;
  readonly secure: boolean;
  readonly trusted = false;
  readonly version: string;
  readonly #rules: ForwardRules;
  readonly #done: (() => void) | undefined;

  /** @param done called when the exchange has ended */
  constructor(like: Downstream, requestId: string, done?: () => void) {
    this.address = like.address;
    this.secure = like.secure;
    this.version = like.version;
    // A copy: the original is used again by the next request of the connection.
    this.#rules = { ...like.forwardRules(requestId) };
    this.#done = done;
  }

  admit(): undefined {
    return undefined;
  }

  forwardRules(): ForwardRules {
    return this.#rules;
  }

  sendInformational(): void {}
  sendHead(): void {}
  sendBody(): boolean {
    return true;
  }
  sendEnd(): void {}
  sendAnswer(): void {}
  sendStored(): void {}
  sendStoredHead(): void {}
  flush(): void {}
  cut(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}

  mayTunnel(): boolean {
    return false;
  }

  openTunnel(): never {
    throw new ProxyFailure('INTERNAL', 'a tunnel without a client');
  }

  exchangeDone(): void {
    this.#done?.();
  }
}
