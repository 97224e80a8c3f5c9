import type { ListenOptions, ListenTls } from '@rp/core';
import {
  HandshakeCounters,
  TicketInstaller,
  TicketKeySet,
  TlsServerBinding,
  guardHandshakes,
  storeFromMessage,
} from '@rp/tls';
import { randomFillSync } from 'node:crypto';
import type { Listener, ListenerTls } from '../config/index.ts';
import { ListenerRules } from './listener-rules.ts';
import type { ListenerSecrets } from './listener-secrets.ts';
import { bindingOptions } from './tls-binding.ts';

/** One listener in one worker: what it listens with, and what a reload changes of it. */
class WorkerListener {
  readonly rules: ListenerRules = new ListenerRules();
  readonly #binding: TlsServerBinding | undefined;
  readonly #tickets: TicketInstaller | undefined;
  #version = 0;

  constructor(listener: Listener, secrets: ListenerSecrets | null) {
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
  readonly #counters: HandshakeCounters;
  #listeners: readonly WorkerListener[] = [];

  /** @param handshakes this worker's region of shared memory */
  constructor(handshakes: SharedArrayBuffer) {
    this.#counters = new HandshakeCounters(handshakes);
  }

  /** Takes over what a snapshot says of listeners and certificates. Their number does not change. */
  apply(listeners: readonly Listener[], secrets: readonly (ListenerSecrets | null)[]): void {
    if (this.#listeners.length === 0) {
      this.#listeners = listeners.map((listener, at) => new WorkerListener(listener, secrets[at] ?? null));
    }
    const guardsIdentity = listeners.some(({ tls }) => asksClients(tls));
    for (const [at, running] of this.#listeners.entries()) {
      running.update(listeners[at]!, guardsIdentity, secrets[at] ?? null);
    }
  }

  /** What listener `at` is to be opened with, besides its address. */
  options(
    at: number,
    { h2c, proxyProtocol }: Listener,
  ): Pick<ListenOptions, 'tls' | 'h2c' | 'proxyProtocol' | 'policy'> {
    const listener = this.#listeners[at]!;
    const tls = listener.tls(this.#counters);
    return { h2c, proxyProtocol, policy: listener.rules, ...(tls === undefined ? {} : { tls }) };
  }
}

function asksClients(tls: ListenerTls | null): boolean {
  return tls !== null && tls.clientAuth.mode !== 'none';
}
