import type { Availability } from './availability.ts';
import type { Backend } from './backend.ts';
import type { BackendSet, Membership } from './backend-set.ts';
import { hashAddress } from './hash.ts';
import { HashRing } from './hash-ring.ts';
import type { PickContext, Selector } from './selector.ts';

/** Points looked at before consistency gives way to a bounded time. */
const longestWalk = 64;

/**
 * The same backend for the same client address. While it cannot be picked, its clients are spread over the
 * others, and they come back to it afterwards. Clients behind one address share one backend.
 */
export class IpHash implements Selector {
  readonly algorithm = 'ip-hash';
  #membership: Membership | undefined;
  #ring: HashRing;

  constructor() {
    this.#membership = undefined;
    this.#ring = new HashRing([]);
  }

  select(set: BackendSet, context: PickContext, availability: Availability): Backend | undefined {
    if (set.membership !== this.#membership) {
      this.#membership = set.membership;
      this.#ring = new HashRing(set.backends);
    }
    const ring = this.#ring;
    const hash = hashAddress(context.clientAddress);
    let point = ring.find(hash);
    let refused: Backend | undefined;
    for (let step = 0; step < longestWalk; step++) {
      const backend = set.backends[ring.owner(point)];
      if (backend !== undefined && backend !== refused) {
        if (availability.admitsClient(backend, hash)) return backend;
        refused = backend;
      }
      point = point + 1 === ring.size ? 0 : point + 1;
    }
    return anyAdmitted(set.eligible, hash, availability);
  }
}

/** With nearly all backends gone: by position among those that are left, which moves more clients. */
function anyAdmitted(
  eligible: readonly Backend[],
  hash: number,
  availability: Availability,
): Backend | undefined {
  const count = eligible.length;
  for (let i = 0; i < count; i++) {
    const backend = eligible[(hash + i) % count];
    if (backend !== undefined && availability.admitsClient(backend, hash)) return backend;
  }
  return undefined;
}
