/** Time for what runs in the background. Injected, so that tests need not wait. */
export interface Scheduler<Timer = unknown> {
  /** Milliseconds of the clock that is given to `pick` and `finished`, too. */
  now(): number;
  /** Calls back once after `ms`; should not keep the process alive. */
  setTimer(callback: () => void, ms: number): Timer;
  clearTimer(timer: Timer): void;
}
