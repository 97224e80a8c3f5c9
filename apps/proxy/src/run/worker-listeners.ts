import type { Engine, ListenTls, Listener as OpenListener } from '@rp/core';
import {
  HandshakeCounters,
  TicketInstaller,
  TicketKeySet,
  TlsServerBinding,
  guardHandshakes,
  storeFromMessage,
} from '@rp/tls';
import { randomFillSync } from 'node:crypto';
import type { ListeningAddress } from '../cli/io.ts';
import type { Listener, ListenerTls } from '../config/index.ts';
import type { RunningListener } from './listener-plan.ts';
import { ListenerRules } from './listener-rules.ts';
import type { ListenerSecrets } from './listener-secrets.ts';
import type { WorkerSockets } from './messages.ts';
import { bindingOptions } from './tls-binding.ts';

/** One listener in one worker: what it listens with, and what a reload changes of it. */
class WorkerListener {
  readonly id: number;
  readonly place: string;
  readonly rules: ListenerRules = new ListenerRules();
  readonly #binding: TlsServerBinding | undefined;
  readonly #tickets: TicketInstaller | undefined;
  listener: Listener;
  /** Once it accepts. */
  open: OpenListener | undefined = undefined;
  opening = false;
  #version = 0;

  constructor({ id, place, listener }: RunningListener, secrets: ListenerSecrets | null) {
    this.id = id;
    this.place = place;
    this.listener = listener;
    const { tls } = listener;
    if (tls === null || secrets === null) return;
    this.#tickets = new TicketInstaller(TicketKeySet.fromMessage(secrets.tickets), randomFillSync);
    const store = storeFromMessage(secrets.store);
    const protocols = listener.http2 ? ['h2', 'http/1.1'] : ['http/1.1'];
    this.#binding = new TlsServerBinding(
      bindingOptions(tls, store, secrets.authorities, this.#tickets, protocols),
    );
    this.#version = secrets.version;
  }

  update(listener: Listener, guardsIdentity: boolean, secrets: ListenerSecrets | null): void {
    this.listener = listener;
    if (secrets !== null && secrets.version !== this.#version) {
      this.#version = secrets.version;
      this.#tickets?.update(TicketKeySet.fromMessage(secrets.tickets));
      this.#binding?.update(storeFromMessage(secrets.store));
    }
    this.rules.update(listener, guardsIdentity, this.#binding?.store);
  }

  tls(counters: HandshakeCounters): ListenTls | undefined {
    const binding = this.#binding;
    if (binding === undefined) return undefined;
    return {
      options: binding.serverOptions(),
      onServer(server) {
        binding.attach(server);
        guardHandshakes(server, { counters });
      },
    };
  }
}

/** All listeners of one worker. */
export class WorkerListeners {
  readonly #engine: Engine;
  readonly #workers: number;
  readonly #counters: HandshakeCounters;
  #listeners: readonly WorkerListener[] = [];
  /** Closed, with connections that live on. */
  #left: readonly WorkerListener[] = [];

  /** @param handshakes this worker's region of shared memory */
  constructor(engine: Engine, workers: number, handshakes: SharedArrayBuffer) {
    this.#engine = engine;
    this.#workers = workers;
    this.#counters = new HandshakeCounters(handshakes);
  }

  /** Takes over what a snapshot says of listeners and certificates; {@link open} is to follow. */
  apply(listeners: readonly RunningListener[], secrets: readonly (ListenerSecrets | null)[]): void {
    const before = new Map(this.#listeners.map((one) => [one.id, one]));
    const after = listeners.map((running, at) => ({
      running: before.get(running.id) ?? new WorkerListener(running, secrets[at] ?? null),
      listener: running.listener,
      secrets: secrets[at] ?? null,
    }));
    const guardsIdentity = listeners.some(({ listener }) => asksClients(listener.tls));
    for (const one of after) one.running.update(one.listener, guardsIdentity, one.secrets);
    this.#listeners = after.map(({ running }) => running);
    const current = new Set(this.#listeners);
    const closed = [...before.values()].filter((one) => !current.has(one));
    const left = this.#left.filter(({ open }) => open !== undefined && open.size > 0);
    this.#left = [...left, ...closed];
    // Only connections that nobody vouches for may be told apart: also on listeners that are closed.
    for (const one of this.#left) one.update(one.listener, guardsIdentity, null);
  }

  /** Opens what is not open yet, and closes what is not wanted any more; rejects where it cannot. */
  async open(sockets: WorkerSockets): Promise<readonly ListeningAddress[]> {
    const places = new Set(this.#listeners.map(({ place }) => place));
    const fresh = this.#listeners.filter(({ open, opening }) => open === undefined && !opening);
    const shared = fresh.filter(({ id }) => sockets[id] !== undefined);
    for (const one of fresh) one.opening = true;
    // Where the queue of connections is shared, the new one accepts before the old one ends.
    await Promise.all(shared.map((one) => this.#openOne(one, { fd: sockets[one.id]! })));
    for (const one of this.#left) this.#close(one, places.has(one.place));
    for (const one of fresh) {
      if (shared.includes(one)) continue;
      const { address, port } = one.listener;
      await this.#openOne(one, { address, port, reusePort: this.#workers > 1 });
    }
    return this.#listeners.flatMap(({ open, listener }) => {
      if (open === undefined) return [];
      const { address, port } = open.address;
      return [{ address, port, tls: listener.tls !== null }];
    });
  }

  async #openOne(
    one: WorkerListener,
    place: { fd: number } | { address: string; port: number; reusePort: boolean },
  ): Promise<void> {
    const { h2c, proxyProtocol } = one.listener;
    const tls = one.tls(this.#counters);
    const options = { h2c, proxyProtocol, policy: one.rules, ...(tls === undefined ? {} : { tls }) };
    try {
      one.open = await this.#engine.openListener({ ...place, ...options });
    } finally {
      one.opening = false;
    }
    // A reload that came meanwhile may have taken it away again.
    if (this.#left.includes(one)) this.#close(one, false);
  }

  /** Connections go on under a listener that replaced theirs; otherwise they end when they are idle. */
  #close({ open }: WorkerListener, replaced: boolean): void {
    if (open?.isOpen === true) this.#engine.closeListener(open, replaced ? 'keep' : 'drain');
  }
}

function asksClients(tls: ListenerTls | null): boolean {
  return tls !== null && tls.clientAuth.mode !== 'none';
}
