import { isDeepStrictEqual } from 'node:util';
import type { ListeningAddress } from '../cli/io.ts';
import type { Listener, ListenerTls } from '../config/index.ts';

/** A listener as it runs. */
export interface RunningListener {
  /** One that is made anew, with what cannot be changed in place, has another. */
  readonly id: number;
  /** Names its address, as configured: listeners that are made anew keep their sockets by it. */
  readonly place: string;
  /** With the port that the system chose, where 0 is configured. */
  readonly listener: Listener;
}

/**
 * The listeners of the process, from one configuration to the next. What can be changed in place (certificates, HSTS,
 * redirection) is; for everything else a new listener takes the place of the old one on the same socket.
 */
export class RunningListeners {
  readonly #reopens: boolean;
  #lastId = 0;
  #configured: readonly Listener[];
  #current: readonly RunningListener[];

  /** @param reopens false: listeners cannot be opened and closed, so what cannot be changed in place stays */
  constructor(configured: readonly Listener[], reopens: boolean) {
    this.#reopens = reopens;
    this.#configured = configured;
    this.#current = configured.map((listener) => this.#new(listener));
  }

  get current(): readonly RunningListener[] {
    return this.#current;
  }

  /** Ports that the system chose: the other workers, and successors, share them. */
  bound(listening: readonly ListeningAddress[]): void {
    this.#current = this.#current.map((running, at) => {
      const port = listening[at]?.port ?? running.listener.port;
      return { ...running, listener: { ...running.listener, port } };
    });
  }

  /** What would run by another configuration; nothing is changed yet. */
  next(wanted: readonly Listener[]): readonly RunningListener[] {
    return this.#reopens ? this.#reopened(wanted) : this.#kept(wanted);
  }

  /** From now on these run. */
  use(configured: readonly Listener[], current: readonly RunningListener[]): void {
    this.#configured = this.#reopens ? configured : this.#configured;
    this.#current = current;
  }

  #new(listener: Listener): RunningListener {
    const id = ++this.#lastId;
    // A port that the system chooses is another one each time.
    return { id, place: `${listener.address} ${listener.port === 0 ? `#${id}` : listener.port}`, listener };
  }

  #reopened(wanted: readonly Listener[]): readonly RunningListener[] {
    const left = [...this.#current];
    const configured = [...this.#configured];
    return wanted.map((listener) => {
      const found = configured.findIndex(
        ({ address, port }) => address === listener.address && port === listener.port,
      );
      if (found === -1) return this.#new(listener);
      configured.splice(found, 1);
      const running = left.splice(found, 1)[0]!;
      const { port } = running.listener;
      const id = isDeepStrictEqual(madeWith(running.listener), madeWith(listener))
        ? running.id
        : ++this.#lastId;
      return { id, place: running.place, listener: { ...listener, port } };
    });
  }

  #kept(wanted: readonly Listener[]): readonly RunningListener[] {
    const left = [...wanted];
    return this.#current.map((running, at) => {
      const { address, port, tls } = this.#configured[at]!;
      const found = left.findIndex(
        (one) => one.address === address && one.port === port && (one.tls === null) === (tls === null),
      );
      const [same] = found === -1 ? [] : left.splice(found, 1);
      return same === undefined ? running : { ...running, listener: updated(running.listener, same) };
    });
  }
}

/** All but what can be changed in place. */
function madeWith(listener: Listener): object {
  const { address: _address, port: _port, redirectToHttps: _redirect, tls, ...rest } = listener;
  return { ...rest, tls: tls === null ? null : tlsMadeWith(tls) };
}

function tlsMadeWith(tls: ListenerTls): Omit<ListenerTls, 'certificates' | 'hsts'> {
  const { certificates: _certificates, hsts: _hsts, ...rest } = tls;
  return rest;
}

/** What can be changed in place is `wanted`; the rest is as it runs. */
function updated(running: Listener, wanted: Listener): Listener {
  const { tls, redirectToHttps } = wanted;
  const secure = running.tls === null || tls === null ? running.tls : { ...tls, ...tlsMadeWith(running.tls) };
  return { ...running, redirectToHttps, tls: secure };
}
