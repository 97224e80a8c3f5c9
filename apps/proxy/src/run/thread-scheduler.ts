import type { Scheduler } from '@rp/balancer';

/** Timers of this thread that do not keep the process alive. */
export function scheduler(clock: () => number): Scheduler {
  return {
    now: clock,
    setTimer: (callback, ms) => setTimeout(callback, ms).unref(),
    clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
  };
}
