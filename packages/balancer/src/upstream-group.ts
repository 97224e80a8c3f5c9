import type { AffinityCookie } from './affinity.ts';
import { Availability } from './availability.ts';
import { Backend, type BackendOptions } from './backend.ts';
import { BackendSet, checkedKeys, Membership } from './backend-set.ts';
import { BestEffort } from './best-effort.ts';
import { GroupConfiguration } from './group-configuration.ts';
import type { UpstreamGroupChange, UpstreamGroupOptions } from './group-options.ts';
import { hashAddress } from './hash.ts';
import { LatencyRecorder } from './latency-recorder.ts';
import { AttemptOutcome } from './outcome.ts';
import { RetryBudget } from './retry-budget.ts';
import { type FailedAttempt, mayRetry, type RetryDecision } from './retry.ts';
import type { PickContext } from './selector.ts';
import {
  BackendTable,
  blockingBits,
  Cell,
  Counter,
  elapsed,
  Header,
  moment,
  StateBit,
  read,
  unprovenBits,
} from './shared-state.ts';
import { claimSlots, leaveSlot } from './slots.ts';
import { type BackendState, overallState, StateChanges } from './state-changes.ts';
import { type BackendStatistics, backendStatistics } from './statistics.ts';
import { type Administration, StateControl } from './state-control.ts';

/**
 * A group of backends, as one thread sees it. Every attempt is `pick`, `started`, `finished`, each once and
 * in this order, without waiting between the first two; nothing here allocates, waits or throws on that way.
 */
export class UpstreamGroup {
  readonly name: string;
  readonly table: BackendTable;
  readonly retryBudget: RetryBudget;
  readonly #cells: Int32Array;
  readonly #counters: Float64Array;
  readonly #random: () => number;
  readonly #changes: StateChanges;
  readonly #control: StateControl;
  readonly #availability: Availability;
  readonly #bestEffort: BestEffort;
  readonly #latency: LatencyRecorder;
  readonly #initialBits: number;
  #configuration: GroupConfiguration;
  #set: BackendSet;
  #leaving: readonly Backend[];
  #seenVersion: number;
  /** When time alone changes something next; 0: nothing is due. */
  #due: number;

  /** @throws {BalancerError} for options out of range, duplicate or invalid backends, a table too small */
  constructor(options: UpstreamGroupOptions) {
    const capacity = Math.max(64, 2 * options.backends.length);
    const table = options.table ?? BackendTable.create({ capacity });
    this.name = options.name;
    this.table = table;
    this.#cells = table.cells;
    this.#counters = table.counters;
    this.#random = options.random ?? Math.random;
    this.#changes = new StateChanges(table, options.onStateChange);
    this.#control = new StateControl(table, this.#changes);
    this.#configuration = new GroupConfiguration(options, table, this.#changes, this.#random);
    this.#changes.observe(this.#configuration.tree);
    this.retryBudget = new RetryBudget(this.#configuration.budget, table);
    this.#availability = new Availability(table, this.#random, this.#configuration.policies);
    this.#bestEffort = new BestEffort(table, this.retryBudget);
    this.#latency = new LatencyRecorder(table);
    this.#initialBits = options.initialState === 'unhealthy' ? StateBit.unhealthy : 0;
    this.#set = new BackendSet(new Membership([], 0), [], []);
    this.#leaving = [];
    this.#seenVersion = 0;
    this.#due = 0;
    this.#replaceBackends(options.backends);
  }

  /** The snapshot in use. */
  get set(): BackendSet {
    return this.#set;
  }

  /** Backends that an update removed and that still have attempts in flight. */
  get leaving(): readonly Backend[] {
    return this.#leaving.filter((backend) => read(this.#cells, backend.cell + Cell.active) > 0);
  }

  /**
   * The backend for the next attempt of a request; counts as the arrival of a request when nothing was tried
   * yet. Affinity comes first, then the algorithm; when nobody may be picked, the all-down policy.
   *
   * @param tried backends that failed this request; none of them is returned
   * @returns `undefined` when there is none: answer 503 with `Retry-After: retryAfterSeconds()`
   */
  pick(context: PickContext, tried: readonly Backend[] | undefined): Backend | undefined {
    const { now } = context;
    const stale = read(this.#cells, Header.version) !== this.#seenVersion;
    if (stale || (this.#due !== 0 && elapsed(this.#due, now) >= 0)) this.#refresh(now);
    if (tried === undefined || tried.length === 0) this.retryBudget.requestArrived();
    const availability = this.#availability;
    availability.begin(now, tried);
    let paid = false;
    if (!this.#set.hopeful && this.#set.eligible.length > 0) {
      // Retries have been paid for.
      paid = (tried !== undefined && tried.length > 0) || this.#bestEffort.pays(now);
      if (!paid) return undefined;
      availability.ignoreReturn();
    }
    const { cookie, selector } = this.#configuration;
    if (cookie !== undefined && context.cookie !== undefined) {
      const bound = this.#boundBackend(cookie, context.cookie, context.clientAddress);
      if (bound !== undefined) return bound;
    }
    const chosen = selector.select(this.#set, context, availability);
    return chosen === undefined ? this.#pickAmongUnwilling(context, paid) : chosen;
  }

  /** An attempt at the backend begins: right after `pick`, before a connection is asked for. */
  started(backend: Backend, now: number): void {
    const cells = this.#cells;
    const counters = this.#counters;
    const { tree, policies } = this.#configuration;
    Atomics.add(cells, backend.cell + Cell.active, 1);
    // One writer: only the sum above needs an atomic addition.
    cells[backend.workerActiveCell] = (cells[backend.workerActiveCell] ?? 0) + 1;
    const picked = backend.counter + Counter.picked;
    counters[picked] = (counters[picked] ?? 0) + 1;
    if (tree !== undefined) tree.turnTaken(backend.index, now);
    policies.started(backend);
  }

  /**
   * The attempt has ended, one way or the other.
   *
   * @param latencyMs from `started` to the head of the response, or to the failure; negative: unknown
   */
  finished(backend: Backend, outcome: AttemptOutcome, now: number, latencyMs: number): void {
    this.released(backend);
    this.judged(backend, outcome, now, latencyMs);
  }

  /**
   * The first half of `finished`, for an attempt whose outcome is known long before it ends: a tunnel that was
   * opened, a response that only trickles. It goes on being one in flight until `released`.
   *
   * @param trickles counts as late, whatever the latency
   */
  judged(backend: Backend, outcome: AttemptOutcome, now: number, latencyMs: number, trickles = false): void {
    const counters = this.#counters;
    const { average, policies } = this.#configuration;
    const ended = backend.counter + outcome;
    counters[ended] = (counters[ended] ?? 0) + 1;
    if (latencyMs >= 0 && outcome <= AttemptOutcome.status5xx) this.#latency.record(backend, latencyMs);
    if (average !== undefined && outcome !== AttemptOutcome.cancelled) {
      average.observe(backend, latencyMs, outcome !== AttemptOutcome.success, now);
    }
    const state = read(this.#cells, backend.cell + Cell.state);
    const unlikely = (state & (blockingBits | unprovenBits)) !== 0;
    if (unlikely && outcome === AttemptOutcome.success) this.#bestEffort.succeeded();
    const late = trickles || policies.isLate(outcome, latencyMs);
    policies.ended(backend, outcome, state, this.#set.backends, now, late);
  }

  /** The second half of `finished`: the attempt that was `judged` is over. */
  released(backend: Backend): void {
    const cells = this.#cells;
    Atomics.sub(cells, backend.cell + Cell.active, 1);
    cells[backend.workerActiveCell] = (cells[backend.workerActiveCell] ?? 0) - 1;
    this.#configuration.tree?.changed(backend.index);
  }

  /** False for one that was picked, but is out of service by now: whoever still waits for it is better off elsewhere. */
  isInService(backend: Backend): boolean {
    return (read(this.#cells, backend.cell + Cell.state) & blockingBits) === 0;
  }

  /**
   * For `Retry-After` of a 503: whole seconds until a backend may be tried again by time alone.
   *
   * @returns 1 to 60; 5 when only a health check can bring a backend back
   */
  retryAfterSeconds(now: number): number {
    // Who is suspected may be tried at any time.
    if (this.#set.eligible.length > 0 && !this.#set.hopeful) return 1;
    if (this.#due === 0) return 5;
    return Math.min(60, Math.max(1, Math.ceil(elapsed(moment(now), this.#due) / 1_000)));
  }

  /**
   * Takes over a new configuration at once: backends with the same key keep slot, counts, health and
   * circuit; those that are gone finish what they have and get nothing new. All or nothing: on an error the
   * old configuration stays.
   *
   * @throws {BalancerError} as the constructor
   */
  update(change: UpstreamGroupChange): void {
    const options = { ...this.#configuration.options, ...change };
    const configuration = new GroupConfiguration(options, this.table, this.#changes, this.#random);
    if (change.backends !== undefined) this.#replaceBackends(change.backends);
    this.#configuration = configuration;
    this.#changes.observe(configuration.tree);
    // Once more with the backends in place, and watched from here on.
    configuration.tree?.rebuild();
    this.retryBudget.configure(configuration.budget);
    this.#availability.configure(configuration.policies);
    // Policies that were switched off release their backends at the next pick.
    Atomics.add(this.#cells, Header.version, 1);
  }

  /** The result of active checks. Recovery starts slowly, and lets trials through an open circuit. */
  setHealth(backend: Backend, healthy: boolean, reason: string, now: number): void {
    this.#control.setHealth(backend, healthy, this.#configuration.policies, reason, now);
  }

  /**
   * `draining`: what is in flight finishes, nothing new comes. `disabled`: the same, and the backend is not
   * checked either. `enabled` ends both, with a slow start.
   */
  setAdministration(backend: Backend, to: Administration, reason: string, now: number): void {
    this.#control.setAdministration(backend, to, reason, now);
  }

  /** As `BackendTable.reclaim`, for the group of a thread that lives on. */
  reclaim(worker: number): void {
    this.table.reclaim(worker);
    this.#configuration.tree?.rebuild();
  }

  /**
   * The `Set-Cookie` value that binds a client to the backend that served it.
   *
   * @param field the raw `Cookie` field of the request
   * @returns `undefined` without cookie affinity, or when the client's cookie says so already
   */
  affinityCookie(backend: Backend, field: string | undefined): string | undefined {
    const { cookie } = this.#configuration;
    if (cookie === undefined) return undefined;
    const known = field === undefined ? undefined : cookie.read(field);
    return known === backend.token ? undefined : cookie.write(backend.token);
  }

  /**
   * May a failed request be sent to another backend? Takes a place in the retry budget when it says yes: wait
   * `delayMs`, `pick` with what was tried, and call `retryBudget.release()` once when that attempt has ended,
   * or was not made after all.
   *
   * @param tried backends that this request has been sent to
   */
  mayRetry(failed: FailedAttempt, tried: readonly Backend[], now: number): RetryDecision {
    // The failure itself may have changed who is in service.
    this.#refresh(now);
    const { eligible, backends } = this.#set;
    this.#availability.begin(now, tried);
    this.#availability.ignoreReturn();
    const circumstances = {
      ...failed,
      otherBackendAvailable:
        eligible.some((backend) => this.#availability.mightServe(backend)) ||
        backends.some((backend) => this.#availability.isLastResort(backend)),
      budgetAvailable: true,
    };
    const decision = mayRetry(circumstances, this.#configuration.retry, this.#random());
    if (!decision.retry || this.retryBudget.tryAcquire(backends, now)) return decision;
    return { retry: false, why: 'budgetExhausted' };
  }

  /** The overall state of a backend. */
  stateOf(backend: Backend): BackendState {
    return overallState(this.#changes.bits(backend));
  }

  /** State and counters of all backends, over all threads. */
  statistics(): readonly BackendStatistics[] {
    return this.#set.backends.map((backend) => backendStatistics(this.table, backend));
  }

  /** Ends what time has ended. `pick` does it by itself: for a thread that watches and does not pick. */
  refresh(now: number): void {
    this.#refresh(now);
  }

  #boundBackend(cookie: AffinityCookie, field: string, clientAddress: string): Backend | undefined {
    const value = cookie.read(field);
    const backend = value === undefined ? undefined : this.#set.membership.byToken.get(value);
    if (backend === undefined) return undefined;
    return this.#availability.admitsClient(backend, hashAddress(clientAddress)) ? backend : undefined;
  }

  /** Nobody was admitted: those that have just come back if there are any, else the all-down policy. */
  #pickAmongUnwilling(context: PickContext, paid: boolean): Backend | undefined {
    const availability = this.#availability;
    if (availability.passedOver) {
      availability.ignoreReturn();
      const returned = this.#configuration.selector.select(this.#set, context, availability);
      if (returned !== undefined) return returned;
    }
    // Others may be picked, only not for this request. One that is ejected may be back by now; the dead do not help it.
    if (this.#set.eligible.some((backend) => availability.wasTried(backend))) {
      return this.#set.backends.find((backend) => availability.isLastResort(backend));
    }
    return this.#configuration.bestEffort
      ? this.#bestEffort.pick(this.#set.backends, availability, paid)
      : undefined;
  }

  #replaceBackends(backends: readonly BackendOptions[]): void {
    const { table } = this;
    const { tree } = this.#configuration;
    const slots = claimSlots(table, checkedKeys(backends), this.#initialBits);
    const members = backends.map((options, at) => new Backend(options, slots[at] ?? 0, table));
    const membership = new Membership(members, this.#set.version + 1);
    for (const member of members) {
      const unchanged = this.#set.byKey(member.key)?.weight === member.weight;
      if (!unchanged) Atomics.store(this.#cells, member.cell + Cell.weight, member.weight * 16);
    }
    const gone = this.#set.backends.filter(({ key }) => !membership.byKey.has(key));
    for (const backend of gone) leaveSlot(table, backend.index);
    this.#leaving = [...this.leaving.filter(({ key }) => !membership.byKey.has(key)), ...gone];
    tree?.rebuild();
    this.#rebuild(membership);
    // Makes this and all other threads look, at their next pick, for what time is to end.
    Atomics.add(this.#cells, Header.version, 1);
  }

  #refresh(now: number): void {
    const { backends } = this.#set;
    const { policies, adaptive, tree } = this.#configuration;
    const left = policies.settle(backends, now);
    const adapted = adaptive === undefined ? 0 : adaptive.settle(backends, now);
    if (adapted < 0) {
      tree?.rebuild();
      Atomics.add(this.#cells, Header.version, 1);
    }
    const next = Math.min(left || Infinity, Math.abs(adapted) || Infinity);
    this.#due = next === Infinity ? 0 : moment(now + next);
    this.#rebuild(this.#set.membership);
  }

  #rebuild(membership: Membership): void {
    // The version first: a change while we look makes us look again at the next pick.
    this.#seenVersion = Atomics.load(this.#cells, Header.version);
    const eligible: Backend[] = [];
    const weights: number[] = [];
    let hopeful = false;
    for (const backend of membership.backends) {
      const bits = this.#changes.bits(backend);
      if ((bits & blockingBits) !== 0) continue;
      if ((bits & unprovenBits) === 0) hopeful = true;
      eligible.push(backend);
      weights.push(read(this.#cells, backend.cell + Cell.weight));
    }
    this.#set = new BackendSet(membership, eligible, weights, hopeful);
  }
}
