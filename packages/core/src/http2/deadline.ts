import { Timer } from '../timer-wheel.ts';

/** A timer of a session: there are two or three per connection, so each may have a function of its own. */
export class Deadline extends Timer {
  readonly #run: () => void;

  constructor(run: () => void) {
    super();
    this.#run = run;
  }

  override expired(): void {
    this.#run();
  }
}
