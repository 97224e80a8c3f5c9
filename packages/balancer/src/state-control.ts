import type { Backend } from './backend.ts';
import type { GroupPolicies } from './group-policies.ts';
import { type BackendTable, Cell, moment, StateBit } from './shared-state.ts';
import type { BackendCondition, StateChanges } from './state-changes.ts';

/** What an operator wants of a backend. */
export type Administration = 'enabled' | 'draining' | 'disabled';

/** The state changes that come from outside of the traffic: active checks and operators. */
export class StateControl {
  readonly #cells: Int32Array;
  readonly #changes: StateChanges;

  constructor(table: BackendTable, changes: StateChanges) {
    this.#cells = table.cells;
    this.#changes = changes;
  }

  setHealth(backend: Backend, healthy: boolean, policies: GroupPolicies, reason: string, now: number): void {
    if (healthy) {
      if (this.#changes.apply(backend, StateBit.unhealthy, 0) === -1) return;
      policies.provenHealthy(backend, now);
      this.#changes.report(backend, 'unhealthy', 'healthy', reason);
    } else {
      Atomics.store(this.#cells, backend.cell + Cell.lastFailedAt, moment(now));
      if (this.#changes.apply(backend, 0, StateBit.unhealthy) === -1) return;
      this.#changes.report(backend, 'healthy', 'unhealthy', reason);
    }
  }

  setAdministration(backend: Backend, to: Administration, reason: string, now: number): void {
    Atomics.store(this.#cells, backend.cell + Cell.warmSince, moment(now));
    const bit = to === 'draining' ? StateBit.draining : to === 'disabled' ? StateBit.disabled : 0;
    const warming = to === 'enabled' ? StateBit.warming : 0;
    const current = administration(this.#changes.bits(backend));
    if (current === to) return;
    const before = this.#changes.apply(backend, StateBit.draining | StateBit.disabled, bit | warming);
    if (before !== -1) this.#changes.report(backend, administration(before), to, reason);
  }
}

function administration(bits: number): Administration & BackendCondition {
  if ((bits & StateBit.disabled) !== 0) return 'disabled';
  return (bits & StateBit.draining) !== 0 ? 'draining' : 'enabled';
}
