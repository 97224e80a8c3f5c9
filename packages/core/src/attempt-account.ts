import type { AttemptOutcome } from './contracts.ts';
import type { BackendEntry, Upstream } from './upstream.ts';

/** The attempt that is spoken of. */
export interface AccountedAttempt {
  readonly upstream: Upstream | undefined;
  readonly backend: BackendEntry | undefined;
  readonly attemptedAt: number;
  readonly firstByteAt: number;
}

/** What the balancer hears of one attempt after the other: that it began, how it did, and that it is over, each once. */
export class AttemptAccount {
  #open = false;
  /** How it did was said before its end. */
  #judged = false;

  reset(): void {
    this.#open = this.#judged = false;
  }

  open({ upstream, backend }: AccountedAttempt, now: number): void {
    this.#open = true;
    upstream!.balancer.started(backend!.target, now);
  }

  /** @param trickles it is a success, but none to be proud of */
  judge(outcome: AttemptOutcome, attempt: AccountedAttempt, now: number, trickles: boolean): void {
    if (!this.#open || this.#judged) return;
    this.#judged = true;
    attempt.upstream!.balancer.judged(attempt.backend!.target, outcome, now, latency(attempt, now), trickles);
  }

  close(outcome: AttemptOutcome, attempt: AccountedAttempt, now: number): void {
    if (!this.#open) return;
    this.#open = false;
    const { balancer } = attempt.upstream!;
    const { target } = attempt.backend!;
    if (!this.#judged) return balancer.finished(target, outcome, now, latency(attempt, now));
    this.#judged = false;
    balancer.released(target);
  }

  /** The attempt, which was judged, goes on when the exchange has ended. @returns what to call when it is over */
  leaveOpen({ upstream, backend }: AccountedAttempt): () => void {
    this.reset();
    const { balancer } = upstream!;
    const { target } = backend!;
    return () => balancer.released(target);
  }
}

/** Long downloads are no slow backends: what counts is the time to the head. */
function latency({ attemptedAt, firstByteAt }: AccountedAttempt, now: number): number {
  return (firstByteAt > attemptedAt ? firstByteAt : now) - attemptedAt;
}
