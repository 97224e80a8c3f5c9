import type { ListeningAddress } from '../cli/io.ts';
import type { Listener, ListenerTls } from '../config/index.ts';

/**
 * Listeners as they run, which a reload cannot open or close: what it changes inside of them (certificates, say) is
 * taken over, and the rest stays as it is until a restart. A worker that replaces another listens on these.
 */
export class RunningListeners {
  readonly #configured: readonly Listener[];
  #running: readonly Listener[];

  constructor(configured: readonly Listener[]) {
    this.#configured = configured;
    this.#running = configured;
  }

  get current(): readonly Listener[] {
    return this.#running;
  }

  /** Ports that the system chose: the other workers, and successors, share them. */
  bound(listening: readonly ListeningAddress[]): void {
    this.#running = this.#running.map((listener, at) => ({
      ...listener,
      port: listening[at]?.port ?? listener.port,
    }));
  }

  /** Takes over from `wanted` what can be changed while they run. */
  update(wanted: readonly Listener[]): void {
    const left = [...wanted];
    this.#running = this.#running.map((running, at) => {
      const { address, port, tls } = this.#configured[at]!;
      // Speaking TLS or not is not changed under connections that wait to be accepted.
      const found = left.findIndex(
        (one) => one.address === address && one.port === port && (one.tls === null) === (tls === null),
      );
      const [same] = found === -1 ? [] : left.splice(found, 1);
      if (same === undefined) return running;
      // What a listener was opened with: one that a worker opens later must not differ from the others.
      const { proxyProtocol, h2c, http2 } = running;
      return {
        ...same,
        port: running.port,
        proxyProtocol,
        h2c,
        http2,
        tls: updatedTls(running.tls, same.tls),
      };
    });
  }
}

/** Certificates and HSTS follow; what a TLS server is made with stays. */
function updatedTls(running: ListenerTls | null, wanted: ListenerTls | null): ListenerTls | null {
  if (running === null || wanted === null) return wanted;
  const { minVersion, ciphers, clientAuth, strictSni, handshakeTimeout, ticketRotation } = running;
  return { ...wanted, minVersion, ciphers, clientAuth, strictSni, handshakeTimeout, ticketRotation };
}
