/** Resolved settings of the back-off. */
export interface BackoffSettings {
  readonly initial: number;
  readonly max: number;
  readonly factor: number;
  readonly jitter: number;
}

/**
 * Says when a connect may be tried after failures: not before a delay that grows with each failed round, then
 * one trial, whose outcome decides. All connects that were under way together are one round: thirty refused at
 * once are one failure, not thirty doublings.
 */
export class Backoff {
  #settings: BackoffSettings;
  readonly #random: () => number;
  #delay = 0;
  #until = 0;
  #trial = false;
  /** Number of the round; attempts of earlier rounds do not lengthen the delay. */
  round: number = 0;

  constructor(settings: BackoffSettings, random: () => number) {
    this.#settings = settings;
    this.#random = random;
  }

  /** New settings, for the next failure. */
  update(settings: BackoffSettings): void {
    this.#settings = settings;
  }

  /** Whether a connect must not be started: the delay is not over, or a trial is under way. */
  blocks(now: number): boolean {
    return this.#delay > 0 && (this.#trial || now < this.#until);
  }

  /** A connect is started (`blocks` was false): the first one after a delay is the trial. */
  started(): void {
    if (this.#delay > 0) this.#trial = true;
  }

  /** A connect succeeded: the backend is reachable, whichever round it was of. */
  succeeded(): void {
    this.#delay = 0;
    this.#trial = false;
  }

  /** A connect of the given round failed. */
  failed(round: number, now: number): void {
    if (round !== this.round) return;
    const { initial, max, factor, jitter } = this.#settings;
    this.round++;
    this.#trial = false;
    this.#delay = this.#delay === 0 ? initial : Math.min(max, this.#delay * factor);
    this.#until = now + this.#delay * (1 - jitter * this.#random());
  }

  /** The trial was given up without a verdict: another one may start. */
  abandoned(round: number): void {
    if (round === this.round) this.#trial = false;
  }
}
