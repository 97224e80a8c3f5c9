import type { BackendTarget, ConnectionSource } from '../contracts.ts';
import type { ProxyProtocolVersion } from '../proxy-protocol.ts';
import type { Runtime } from '../runtime.ts';
import { BackendSockets, Connecting, type Attempt, type BackendTls } from './connecting.ts';
import { BackendConnection } from './connection.ts';

/** Opens HTTP/1.1 connections to one backend. */
export class BackendConnector {
  readonly #runtime: Runtime;
  readonly #sockets: BackendSockets;
  readonly #proxyProtocol: ProxyProtocolVersion | undefined;
  #pool: ConnectionSource<BackendConnection> | undefined = undefined;

  /**
   * @param proxyProtocol every connection begins with a PROXY protocol header and is used for one exchange, which
   * costs a connect per request; `http` only, since under TLS the header would have to come before the handshake
   */
  constructor(
    runtime: Runtime,
    target: BackendTarget,
    tlsOptions: BackendTls = {},
    proxyProtocol?: ProxyProtocolVersion,
  ) {
    if (proxyProtocol !== undefined && target.protocol !== 'http') {
      throw new TypeError(`a PROXY protocol header is sent to http backends only, not to ${target.protocol}`);
    }
    this.#proxyProtocol = proxyProtocol;
    this.#runtime = runtime;
    this.#sockets = new BackendSockets(target, tlsOptions);
  }

  /** The pool that gets the connections; set once, since pool and connector need each other. */
  for(pool: ConnectionSource<BackendConnection>): void {
    this.#pool = pool;
  }

  connect(attempt: Attempt<BackendConnection>): void {
    const pool = this.#pool!;
    const create = (socket: BackendConnection['socket']) =>
      new BackendConnection(this.#runtime, pool, socket, this.#proxyProtocol);
    const connecting = new Connecting(this.#runtime, this.#sockets, attempt, create);
    attempt.context = connecting;
    connecting.open();
  }

  abandon(attempt: Attempt<BackendConnection>): void {
    if (attempt.context instanceof Connecting) attempt.context.abandon();
  }
}
