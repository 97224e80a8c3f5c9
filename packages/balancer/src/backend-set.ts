import { type Backend, backendKey, type BackendOptions, backendWeight } from './backend.ts';
import { BalancerError } from './error.ts';

/** Who belongs to a group: changes with an update only. */
export class Membership {
  readonly backends: readonly Backend[];
  readonly byKey: ReadonlyMap<string, Backend>;
  readonly byToken: ReadonlyMap<string, Backend>;
  /** Counts the updates of this thread, from 1. */
  readonly version: number;

  constructor(backends: readonly Backend[], version: number) {
    this.backends = backends;
    this.byKey = new Map(backends.map((backend) => [backend.key, backend]));
    this.byToken = new Map(backends.map((backend) => [backend.token, backend]));
    this.version = version;
  }
}

/**
 * An immutable snapshot of a group: its backends, and which of them may be picked. A change of either makes
 * a new snapshot, so that a selector recognises by identity when its own tables are out of date.
 */
export class BackendSet {
  readonly membership: Membership;
  /** Those that nothing blocks; half-open and slowly starting ones are among them. */
  readonly eligible: readonly Backend[];
  /** Effective weights of the eligible ones, in 1/16 of the configured unit. */
  readonly weights: readonly number[];
  /** Some of the eligible ones are known to serve. */
  readonly hopeful: boolean;

  constructor(
    membership: Membership,
    eligible: readonly Backend[],
    weights: readonly number[],
    hopeful: boolean = eligible.length > 0,
  ) {
    this.membership = membership;
    this.eligible = eligible;
    this.weights = weights;
    this.hopeful = hopeful;
  }

  /** All backends, in the order of the configuration. */
  get backends(): readonly Backend[] {
    return this.membership.backends;
  }

  get version(): number {
    return this.membership.version;
  }

  get size(): number {
    return this.membership.backends.length;
  }

  byKey(key: string): Backend | undefined {
    return this.membership.byKey.get(key);
  }
}

/**
 * Checks the backends of a group and returns their keys.
 *
 * @throws {BalancerError} `duplicateBackend`, `invalidBackend` or `invalidOption`
 */
export function checkedKeys(backends: readonly BackendOptions[]): string[] {
  const keys = new Set<string>();
  for (const options of backends) {
    const key = backendKey(options);
    backendWeight(options);
    if (keys.has(key)) {
      throw new BalancerError('duplicateBackend', `${key} is listed twice; give it a weight instead`);
    }
    keys.add(key);
  }
  return [...keys];
}
