import type { Backend } from './backend.ts';
import { BalancerError, checkedInteger, checkedNumber } from './error.ts';
import { type HealthExpectation, HealthJudge } from './health-expectation.ts';
import type { Scheduler } from './scheduler.ts';
import type { UpstreamGroup } from './upstream-group.ts';

/** Active checks of a group's backends. */
export interface HealthCheckOptions extends HealthExpectation {
  /** Default `GET`. */
  readonly method?: string;
  /** Path and query of the check; default `/`. */
  readonly path?: string;
  /** `Host` of the check; default: the server name of the backend. */
  readonly host?: string;
  /** Time between two checks of a backend in ms; 10 to 86,400,000, default 10,000. */
  readonly intervalMs?: number;
  /** Share of the interval by which it varies at random; 0 to 0.5, default 0.1. 0: all proxies check at once. */
  readonly jitter?: number;
  /** A check that takes longer has failed, in ms; 1 to 3,600,000, default 5,000. */
  readonly timeoutMs?: number;
  /** Failed checks in a row that make a backend unhealthy; 1 to 1,000, default 3. 1 lets one lost packet do it. */
  readonly failureThreshold?: number;
  /** Good checks in a row that make it healthy again; 1 to 1,000, default 2. */
  readonly successThreshold?: number;
  /**
   * Longest time between two checks of a backend that stays down, in ms: the interval doubles with each failed
   * check up to it. Default 60,000, never below the interval. Not while all backends are down.
   */
  readonly maxIntervalMs?: number;
}

/** One check to be made, on a connection of its own. */
export interface Probe {
  readonly backend: Backend;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly timeoutMs: number;
  /** Aborted when the time is up or the checker stops: close the connection. */
  readonly signal: AbortSignal;
}

/** Makes checks. Rejects when there was no answer; the message of the error becomes the reason. */
export interface Prober {
  probe(probe: Probe): Promise<ProbeAnswer>;
}

export interface ProbeAnswer {
  readonly status: number;
  /** The first part of the body: as much as an expectation can need, 64 KiB at most. */
  readonly body: string;
}

type Checked = Required<Omit<HealthCheckOptions, 'host' | 'status' | 'body'>> & { readonly host: string };

interface Patient {
  readonly backend: Backend;
  /** Checks in a row with the result of the last one. */
  failures: number;
  successes: number;
  /** When the next check is due. */
  due: number;
  timer: unknown;
  controller: AbortController | undefined;
}

/**
 * Checks all backends of a group, each at its own pace. Run it once per process: what it finds is in the
 * shared state, where all threads see it. Every backend counts as in `initialState` until it is proven
 * otherwise; the first good check of a backend that started as unhealthy is enough.
 */
export class HealthChecker {
  readonly #group: UpstreamGroup;
  readonly #options: Checked;
  readonly #judge: HealthJudge;
  readonly #prober: Prober;
  readonly #scheduler: Scheduler;
  readonly #random: () => number;
  readonly #patients: Map<string, Patient>;
  #running: boolean;

  /** @throws {BalancerError} `invalidOption` for a value out of range */
  constructor(
    group: UpstreamGroup,
    options: HealthCheckOptions,
    prober: Prober,
    scheduler: Scheduler,
    random: () => number = Math.random,
  ) {
    this.#group = group;
    this.#options = checkedOptions(options);
    this.#judge = new HealthJudge(options);
    this.#prober = prober;
    this.#scheduler = scheduler;
    this.#random = random;
    this.#patients = new Map();
    this.#running = false;
  }

  /** Starts checking; the first checks are spread over the first second. */
  start(): void {
    this.#running = true;
    this.backendsChanged();
  }

  /** Stops; checks under way are aborted, states stay. */
  stop(): void {
    this.#running = false;
    for (const patient of this.#patients.values()) this.#discharge(patient);
    this.#patients.clear();
  }

  /** Call it after an update of the group: takes new backends in and lets removed ones go. */
  backendsChanged(): void {
    if (!this.#running) return;
    for (const [key, patient] of this.#patients) {
      if (this.#group.set.byKey(key)?.index === patient.backend.index) continue;
      this.#discharge(patient);
      this.#patients.delete(key);
    }
    for (const backend of this.#group.set.backends) {
      if (this.#patients.has(backend.key)) continue;
      const patient: Patient = {
        backend,
        failures: 0,
        successes: 0,
        due: 0,
        timer: undefined,
        controller: undefined,
      };
      this.#patients.set(backend.key, patient);
      this.#schedule(patient, this.#random() * Math.min(1_000, this.#options.intervalMs));
    }
  }

  #schedule(patient: Patient, delayMs: number): void {
    if (patient.timer !== undefined) this.#scheduler.clearTimer(patient.timer);
    patient.due = this.#scheduler.now() + delayMs;
    patient.timer = this.#scheduler.setTimer(() => this.#check(patient), Math.ceil(delayMs));
  }

  #discharge(patient: Patient): void {
    if (patient.timer !== undefined) this.#scheduler.clearTimer(patient.timer);
    patient.timer = undefined;
    patient.controller?.abort();
    patient.controller = undefined;
  }

  #check(patient: Patient): void {
    patient.timer = undefined;
    const { backend } = patient;
    if (this.#group.stateOf(backend) === 'disabled') {
      this.#schedule(patient, this.#options.intervalMs);
      return;
    }
    const { method, path, host, timeoutMs } = this.#options;
    const controller = new AbortController();
    patient.controller = controller;
    patient.timer = this.#scheduler.setTimer(() => this.#conclude(patient, controller, 'timeout'), timeoutMs);
    const probe: Probe = {
      backend,
      method,
      path,
      host: host === '' ? backend.serverName : host,
      timeoutMs,
      signal: controller.signal,
    };
    this.#ask(probe).then((objection) => this.#conclude(patient, controller, objection), undefined);
  }

  /** Never rejects: a prober that fails, in whichever way, is a failed check. */
  async #ask(probe: Probe): Promise<string | undefined> {
    try {
      const answer = await this.#prober.probe(probe);
      return this.#judge.objection(answer.status, answer.body);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #conclude(patient: Patient, controller: AbortController, objection: string | undefined): void {
    // Too late, or not ours any more.
    if (patient.controller !== controller) return;
    this.#discharge(patient);
    if (objection === undefined) this.#succeeded(patient);
    else this.#failed(patient, objection);
    this.#schedule(patient, this.#delay(patient));
    if (this.#allDown()) this.#hurry();
  }

  #succeeded(patient: Patient): void {
    const isFirst = patient.failures === 0 && patient.successes === 0;
    patient.failures = 0;
    patient.successes++;
    const enough = patient.successes >= this.#options.successThreshold || isFirst || this.#allDown();
    if (enough) {
      this.#group.setHealth(patient.backend, true, 'healthCheckSucceeded', this.#scheduler.now());
    }
  }

  #failed(patient: Patient, objection: string): void {
    patient.successes = 0;
    patient.failures++;
    if (patient.failures < this.#options.failureThreshold) return;
    this.#group.setHealth(patient.backend, false, `healthCheckFailed: ${objection}`, this.#scheduler.now());
  }

  #delay(patient: Patient): number {
    const { intervalMs, maxIntervalMs, failureThreshold, jitter } = this.#options;
    const beyond = Math.min(30, Math.max(0, patient.failures - failureThreshold));
    const interval = this.#allDown() ? intervalMs : Math.min(maxIntervalMs, intervalMs * 2 ** beyond);
    return interval * (1 + jitter * (2 * this.#random() - 1));
  }

  /** Nobody is left: whoever recovers must be found within one interval, so back-off ends for all. */
  #hurry(): void {
    const soon = this.#scheduler.now() + this.#options.intervalMs * (1 + this.#options.jitter);
    for (const patient of this.#patients.values()) {
      if (patient.controller === undefined && patient.due > soon) {
        this.#schedule(patient, this.#options.intervalMs * this.#random());
      }
    }
  }

  #allDown(): boolean {
    this.#group.refresh(this.#scheduler.now());
    return this.#group.set.eligible.length === 0;
  }
}

function checkedOptions(options: HealthCheckOptions): Checked {
  const { method = 'GET', path = '/', host = '' } = options;
  const intervalMs = checkedInteger('healthCheck.intervalMs', options.intervalMs ?? 10_000, 10, 86_400_000);
  const longest = Math.max(intervalMs, 60_000);
  // These go into a request as they are: nothing in them may end the line.
  if (!/^[A-Z]+$/.test(method) || !/^\/[\x21-\x7e]*$/.test(path) || !/^[\x21-\x7e]*$/.test(host)) {
    throw new BalancerError('invalidOption', 'healthCheck.method, path and host must be visible ASCII');
  }
  return {
    method,
    path,
    host,
    intervalMs,
    jitter: checkedNumber('healthCheck.jitter', options.jitter ?? 0.1, 0, 0.5),
    timeoutMs: checkedInteger('healthCheck.timeoutMs', options.timeoutMs ?? 5_000, 1, 3_600_000),
    failureThreshold: checkedInteger('healthCheck.failureThreshold', options.failureThreshold ?? 3, 1, 1_000),
    successThreshold: checkedInteger('healthCheck.successThreshold', options.successThreshold ?? 2, 1, 1_000),
    maxIntervalMs: checkedInteger(
      'healthCheck.maxIntervalMs',
      options.maxIntervalMs ?? longest,
      intervalMs,
      86_400_000,
    ),
  };
}
