import { checkedNumber } from './error.ts';
import { elapsed } from './shared-state.ts';

/**
 * A backend that comes back takes a share of its normal traffic that grows linearly, because caches,
 * compilers and pools are cold: full load at once would knock it over again.
 */
export interface SlowStartOptions {
  /** Length of the ramp in ms; 0 switches it off. 0 to 3,600,000; default 10,000. */
  readonly windowMs: number;
  /** Share at the start of the ramp, 0.01 to 1; default 0.1. Too small starves a backend of proof that it works. */
  readonly minimumShare: number;
}

export const slowStartDefaults: SlowStartOptions = { windowMs: 10_000, minimumShare: 0.1 };

/** @throws {BalancerError} `invalidOption` for a value out of range */
export function slowStartOptions(options: Partial<SlowStartOptions> | undefined): SlowStartOptions {
  const { windowMs, minimumShare } = { ...slowStartDefaults, ...options };
  return {
    windowMs: checkedNumber('slowStart.windowMs', windowMs, 0, 3_600_000),
    minimumShare: checkedNumber('slowStart.minimumShare', minimumShare, 0.01, 1),
  };
}

/** Share of its normal traffic that a backend takes `now` when it came back at `since`. */
export function warmShare(options: SlowStartOptions, since: number, now: number): number {
  const { windowMs, minimumShare } = options;
  const passed = elapsed(since, now);
  if (passed >= windowMs || passed < 0) return 1;
  return minimumShare + (1 - minimumShare) * (passed / windowMs);
}
